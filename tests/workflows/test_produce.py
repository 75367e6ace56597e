"""Productions from a prompt or a recording to files: whole, interrupted, damaged, made again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from angen.adapters import read_info, write_info
from angen.audio import loudness_lufs, read_audio
from angen.cli import app
from angen.errors import (
    AdapterError,
    AngenError,
    EnhancementError,
    GenerationError,
    MasteringError,
    MissingFileError,
    ModelError,
    ProductionError,
    SilentAudioError,
)
from angen.export import read_sidecar, read_tags
from angen.export.sidecar import SUFFIX
from angen.files import content_hash
from angen.model import AngenTiny
from angen.model.codec import Codec
from angen.model.network import read_json
from angen.progress import Progress
from angen.report.mastering import write_mastering_report
from angen.settings import Settings
from angen.workflows.produce import (
    Produced,
    begin_production,
    produce,
    read_blueprint,
    read_production,
    repeat_production,
)
from angen.workflows.production import (
    AdapterUse,
    ProductionRequest,
    ProductionStoppedError,
    Recording,
    TagChoices,
)

MakeAdapter = Callable[..., Path]
REQUEST = ProductionRequest(
    generation={"prompt": "happy calypso, 112 bpm", "seconds": 1.0, "seed": 3, "steps": 1},
    model="small",
    adapters=[AdapterUse(name="mine", strength=0.5)],
    enhance=0.5,
    upscale_hz=32_000,
    formats=["wav16", "ogg:5"],
    tags=TagChoices(title="Été 歌", artist="Ж", date="2026-11-22", timed_lyrics="[00:00.50]la\n"),
)
STAGE_FILES = ("01-generated.wav", "02-enhanced.wav", "03-mastered.wav", "export/Été-歌.ogg")


class Studio:
    """A workspace with the adapter `mine`, and what a test does there."""

    def __init__(self, settings: Settings, model: Any) -> None:
        self.settings, self.model, self.opened = settings, model, 0

    def open_model(self, _id: str) -> Any:
        self.opened += 1
        return self.model

    def new(self, folder: Path | None, request: ProductionRequest = REQUEST, **how: Any) -> Produced:
        recording = how.get("recording")
        production = begin_production(
            self.settings, request, out=folder, recording=recording, open_model=self.open_model
        )
        return produce(self.settings, production, open_model=self.open_model, **how)

    def resume(self, folder: Path, **how: Any) -> Produced:
        return produce(self.settings, read_production(folder), open_model=self.open_model, **how)

    def again(self, source: Path, folder: Path | None, recording: Path | None = None) -> Produced:
        blueprint = read_blueprint(source)
        production = repeat_production(
            self.settings, blueprint, out=folder, recording=recording, open_model=self.open_model
        )
        return produce(
            self.settings, production, recording=blueprint.recording(recording), open_model=self.open_model
        )


@pytest.fixture(scope="session")
def _small_weights(_small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model's folder, whose codec keeps what fits of the packed one; the rest is random.

    A production does not ask how the music sounds, and can be tested while the codec is trained anew.
    """
    folder = tmp_path_factory.mktemp("small model for productions")
    for path in _small_weights.iterdir():
        (folder / path.name).symlink_to(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = Codec(channels=read_json(folder / "model.json")["mel_dim"])
    own, packed = codec.state_dict(), load_file(folder / "codec.safetensors")
    for name, weight in own.items():
        if name in packed and packed[name].shape == weight.shape:
            weight.copy_(packed[name])
    (folder / "codec.safetensors").unlink()
    save_file(own, folder / "codec.safetensors")
    return folder


@pytest.fixture(scope="module")
def _model(_small_weights: Path) -> AngenTiny:
    return AngenTiny(_small_weights)


@pytest.fixture
def small(_model: AngenTiny, monkeypatch: pytest.MonkeyPatch) -> AngenTiny:
    """One model for all: what a production does to it must not be felt by the next."""
    monkeypatch.setattr("peft.PeftModel.create_or_update_model_card", lambda *_: None)
    return _model


@pytest.fixture
def studio(
    settings: Settings, small: Any, make_adapter: MakeAdapter, monkeypatch: pytest.MonkeyPatch
) -> Studio:
    """Without the page of the mastering report: it is no part of the bytes, and three quarters of the time."""
    monkeypatch.setattr("angen.report.mastering.write_mastering_report", lambda page, *_: page.touch())
    make_adapter(small, "mine", tempo_bpm=97.0, noise_scale=1.1, guidance=0.7, licence="CC-BY-NC-4.0")
    return Studio(settings, small)


@pytest.fixture(scope="module")
def _kept() -> dict[str, Path]:
    return {}


@pytest.fixture
def whole(studio: Studio, _kept: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted production; made once, for looking only."""
    if "folder" not in _kept:
        folder = tmp_path_factory.mktemp("whole") / "song"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("angen.report.mastering.write_mastering_report", write_mastering_report)
            studio.new(folder)
        studio.opened = 0
        _kept["folder"] = folder
    return _kept["folder"]


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(whole, tmp_path / "copied"))


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    """A recording of two seconds with tags of its own and a JSON that says how it was made."""
    time_s = np.arange(2 * 24_000) / 24_000
    noise = 0.02 * np.random.default_rng(0).standard_normal((len(time_s), 2))
    path = tmp_path / "a tune.FLAC"
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 330 * time_s)[:, None] + noise, 24_000, format="FLAC")
    told = {
        "model": "elsewhere",
        "base_hash": "ab" * 32,
        "request": {"prompt": "waltz in D major", "seed": 9},
    }
    path.with_name(path.name + ".json").write_text(json.dumps(told))
    return path


def sounds(folder: Path) -> dict[str, bytes]:
    """All sound files of a production, by name."""
    found = (path for path in folder.rglob("*") if path.suffix in (".wav", ".ogg", ".flac"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def timeless(folder: Path) -> dict[str, Any]:
    """The side-car without the times of its making."""
    (path,) = (folder / "export").glob(f"*{SUFFIX}")
    record: dict[str, Any] = json.loads(path.read_text())
    del record["created"], record["origin"]["created"]
    return record


class TestWhole:
    def test_every_stage_has_its_file_and_its_sound(self, whole: Path) -> None:
        names = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
        assert names == {
            "production.json", "01-generated.wav", "01-generated.wav.json", "02-enhanced.wav", "03-mastered.wav",
            "03-mastered.wav.json", "03-mastered.wav.html", "export/Été-歌.wav", "export/Été-歌.ogg",
            f"export/Été-歌{SUFFIX}",
        }  # fmt: skip
        first, enhanced, mastered = (read_audio(whole / name) for name in STAGE_FILES[:3])
        assert (first.rate_hz, enhanced.rate_hz, mastered.rate_hz) == (24_000, 32_000, 32_000)
        for audio in (first, enhanced, mastered):
            assert audio.duration_s == pytest.approx(1.0, abs=1e-3)
        assert loudness_lufs(mastered) == pytest.approx(-14.0, abs=0.1)

    def test_the_record_says_all_and_the_hashes_are_those_of_the_files(
        self, whole: Path, studio: Studio
    ) -> None:
        record = read_production(whole).record
        assert record.asked == REQUEST
        assert record.base_hash == studio.model.facts.base_hash
        weights = studio.settings.loras / "mine" / "best" / "adapter_model.safetensors"
        assert [adapter.sha256 for adapter in record.adapters] == [content_hash(weights)]
        assert [stage.stage for stage in record.stages] == ["generate", "enhance", "master", "export"]
        assert set(STAGE_FILES) <= set(record.files)
        assert {name: content_hash(whole / name) for name in record.files} == record.files
        music = record.request.generation_request()  # the stated tempo, then what is the adapter's own
        assert (music.tempo_bpm, music.noise_scale, music.guidance) == (112.0, 1.1, 0.7)

    def test_the_sidecar_carries_enhancement_mastering_and_adapters(self, whole: Path) -> None:
        sidecar = read_sidecar(whole / "export" / f"Été-歌{SUFFIX}")
        record = read_production(whole).record
        assert sidecar.enhancement is not None
        assert sidecar.mastering is not None
        assert sidecar.enhancement["strength"] == 0.5
        chain: Any = sidecar.enhancement["chain"]
        assert [step["processor"] for step in chain] == ["DeNoise", "DeEss"]
        assert sidecar.enhancement["upscaling"]["rate_hz"] == 32_000  # type: ignore[index,call-overload]
        assert sidecar.mastering["settings"]["preset"]["name"] == "streaming"  # type: ignore[index,call-overload]
        assert sidecar.mastering["after"]["integrated_lufs"] == pytest.approx(-14, abs=0.1)  # type: ignore[index,call-overload]
        assert [(a.name, a.strength, a.sha256, a.licence) for a in sidecar.adapters] == [
            ("mine", 0.5, record.adapters[0].sha256, "CC-BY-NC-4.0")
        ]
        assert (sidecar.model, sidecar.base_hash, sidecar.seed) == ("small", record.base_hash, 3)
        assert sidecar.generation == record.request.generation
        assert sidecar.non_commercial
        assert sidecar.source.sha256 == record.files["03-mastered.wav"]

    def test_the_files_say_what_they_are(self, whole: Path) -> None:
        for name in ("Été-歌.wav", "Été-歌.ogg"):
            tags = read_tags(whole / "export" / name).tags
            assert (tags.title, tags.artist, tags.date, tags.bpm) == ("Été 歌", "Ж", "2026-11-22", 112.0)
            assert (tags.comment, tags.extra["SEED"]) == ("happy calypso, 112 bpm", "3")
            assert [line.start_s for line in tags.timed_lyrics] == [0.5]
            assert tags.ai is not None
            assert tags.ai.model == "small"

    def test_progress_runs_over_all_stages_and_never_back(self, studio: Studio, copied: Path) -> None:
        (copied / "01-generated.wav").unlink()
        told: list[Progress] = []
        studio.resume(copied, on_progress=told.append)
        assert {(one.stage, one.total) for one in told} == {("producing", 4)}
        done = [one.done for one in told]
        assert done == sorted(done)
        assert (done[0], done[-1]) == (0, 4)
        assert {int(one) for one in done} == {0, 1, 2, 3, 4}


class TestResuming:
    @pytest.mark.parametrize("until", range(4))
    def test_stopped_in_any_stage_and_resumed_it_is_the_same(
        self, studio: Studio, whole: Path, tmp_path: Path, until: int
    ) -> None:
        folder, at = tmp_path / "song", [0.0]

        def watch(progress: Progress) -> None:
            at[0] = progress.done

        with pytest.raises(ProductionStoppedError, match="kept"):
            studio.new(folder, on_progress=watch, should_stop=lambda: at[0] > until)
        done = [stage.stage for stage in read_production(folder).record.stages]
        assert done == ["generate", "enhance", "master", "export"][:until]
        assert not (folder / "export").exists()
        assert not list(folder.rglob("*.part*"))
        made = studio.resume(folder)
        assert made.kept == tuple(done)
        assert made.warnings == tuple(w for stage in made.record.stages for w in stage.warnings)
        assert sounds(folder) == sounds(whole)
        assert timeless(folder) == timeless(whole)

    def test_a_finished_one_is_left_alone_and_needs_no_model(self, studio: Studio, copied: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in copied.rglob("*")}
        made = studio.new(copied)  # the same request in the same folder goes on there
        assert len(made.kept) == 4
        assert studio.opened == 0
        assert {path: path.stat().st_mtime_ns for path in copied.rglob("*")} == before

    @pytest.mark.parametrize("stage", range(4))
    def test_damage_is_noticed_and_made_good_and_what_was_there_is_kept(
        self, studio: Studio, copied: Path, whole: Path, stage: int
    ) -> None:
        path = copied / STAGE_FILES[stage]
        spoilt = path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])
        path.write_bytes(spoilt)
        made = studio.resume(copied)
        assert len(made.kept) == stage
        assert path.read_bytes() == (whole / STAGE_FILES[stage]).read_bytes()
        aside = path.with_name(f"{path.stem}.changed{path.suffix}")
        assert aside.read_bytes() == spoilt
        assert f"{STAGE_FILES[stage]} was changed or damaged: made again from there." in made.warnings
        aside.unlink()
        assert sounds(copied) == sounds(whole)

    def test_what_is_missing_is_made_again(self, studio: Studio, copied: Path, whole: Path) -> None:
        (copied / "02-enhanced.wav").unlink()
        made = studio.resume(copied)
        assert made.kept == ("generate",)
        assert studio.opened == 0
        assert sounds(copied) == sounds(whole)

    def test_a_failing_stage_keeps_those_before_it(self, studio: Studio, tmp_path: Path) -> None:
        folder = tmp_path / "song"
        (folder / "export").parent.mkdir()
        production = begin_production(studio.settings, REQUEST, out=folder, open_model=studio.open_model)
        (folder / "export").write_text("in the way")
        with pytest.raises(AngenError, match="exists already"):
            produce(studio.settings, production, open_model=studio.open_model)
        assert len(read_production(folder).record.stages) == 3
        (folder / "export").unlink()
        assert len(studio.resume(folder).kept) == 3

    def test_another_model_or_adapter_meanwhile_is_refused(
        self, studio: Studio, copied: Path, make_adapter: MakeAdapter
    ) -> None:
        (copied / "01-generated.wav").unlink()
        change_weights(studio)
        with pytest.raises(AdapterError, match="'mine'"):
            studio.resume(copied)

    @pytest.mark.parametrize("text", ["", "{}", "[]", "\xff", '{"format_version": 2}', "[" * 100_000])
    def test_a_damaged_record_is_refused(self, copied: Path, text: str) -> None:
        (copied / "production.json").write_text(text, "latin-1")
        with pytest.raises(ProductionError, match="no record of a production"):
            read_production(copied)

    @pytest.mark.parametrize("name", ["../outside.wav", "/etc/passwd", ""])
    def test_a_record_cannot_point_outside_its_folder(self, copied: Path, name: str) -> None:
        record = json.loads((copied / "production.json").read_text())
        record["stages"][0]["files"] = {name: "0" * 64}
        (copied / "production.json").write_text(json.dumps(record))
        with pytest.raises(ProductionError, match="within the production's folder"):
            read_production(copied)


def change_weights(studio: Studio) -> None:
    """Train the adapter further, so to say."""
    path = studio.settings.loras / "mine" / "best" / "adapter_model.safetensors"
    save_file({name: 1.01 * weight for name, weight in load_file(path).items()}, path)


class TestAgain:
    @pytest.mark.parametrize("source", [f"export/Été-歌{SUFFIX}", "production.json"])
    def test_it_is_the_same_byte_for_byte(
        self, studio: Studio, whole: Path, tmp_path: Path, source: str
    ) -> None:
        alone = Path(shutil.copy(whole / source, tmp_path))  # the side-car is all there is
        made = studio.again(alone, tmp_path / "again")
        assert sounds(made.folder) == sounds(whole)
        assert timeless(made.folder) == timeless(whole)
        assert made.as_dict()["same"] is True
        assert set(STAGE_FILES) <= set(made.record.expected)

    def test_what_differs_is_told_with_the_versions(
        self, studio: Studio, whole: Path, tmp_path: Path
    ) -> None:
        record = json.loads((whole / "production.json").read_text())
        record["stages"][1]["files"]["02-enhanced.wav"] = "0" * 64
        for stage in record["stages"]:
            stage["versions"]["numpy"] = "0.1"
        (tmp_path / "production.json").write_text(json.dumps(record))
        made = studio.again(tmp_path / "production.json", tmp_path / "again")
        assert made.as_dict()["same"] is False
        assert made.record.differences == ["02-enhanced.wav"]
        assert "02-enhanced.wav (numpy 0.1 then" in made.warnings[-1]

    def test_a_foreign_adapter_is_refused_by_its_name(
        self, studio: Studio, whole: Path, tmp_path: Path
    ) -> None:
        change_weights(studio)
        with pytest.raises(AdapterError, match="weights of adapter 'mine' are"):
            studio.again(whole, tmp_path / "again")
        shutil.rmtree(studio.settings.loras / "mine")
        with pytest.raises(AdapterError, match="mine"):
            studio.again(whole, tmp_path / "again")
        assert not (tmp_path / "again").exists()

    def test_another_base_is_refused_by_its_name(self, studio: Studio, whole: Path, tmp_path: Path) -> None:
        record = json.loads((whole / "production.json").read_text())
        record["base_hash"] = "ab" * 32
        (tmp_path / "production.json").write_text(json.dumps(record))
        with pytest.raises(ModelError, match=r"'\S+' is \w{12}, .* with abababababab"):
            studio.again(tmp_path / "production.json", tmp_path / "again")
        assert not (tmp_path / "again").exists()

    def test_an_adapters_new_own_tempo_does_not_change_it_unseen(
        self, studio: Studio, tmp_path: Path
    ) -> None:
        folder = studio.settings.loras / "mine"
        info = read_info(folder)
        write_info(folder, info.model_copy(update={"tempo_bpm": None}))
        request = REQUEST.model_copy(
            update={"generation": {**(REQUEST.generation or {}), "prompt": "calypso"}}
        )
        production = begin_production(
            studio.settings, request, out=tmp_path / "a", open_model=studio.open_model
        )
        write_info(folder, info)
        with pytest.raises(AdapterError, match="own tempo"):
            produce(studio.settings, production, open_model=studio.open_model)
        assert not (tmp_path / "a" / "01-generated.wav").exists()

    def test_a_sidecar_of_no_production_is_refused(self, whole: Path, tmp_path: Path) -> None:
        record = json.loads((whole / "export" / f"Été-歌{SUFFIX}").read_text())
        for origin in (None, {}, {"production": 1}, {"production": {"request": {}}}):
            (tmp_path / f"x{SUFFIX}").write_text(json.dumps({**record, "origin": origin}))
            with pytest.raises(ProductionError, match="does not tell of a production"):
                read_blueprint(tmp_path / f"x{SUFFIX}")


class TestFolders:
    def test_another_production_is_never_overwritten(self, studio: Studio, copied: Path) -> None:
        before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
        for change in ({"intensity": 0.6}, {"formats": ["flac"]}, {"tags": TagChoices(title="Other")}):
            with pytest.raises(ProductionError, match="holds another production"):
                studio.new(copied, REQUEST.model_copy(update=change))
        assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before

    def test_a_folder_of_something_else_is_refused(self, studio: Studio, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "01-generated.wav").write_text("a diary")
        for out in (tmp_path / "mine", tmp_path / "mine" / "01-generated.wav"):
            with pytest.raises(ProductionError, match="something else"):
                studio.new(out)
        assert (tmp_path / "mine" / "01-generated.wav").read_text() == "a diary"

    def test_without_a_folder_each_gets_a_new_one_named_by_its_title(self, studio: Studio) -> None:
        folders = [
            begin_production(studio.settings, request, open_model=studio.open_model).folder
            for request in (REQUEST, REQUEST, REQUEST.model_copy(update={"tags": TagChoices()}))
        ]
        assert [folder.name for folder in folders] == ["Été-歌", "Été-歌-2", "happy-calypso"]
        assert {folder.parent.parent for folder in folders} == {studio.settings.outputs}


class TestRecordings:
    def request(self, tune: Path, **update: Any) -> ProductionRequest:
        plain = ProductionRequest(recording=Recording.of(tune), formats=["flac"])
        return plain.model_copy(update=update)

    def test_one_is_mastered_as_it_is_and_keeps_its_origin(
        self, studio: Studio, tune: Path, tmp_path: Path
    ) -> None:
        made = studio.new(tmp_path / "song", self.request(tune), recording=tune)
        assert [stage.stage for stage in made.record.stages] == ["generate", "master", "export"]
        assert (made.folder / "01-recording.flac").read_bytes() == tune.read_bytes()
        assert not (made.folder / "02-enhanced.wav").exists()
        assert studio.opened == 0
        sidecar = read_sidecar(made.sidecar)
        assert (sidecar.model, sidecar.base_hash, sidecar.seed) == ("elsewhere", "ab" * 32, 9)
        assert (sidecar.prompt, sidecar.enhancement) == ("waltz in D major", None)
        assert sidecar.mastering is not None
        tags = read_tags(made.files[0]).tags
        assert (tags.title, tags.key, tags.comment) == ("a tune", "D", "waltz in D major")

    def test_it_is_made_again_from_its_folder_or_from_the_recording_given(
        self, studio: Studio, tune: Path, tmp_path: Path
    ) -> None:
        made = studio.new(tmp_path / "song", self.request(tune), recording=tune)
        again = studio.again(made.sidecar, tmp_path / "again")
        assert sounds(again.folder) == sounds(made.folder)
        alone = Path(shutil.copy(made.sidecar, tmp_path))
        with pytest.raises(ProductionError, match=r"'a tune.FLAC' .* is not there"):
            studio.again(alone, tmp_path / "third")
        with pytest.raises(ProductionError, match="is not the one in"):
            studio.again(alone, tmp_path / "third", recording=made.files[0])
        assert not (tmp_path / "third").exists()
        assert sounds(studio.again(alone, tmp_path / "third", recording=tune).folder) == sounds(made.folder)

    def test_a_lost_copy_is_taken_from_the_recording_again(
        self, studio: Studio, tune: Path, tmp_path: Path
    ) -> None:
        folder = studio.new(tmp_path / "song", self.request(tune), recording=tune).folder
        (folder / "01-recording.flac").unlink()
        with pytest.raises(ProductionError, match="Give it again"):
            studio.resume(folder)
        assert studio.resume(folder, recording=tune).kept == ()

    def test_a_rate_above_the_one_asked_for_is_left(self, studio: Studio, tune: Path, tmp_path: Path) -> None:
        made = studio.new(tmp_path / "song", self.request(tune, upscale_hz=16_000), recording=tune)
        assert made.record.stages[1].settings["upscaling"] is None
        np.testing.assert_array_equal(
            read_audio(made.folder / "02-enhanced.wav").samples, read_audio(tune).samples
        )

    def test_silence_and_less_than_a_moment_are_refused_by_their_rooms(
        self, studio: Studio, tmp_path: Path
    ) -> None:
        soundfile.write(tmp_path / "silent.wav", np.zeros(24_000), 24_000)
        with pytest.raises(SilentAudioError):
            studio.new(tmp_path / "song", self.request(path := tmp_path / "silent.wav"), recording=path)
        assert not (tmp_path / "song").exists()
        soundfile.write(tmp_path / "short.wav", np.random.default_rng(0).uniform(-1, 1, 4000), 24_000)
        with pytest.raises(MasteringError):
            studio.new(tmp_path / "song", self.request(path := tmp_path / "short.wav"), recording=path)
        assert [stage.stage for stage in read_production(tmp_path / "song").record.stages] == ["generate"]
        with pytest.raises(MissingFileError):
            Recording.of(tmp_path / "nowhere.wav")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"generation": None}, ProductionError),
        ({"recording": Recording(name="a", sha256="0")}, ProductionError),
        ({"generation": {"prompt": ""}}, GenerationError),
        ({"generation": {"prompt": "a", "seconds": "long"}}, ProductionError),
        ({"generation": {"prompt": "a", "loud": True}}, ProductionError),
        ({"enhance": 1.5}, EnhancementError),
        ({"upscale_hz": 100}, EnhancementError),
        ({"preset": "loud"}, MasteringError),
        ({"preset": "match"}, MasteringError),
        ({"style": "loud"}, MasteringError),
        ({"intensity": -1.0}, MasteringError),
        ({"formats": []}, AngenError),
        ({"formats": ["wav16", "wav24"]}, AngenError),
        ({"tags": TagChoices(language="english")}, AngenError),
        ({"adapters": [AdapterUse(name="nobody")]}, AdapterError),
    ],
    ids=str,
)
def test_what_no_stage_could_do_is_refused_before_anything(
    studio: Studio, tmp_path: Path, change: dict[str, Any], error: type[AngenError]
) -> None:
    with pytest.raises(error):
        studio.new(tmp_path / "song", REQUEST.model_copy(update=change))
    assert not (tmp_path / "song").exists()


def test_the_command_generates_goes_on_and_makes_again(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANGEN_HOME", str(studio.settings.home))
    monkeypatch.setattr("angen.workflows.models.load_model", studio.open_model)
    words = ["--prompt", "calypso", "--seconds", "1", "--steps", "1", "--adapter", "mine:0.5", "--json"]
    words += ["--no-enhance", "--no-upscale", "--format", "flac,mp3:128", "--artist", "Ж", "--seed", "5"]

    def run(*words: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, ["produce", *words])
        assert result.exit_code == 0, result.stderr
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    made = run(*words)
    folder = Path(made["folder"])
    assert folder.parent.parent == studio.settings.outputs
    assert [Path(file).name for file in made["files"]] == ["calypso.flac", "calypso.mp3"]
    assert [stage["stage"] for stage in made["stages"]] == ["generate", "master", "export"]
    assert (made["same"], made["kept"]) == (None, [])
    music = read_production(folder).record.request.generation_request()
    assert (music.seed, music.seconds, music.steps) == (5, 1.0, 1)
    (folder / "03-mastered.wav").unlink()
    assert run("--resume", str(folder), "--json")["kept"] == ["generate"]
    again = run("--from", made["sidecar"], "--out", str(tmp_path / "again"), "--json")
    assert (again["same"], again["differences"]) == (True, [])
    change_weights(studio)
    result = CliRunner().invoke(app, ["produce", "--from", made["sidecar"], "--json"])
    assert (result.exit_code, json.loads(result.stdout)["error"]["type"]) == (1, "adapter")
