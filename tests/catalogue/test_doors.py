"""Assets and the commands, over a real server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from angen.catalogue.records import assets
from angen.cli import app
from angen.dataset import load_dataset
from angen.errors import DatasetError, WrongFileError
from angen.jobs import gathering
from angen.jobs.kinds import Stopped
from angen.progress import Progress
from angen.settings import Settings
from angen.workflows.assets import fetch_asset, find_soundfonts, list_assets
from angen.workflows.tagging import WHEEL, WHEEL_SHA256

from .conftest import IMPATIENT, Page, Server, m4singer, zipped
from .test_unpacking import debian_package


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("ANGEN_HOME", str(settings.home))
    return CliRunner()


def test_an_asset_is_fetched_once_verified_and_found(server: Server, settings: Settings) -> None:
    font = b"RIFF a soundfont"
    original = assets()["fluid-r3-mono"]
    members = {f"./{original.member}": font, f"./{original.licence_member}": b"MIT", "./usr/bin/other": b"x"}
    package = debian_package(members)
    server.pages[f"/{original.filename}"] = Page(package)
    known = {"bytes": len(package), "sha256": hashlib.sha256(package).hexdigest(), "found": []}
    asset = original.model_copy(update={**known, "member_sha256": hashlib.sha256(font).hexdigest()})
    state = fetch_asset(settings, asset, mirror=server.url, patience=IMPATIENT)
    assert (state.origin, state.is_verified) == ("fetched", True)
    assert state.path is not None
    assert state.path.read_bytes() == font
    assert {path.name for path in state.path.parents[3].rglob("*") if path.is_file()} == {
        "FluidR3Mono_GM.sf3",
        "copyright",
    }
    assert state.path in find_soundfonts(settings)
    with pytest.raises(WrongFileError):
        fetch_asset(
            settings, asset.model_copy(update={"sha256": "0" * 64}), mirror=server.url, patience=IMPATIENT
        )


def test_where_no_hash_is_known_the_first_one_seen_decides(
    server: Server, settings: Settings, tmp_path: Path
) -> None:
    asset = assets()["fluid-r3-mono"].model_copy(
        update={
            "archive": None,
            "filename": "a.sf2",
            "member": "a.sf2",
            "sha256": None,
            "bytes": None,
            "member_sha256": None,
        }
    )
    given = tmp_path / "a.sf2"
    given.write_bytes(b"first")
    state = fetch_asset(settings, asset, from_file=given)
    assert (state.is_verified, state.sha256) == (False, hashlib.sha256(b"first").hexdigest())
    given.write_bytes(b"other")
    with pytest.raises(WrongFileError):
        fetch_asset(settings, asset, from_file=given)
    assert state.path is not None
    assert state.path.read_bytes() == b"first"


def test_the_weights_of_the_catalogue_are_those_that_are_pinned(settings: Settings, tmp_path: Path) -> None:
    asset = assets()["musicnn"]
    assert (asset.sha256, asset.url) == (WHEEL_SHA256, f"pip:{WHEEL}")
    assert next(state for state in list_assets(settings) if state.asset.id == "musicnn").origin == "missing"
    other = tmp_path / asset.filename
    other.write_bytes(b"PK another package")
    with pytest.raises(WrongFileError):
        fetch_asset(settings, asset, from_file=other)
    assert not (settings.cache / "musicnn").exists()


def test_a_soundfont_that_is_not_there_is_named(settings: Settings) -> None:
    with pytest.raises(DatasetError, match=r"none\.sf2"):
        find_soundfonts(settings, [Path("none.sf2")])


def test_the_catalogue_says_licences_and_what_they_mean(run: CliRunner) -> None:
    listed = run.invoke(app, ["dataset", "catalog"])
    assert listed.exit_code == 0
    assert all(word in listed.stdout for word in ("opensinger", "CC-BY-NC-SA-4.0", "mutopia", "per piece"))
    one = run.invoke(app, ["dataset", "catalog", "lakh", "--json"])
    record = json.loads(one.stdout)[0]
    assert record["id"] == "lakh"
    assert len(record["sources"]) == 3
    assert "No commercial use" in run.invoke(app, ["dataset", "catalog", "m4singer"]).stdout
    assert run.invoke(app, ["dataset", "catalog", "nothing"]).exit_code == 1
    shown = run.invoke(app, ["assets", "list", "--json"])
    licences = {each["id"]: each["licence"] for each in json.loads(shown.stdout)}
    assert set(licences.values()) == {"MIT", "ISC"}
    assert licences["musicnn"] == "ISC"
    assert len(list_assets(Settings(Path("/nowhere")))) == 4


@pytest.fixture
def small_m4singer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from angen.catalogue import records

    known = dict(records.collections())
    known["m4singer"] = known["m4singer"].model_copy(update={"files": 6, "hours": 0.01})
    small = known["m4singer"].sources[0].model_copy(update={"unpacked_bytes": 9_000_000})
    known["m4singer"] = known["m4singer"].model_copy(update={"sources": [small]})
    monkeypatch.setattr("angen.catalogue.records.collections", lambda: known)
    server.pages["/m4singer.zip"] = Page(zipped(m4singer()))


class Watching:
    """What a job asks of its surroundings, where there is none."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.stops = False

    def report(self, progress: Progress) -> None:
        self.stages.append(progress.stage)

    show = report

    def should_stop(self) -> bool:
        return self.stops

    def checkpointed(self, note: str) -> None:
        self.stages.append(note)


@pytest.mark.usefixtures("small_m4singer")
def test_a_job_fetches_and_prepares_and_can_be_stopped_between(server: Server, settings: Settings) -> None:
    given = {"collection": "m4singer", "mirror": server.url, "accept_licence": True, "dataset": "alto"}
    params, context = gathering.Collect.model_validate(given), Watching()
    gathering.check_collect(settings, params)
    context.stops = True
    with pytest.raises(Stopped):
        gathering.collect(settings, params, context)  # type: ignore[arg-type]
    context.stops = False
    result = gathering.collect(settings, params, context)  # type: ignore[arg-type]
    assert (result["files"], result["dataset"]["name"]) == (13, "alto")
    assert result["dataset"]["non_commercial"] is True
    assert len(load_dataset(settings.training_data / "alto").clips) == result["dataset"]["clips"]
    with pytest.raises(DatasetError, match="alto"):
        gathering.check_collect(settings, params)


@pytest.mark.usefixtures("small_m4singer")
def test_download_and_prepare_by_command(run: CliRunner, server: Server, settings: Settings) -> None:
    refused = run.invoke(app, ["dataset", "download", "m4singer", "--mirror", server.url, "--json"])
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["error"]["type"] == "licence-not-accepted"
    assert server.log == []
    done = run.invoke(
        app, ["dataset", "download", "m4singer", "--mirror", server.url, "--accept-licence", "--json"]
    )
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["files"] == 13
    assert "No commercial use" in done.stderr
    made = run.invoke(
        app, ["dataset", "prepare", "m4singer", "--name", "alto", "--workers", "1", "--style", "pop"]
    )
    assert made.exit_code == 0, made.stderr
    assert "CC-BY-NC-SA-4.0 (non-commercial, share alike)" in made.stdout
    dataset = load_dataset(settings.training_data / "alto")
    assert dataset.prompt(dataset.clips[0]) in ("pop, alto voice", "pop, tenor voice")


@pytest.mark.parametrize(
    "words",
    [
        ["dataset", "prepare", "mine"],
        ["dataset", "prepare", "mine", "song.wav", "--hours", "2"],
        ["dataset", "prepare", "ccmixter_corpus", "--part", "drums"],
        ["assets", "fetch", "nothing"],
        ["assets", "fetch", "--from", "x"],
    ],
)
def test_misuse_exits_with_2(run: CliRunner, words: list[str]) -> None:
    assert run.invoke(app, words).exit_code == 2
