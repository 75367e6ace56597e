"""Recordings heard and collections fetched as jobs; what could not begin is refused when it is submitted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from angen.errors import DatasetError, DownloadError, LicenceNotAcceptedError, MetadataError
from angen.jobs import JobStore, Supervisor, submit_job
from angen.jobs.studio import KINDS
from angen.settings import Settings
from angen.workflows.metadata import open_metadata
from angen.workflows.uploads import add_recording, create_set


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "workspace")


def test_a_set_is_heard_by_a_job_that_tells_of_each_recording(
    settings: Settings, tmp_path: Path, write_song: Callable[..., Path], store: JobStore, wait: Any
) -> None:
    folder = create_set(settings, "tapes").folder
    for name in ("a.wav", "b.wav"):
        add_recording(settings, "tapes", write_song(tmp_path / name, 5.0), name)
    (folder / "bad.wav").write_text("no sound")
    job = submit_job(settings, KINDS, "annotate", {"folder": str(folder)})
    supervisor = Supervisor(settings)
    supervisor.start()
    try:
        done = wait(job)
    finally:
        supervisor.stop()
    assert done.state == "succeeded"
    assert done.result["heard"] == 2
    heard = [event.data for event in store.events(job.id) if event.kind == "heard"]
    assert [(one["file"], one["error"] is None) for one in heard] == [
        ("a.wav", True), ("b.wav", True), ("bad.wav", False),
    ]  # fmt: skip
    assert [record.sha256 is None for record in open_metadata(settings, folder).draft.records] == [
        False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"collection": "nothing"}, DatasetError),
        ({"collection": "mutopia"}, LicenceNotAcceptedError),
        ({"collection": "mutopia", "singers": 3, "accept_licence": True}, DownloadError),
        ({"collection": "mutopia", "accept_licence": True, "dataset": ".."}, DatasetError),
    ],
)
def test_what_could_not_be_fetched_is_refused_at_once(
    settings: Settings, params: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        submit_job(settings, KINDS, "collect", params)


def test_an_empty_folder_is_refused_at_once(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MetadataError, match="no recordings"):
        submit_job(settings, KINDS, "annotate", {"folder": str(tmp_path / "empty")})
