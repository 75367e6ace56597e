"""The shell: tabs are built and labelled, errors are sentences, jobs are followed, no file of the server is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from angen.cli import app as cli
from angen.errors import DatasetError, JobError, MissingFileError
from angen.jobs import Job, NewJob, attempts, open_store
from angen.jobs.records import Worker
from angen.progress import Progress
from angen.settings import Settings
from angen.ui import PATH, mount
from angen.ui.context import Page
from angen.ui.page import build_page, strip_html
from angen.ui.problems import Told, guarded, problem_html
from angen.ui.tabs import TABS
from angen.ui.watch import JobWatch, Seen, ask_of, find_job, status_html

from .conftest import Studio, served


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> gr.Blocks:
    return build_page(Settings(tmp_path_factory.mktemp("built") / "workspace"))


def submitted(settings: Settings, kind: str = "train", **how: Any) -> Job:
    return open_store(settings).submit(NewJob(kind, {"name": "steel"}, **{"title": "Train steel", **how}))


def begun(settings: Settings, job: Job) -> Job:
    """The job as one that this process works at."""
    store = open_store(settings)
    claimed = attempts.claim(store, job.slot, 1)
    assert claimed is not None
    return attempts.begin(store, claimed.id, claimed.attempt, Worker(1, "x"))


def test_all_tabs_of_the_issue_are_there(blocks: gr.Blocks) -> None:
    labels = [block.label for block in blocks.blocks.values() if isinstance(block, gr.Tab)]
    for title, tabs in TABS.items():
        assert title in labels
        assert [label for label in labels if label in tabs.values()] == list(tabs.values())


def test_every_component_that_is_seen_has_a_label(blocks: gr.Blocks) -> None:
    kinds = (
        gr.Textbox,
        gr.Dropdown,
        gr.Slider,
        gr.Number,
        gr.Checkbox,
        gr.Radio,
        gr.File,
        gr.Audio,
        gr.Dataframe,
    )
    unlabelled = [block for block in blocks.blocks.values() if isinstance(block, kinds) and not block.label]
    assert unlabelled == []


def test_no_handler_is_an_open_api(blocks: gr.Blocks) -> None:
    assert all(one.api_visibility == "private" for one in blocks.fns.values() if one.fn is not None)


def test_an_error_is_a_sentence_with_its_remedy_and_leaves_the_outputs() -> None:
    def refuse(_: str) -> list[Any]:
        raise DatasetError("There is no dataset '<b>'.", remedy="Prepare one.")

    skipped, words = guarded(refuse, 1)("x")
    assert skipped == gr.skip()
    assert "There is no dataset &#x27;&lt;b&gt;&#x27;." in words
    assert "Prepare one." in words


def test_a_fault_nobody_foresaw_is_told_without_its_inside() -> None:
    words = guarded(lambda: 1 / 0, 0)()[0]
    assert "did not foresee" in words
    assert "ZeroDivision" not in words


def test_news_and_problems_are_said_together() -> None:
    told = guarded(lambda: Told("One came.", [1], [JobError("The other did not.", remedy="Try again.")]), 2)()
    assert told[0] == 1
    assert told[1] == gr.skip()
    assert "One came." in told[2]
    assert "The other did not." in told[2]


def test_a_running_job_is_shown_before_a_newer_one_that_waits(settings: Settings) -> None:
    first = begun(settings, submitted(settings))
    second = submitted(settings)
    store = open_store(settings)
    shown = find_job(store, ["train"], "")
    assert shown is not None
    assert shown.id == first.id
    chosen = find_job(store, ["train"], second.id)
    assert chosen is not None
    assert chosen.id == second.id
    assert find_job(store, ["generate"], "") is None
    assert find_job(store, ["generate"], second.id) is None


def test_a_look_gives_news_once_and_then_nothing(page: Page) -> None:
    watch = JobWatch(page, ["train"], can_pause=True)
    job = begun(page.settings, submitted(page.settings))
    store, progress = page.store, Progress("training", 3, 10, "Epoch 1/2")
    attempts.beat(store, job.id, 1, progress, 7.0, [("step", {"step": 3, "loss": 0.5})])
    first = watch.look("", "", Seen())
    seen = next(one for one in first if isinstance(one, Seen))
    assert "Epoch 1/2" in first[0]
    assert "0:07 left" in first[0]
    assert "step 3 loss 0.5" in first[1]
    assert job.id in first
    assert watch.look("", "", seen) == [gr.skip()] * len(first)
    attempts.succeed(store, job.id, 1, {})
    assert "Done" in watch.look("", "", seen)[0]


def test_a_window_that_forgot_everything_attaches_again(page: Page) -> None:
    watch = JobWatch(page, ["train"])
    job = begun(page.settings, submitted(page.settings))
    assert job.id in watch.look("", "", Seen())
    assert job.id in watch.look("", "", Seen())


def test_stop_and_resume_ask_the_job(page: Page) -> None:
    job = submitted(page.settings, resumable=True)
    assert ask_of(page, job.id, "pause") == "Stopped, can go on."
    assert page.store.get(job.id).state == "paused"
    assert ask_of(page, job.id, "cancel") == "Cancelled."
    with pytest.raises(JobError, match="no job"):
        ask_of(page, "", "cancel")


def test_names_of_users_are_text_on_the_page(settings: Settings) -> None:
    job = submitted(settings, title="<script>alert(1)</script>")
    for made in (strip_html([begun(settings, job)]), status_html(job, job.title)):
        assert "<script>" not in made
        assert "&lt;script&gt;" in made


def test_only_files_of_the_workspace_are_served(page: Page, tmp_path: Path) -> None:
    home = page.settings.home
    inside, outside = home / "outputs" / "a.txt", tmp_path / "secret.txt"
    inside.parent.mkdir(parents=True)
    for file in (inside, outside):
        file.write_text(file.name)
    link = home / "outputs" / "link.txt"
    link.symlink_to(outside)
    assert Path(page.serve(inside)).read_text() == "a.txt"
    for path in (outside, link, home / "outputs" / ".." / ".." / "secret.txt", home / "nothing"):
        with pytest.raises(MissingFileError):
            page.serve(path)


def test_only_uploads_are_taken_for_uploads(page: Page) -> None:
    for path in ("/etc/passwd", str(page.settings.home), "", None):
        with pytest.raises(MissingFileError):
            page.uploaded(path)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """The page on a bare app, for requests that no browser of ours would send."""
    home = tmp_path_factory.mktemp("mounted") / "workspace"
    (home / "outputs").mkdir(parents=True)
    (home / "outputs" / "song.wav").write_bytes(b"RIFF")
    app = FastAPI()
    app.state.settings = Settings(home)
    return TestClient(mount(app, Settings(home)), raise_server_exceptions=False)


def test_the_hub_is_out_of_reach_for_the_page_and_not_for_its_jobs(tmp_path: Path) -> None:
    """A model is fetched by a job, which inherits the environment of the page's process."""
    code = """
import os, sys
from pathlib import Path
from angen.settings import Settings
from angen.ui import prepare_environment
os.environ.pop("HF_HUB_OFFLINE", None)
prepare_environment(Settings(Path(sys.argv[1])))
import huggingface_hub
print(huggingface_hub.constants.HF_HUB_OFFLINE, os.environ.get("HF_HUB_OFFLINE"))
"""
    words = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True", "None"]


def test_the_root_leads_to_the_page(client: TestClient) -> None:
    assert client.get("/", follow_redirects=False).headers["location"] == f"{PATH}/"
    assert client.get(f"{PATH}/").status_code == 200


def test_no_path_of_the_server_can_be_fetched(client: TestClient) -> None:
    home = client.app.state.settings.home  # type: ignore[attr-defined]
    for path in (
        "/etc/passwd",
        home / "outputs" / "song.wav",
        home / "angen.db",
        Path(__file__),
        "../../etc/passwd",
    ):
        for way in (f"/gradio_api/file={path}", f"/file={path}", f"/gradio_api/file=/{path}"):
            answer = client.get(f"{PATH}{way}")
            assert answer.status_code in (403, 404), f"{way}: {answer.status_code}"


def test_the_door_refuses_a_token_that_others_can_read(workspace: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 40)
    token.chmod(0o644)
    told = CliRunner().invoke(
        cli, ["studio", "--host", "0.0.0.0", "--token-file", str(token), "--no-browser"]
    )
    assert told.exit_code == 1
    assert "can be read by other users" in told.output


@pytest.mark.slow
def test_strange_hosts_and_origins_are_refused_for_the_page_too(studio: Studio) -> None:
    page = f"{studio.url}{PATH}/"
    assert httpx.get(page).status_code == 200
    assert httpx.get(page, headers={"Host": "evil.example"}).status_code == 400
    foreign = {"Origin": "http://evil.example"}
    answer = httpx.post(f"{page}gradio_api/run/predict", headers=foreign, json={"data": []})
    assert answer.status_code == 403
    assert "evil" not in answer.headers.get("access-control-allow-origin", "")


@pytest.mark.slow
def test_beyond_this_machine_the_page_wants_the_token(tmp_path: Path) -> None:
    with served(tmp_path / "workspace", "--host", "0.0.0.0") as studio:
        token = (studio.home / "api_token").read_text().strip()
        for path in (f"{PATH}/", f"{PATH}/config", f"{PATH}/gradio_api/info"):
            assert httpx.get(studio.url + path).status_code == 401
            assert (
                httpx.get(studio.url + path, headers={"Authorization": f"Bearer {token}x"}).status_code == 401
            )
        assert (
            httpx.get(f"{studio.url}{PATH}/", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        )
        browser = httpx.get(f"{studio.url}{PATH}/", headers={"Accept": "text/html"})
        assert (browser.status_code, browser.headers["location"]) == (303, f"/login?next={PATH}/")


@pytest.mark.slow
def test_no_path_of_the_server_can_be_handed_in_as_an_upload(studio: Studio) -> None:
    """What handlers are given as a file is one that was uploaded, whatever a request says."""
    with httpx.Client(base_url=f"{studio.url}{PATH}", timeout=60) as client:
        config = client.get("/config").json()
        kinds = {one["id"]: (one["type"], one["props"].get("file_count")) for one in config["components"]}
        tried = 0
        for dependency in config["dependencies"]:
            inputs = [kinds[identity] for identity in dependency["inputs"]]
            if not dependency["backend_fn"] or not any(
                kind in ("file", "uploadbutton") for kind, _ in inputs
            ):
                continue
            stolen = {"path": "/etc/passwd", "orig_name": "passwd", "meta": {"_type": "gradio.FileData"}}
            asked = {"multiple": [stolen], "single": stolen}
            data = [asked[str(count)] if kind in ("file", "uploadbutton") else None for kind, count in inputs]
            session = f"stranger-{dependency['id']}"
            body = {"data": data, "fn_index": dependency["id"], "session_hash": session}
            client.post("/gradio_api/queue/join", json=body).raise_for_status()
            assert not _success(client, session)
            tried += 1
    assert tried >= 2
    assert not list((studio.home / "cache").rglob("passwd*"))


def _success(client: httpx.Client, session: str) -> bool:
    """Whether the event of a session ended well."""
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and '"process_completed"' in line:
                return bool(json.loads(line[5:])["success"])
    raise AssertionError("no answer")


def test_no_player_has_a_button_that_sends_music_elsewhere(blocks: gr.Blocks) -> None:
    players = [one for one in blocks.blocks.values() if isinstance(one, gr.Audio)]
    assert players
    assert [player.label for player in players if player.buttons != ["download"]] == []


def test_an_error_about_an_upload_says_its_name_and_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/home/me/cache/page/files-a1")
    words = problem_html(MissingFileError("/home/me/cache/page/files-a1/0f3c/my song.wav", "it is odd."))
    assert "&#x27;my song.wav&#x27;: it is odd." in words
    assert "/home" not in words
