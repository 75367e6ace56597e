"""Latents where there is no encoder, through the workflows: found, cached, scored, checked, trained on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from angen.audio import read_audio
from angen.cli import app
from angen.errors import ModelError
from angen.generation import GenerationRequest, sample_latents
from angen.model import AngenTiny
from angen.model.distilling import DistilSettings
from angen.training import TrainConfig
from angen.workflows import inversion as room
from angen.workflows.distil import distil_encoder
from angen.workflows.generate import AdapterChoice, generate_music
from angen.workflows.inversion import Inverter, LatentRecipe, encoder_file
from angen.workflows.invert import asked_recipe, invert_dataset, invert_files
from angen.workflows.inverted_dataset import CHECK, CHOICE, DatasetInverter
from angen.workflows.latents import latents_file, levelled_clip, training_clips
from angen.workflows.models import encoders_folder, open_model
from angen.workflows.train import train_adapter
from angen.workflows.world_check import check_world

FIXTURE = Path(__file__).parents[1] / "model" / "fixture"
FAST = LatentRecipe(
    settings={"steps": 3, "restarts": 1, "window_s": 2.0, "context_s": 0.2}, samples=2, sample_s=5.0
)
TINY_DISTIL = DistilSettings(
    steps=4, batch_size=2, window_s=2.0, dim=32, depth=1, fine_depth=1, cycle_every=2
)


class Deaf(AngenTiny):
    """The embedded model without its encoder."""

    @property
    def facts(self):
        return dataclasses.replace(super().facts, has_encoder=False)

    def encode(self, audio):
        raise AssertionError("the encoder is hidden")


@pytest.fixture
def deaf(_small_weights, settings):
    model = Deaf(_small_weights)
    model.encoders = encoders_folder(settings)
    return model


@pytest.fixture
def dataset(make_dataset):
    return make_dataset(seconds=1.5)


def choose(deaf, dataset, recipe=FAST):
    DatasetInverter(deaf, dataset, recipe)


def test_training_clips_are_found_once_and_kept_with_their_scores(monkeypatch, deaf, dataset):
    choose(deaf, dataset)
    told = []
    clips = training_clips(deaf, dataset, "train", (-2, 2), on_progress=told.append)
    assert [clip.shifted for clip in clips] == [(), ()]
    assert [clip.frames for clip in clips] == [19, 19]
    first = next(step for step in told if step.stage == "inverting")
    assert "at most" in first.note
    assert "for 2 clips" in first.note
    scores = [
        json.loads(file.read_text())
        for file in (dataset.folder / "latents" / deaf.facts.id).glob("*.json")
        if file.name != CHOICE and not file.name.startswith("world-")
    ]
    assert {each["clip"] for each in scores} == {"song0-001", "song1-001"}
    assert all(each["decoder"] == deaf.facts.codec_hash and each["method"] == "optimised" for each in scores)
    assert all(each["scores"]["steps"] == 3 and each["scores"]["spectra"] > 0 for each in scores)
    monkeypatch.setattr(room, "invert", None)
    again = training_clips(deaf, dataset, "train")
    for one, other in zip(clips, again, strict=True):
        assert torch.equal(one.original.latents, other.original.latents)


def test_a_stop_keeps_what_was_found(deaf, dataset):
    calls = []

    def stop_in_the_second():
        calls.append(None)
        return len(calls) > 4  # three steps of the first clip, one of the second

    work = DatasetInverter(deaf, dataset, FAST, should_stop=stop_in_the_second)
    assert not work.make(dataset.clips)
    assert [clip.clip_id for clip in work.missing(dataset.clips)] == ["song1-001", "song2-001"]
    resumed = DatasetInverter(deaf, dataset)
    assert resumed.inverter.recipe == FAST  # what was chosen is remembered
    assert resumed.make(dataset.clips)
    assert resumed.missing(dataset.clips) == []


def test_other_settings_are_other_latents(deaf, dataset):
    choose(deaf, dataset)
    before = training_clips(deaf, dataset, "train")
    more = FAST.model_copy(update={"settings": {**FAST.settings, "steps": 5}})
    work = DatasetInverter(deaf, dataset, more)
    assert len(work.missing(dataset.side("train"))) == 2
    after = training_clips(deaf, dataset, "train")
    assert not torch.equal(before[0].original.latents, after[0].original.latents)
    DatasetInverter(deaf, dataset, FAST)
    assert torch.equal(training_clips(deaf, dataset, "train")[0].original.latents, before[0].original.latents)


def test_latents_made_elsewhere_come_first(deaf, dataset):
    choose(deaf, dataset)
    record = dataset.side("train")[0]
    given = torch.full((19, deaf.facts.latent_channels), 0.25)
    file = latents_file(deaf.facts, dataset, record)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({"latents": given}, file)
    clips = training_clips(deaf, dataset, "train")
    assert torch.equal(clips[0].original.latents, given)
    assert not torch.equal(clips[1].original.latents, given)


def test_the_check_is_told_and_kept(deaf, dataset):
    choose(deaf, dataset)
    told = []
    training_clips(deaf, dataset, "train", on_progress=told.append)
    words = [step.note for step in told if step.stage == "checking latents"][-1]
    (file,) = (dataset.folder / "latents" / deaf.facts.id).glob(CHECK.format("*"))
    kept = json.loads(file.read_text())
    assert kept["words"] == words
    assert "the base's world" in words


def test_latents_out_of_the_bases_world_are_warned_of_in_the_runs_log(settings, deaf, dataset, monkeypatch):
    choose(deaf, dataset)
    monkeypatch.setattr("angen.workflows.world_check.HIGH", 0.0)  # whatever is found is noise now
    told = []
    config = TrainConfig(max_steps=1, validate_steps=1, crop_blocks=1, batch_size=1, sample_every=0)
    train_adapter(
        settings, "odd", dataset.info.name, config, deaf, on_event=told.append, should_stop=lambda: True
    )
    words = [event["message"] for event in told if event["kind"] == "warning"]
    assert words
    assert all(word.startswith("Warning: these latents are out of the base's world") for word in words)
    log = (settings.loras / "odd" / "log.jsonl").read_text()
    assert "out of the base's world" in log


def test_an_encoder_is_distilled_stopped_resumed_and_used(settings, deaf, dataset):
    folder = encoders_folder(settings)
    how = {"minutes": 0.5, "piece_s": 10.0, "recordings": [read_audio(dataset.audio_path(dataset.clips[0]))]}
    stops = iter([False] * 5 + [True] * 9)
    stopped = distil_encoder(deaf, folder, TINY_DISTIL, should_stop=lambda: next(stops, True), **how)
    assert (stopped.file, stopped.result.finished) == (None, False)
    made = distil_encoder(deaf, folder, TINY_DISTIL, **how)
    assert made.file == encoder_file(folder, deaf.facts.codec_hash)
    assert made.result.steps == 4
    assert made.result.error > 0
    work = DatasetInverter(deaf, dataset)
    assert work.inverter.recipe.method == "refined"  # the best there is
    found = {}
    for method in ("encoded", "refined"):
        recipe = FAST.model_copy(update={"method": method})
        choose(deaf, dataset, recipe)
        found[method] = training_clips(deaf, dataset, "train")[0].original.latents
    way = (found["refined"] - found["encoded"]).square().mean().sqrt()
    assert 0 < float(way) < 0.5  # a few steps from the encoder's


def test_an_encoder_that_is_not_there_is_named(deaf, tmp_path):
    with pytest.raises(ModelError, match="need a distilled encoder") as refused:
        Inverter(deaf, LatentRecipe(method="encoded"), tmp_path, tmp_path / "none")
    assert "distil-encoder" in refused.value.remedy


def test_ways_and_settings_are_checked(deaf):
    with pytest.raises(ModelError, match="no way 'magic'"):
        asked_recipe(deaf, "magic", {})
    with pytest.raises(ModelError, match="no such setting"):
        asked_recipe(deaf, "optimised", {"stepz": 3})
    assert asked_recipe(deaf, "", {}) is None


def test_the_cost_grows_with_sound_and_steps(deaf, tmp_path, monkeypatch):
    monkeypatch.setattr(Inverter, "_probe", lambda self: 2.0)
    one = Inverter(deaf, FAST, tmp_path).cost([10.0])
    more = Inverter(deaf, FAST.model_copy(update={"settings": {**FAST.settings, "steps": 6}}), tmp_path)
    assert one.seconds == pytest.approx(3 * 2.0 * 10, rel=0.4)  # and what windows share
    assert one.seconds > 60
    assert more.cost([10.0, 10.0]).seconds == pytest.approx(4 * one.seconds, rel=0.05)


@pytest.mark.slow  # the packaged network
def test_noise_is_out_of_the_bases_world_and_music_is_not():
    model = AngenTiny()
    styles = [
        f"{style} music, {90 + 11 * number} bpm" for number, style in enumerate(model.facts.own_styles[::2])
    ]
    own = sample_latents(model, [GenerationRequest(text, 7.68, seed) for seed, text in enumerate(styles)])
    songs = sorted((Path(__file__).parents[2] / "examples" / "calypso").glob("*.ogg"))[:4]
    music = []
    for song in songs:
        audio = read_audio(song).mono().span(4.0, 12.0)
        level = float((audio.samples**2).mean() ** 0.5)
        music.append(
            model.encode(dataclasses.replace(audio, samples=audio.samples * (model.facts.level / level)))
        )
    generator = torch.Generator().manual_seed(4711)  # not the noise of the check itself
    noise = [torch.randn(piece.shape, generator=generator) for piece in music]
    known, foreign = check_world(model, music, own), check_world(model, noise, own)
    plain = check_world(model, [torch.cat(own).mean(0).expand(96, -1)], own)
    assert not known.is_off
    assert known.words.startswith("These latents are of the base's world")
    assert foreign.is_off
    assert len(foreign.off) == 4
    assert foreign.words.startswith("Warning")
    assert plain.loss < min(plain.own_loss, known.loss)


@pytest.mark.slow  # the decoder of the release, small
def test_from_the_files_of_a_release_to_new_music(settings, make_dataset, monkeypatch):
    """Checkpoint folder, inversion, dataset, LoRA, music: at toy scale, through the workflows."""
    monkeypatch.setattr("peft.PeftModel.create_or_update_model_card", lambda *_: None)
    model = open_model(settings, str(FIXTURE))
    make_dataset(seconds=0.6, songs=2, tempo_bpm=None, beats_s=[])
    recipe = FAST.model_copy(update={"settings": {**FAST.settings, "steps": 2}})
    found = invert_dataset(settings, model, "mine", recipe)
    assert found.finished
    assert len(found.found) == 2
    assert found.check is not None
    config = TrainConfig(
        max_steps=9, batch_size=1, rank=2, crop_blocks=2, noisy_blocks=1, sample_every=0, warmup_steps=0,
        learning_rate=1e-2,
    )  # fmt: skip
    asked = iter([False, True])  # a whole run would try many noise levels at the end
    trained = train_adapter(settings, "mine", "mine", config, model, should_stop=lambda: next(asked))
    assert trained.result.steps == 2
    assert trained.info.base == "diffrhythm2"
    request = GenerationRequest("pop", 1.0, 0, steps=2, lyrics="[inst]")
    made = generate_music(settings, model, request, [AdapterChoice("mine")])
    assert made.path.is_file()
    assert made.audio.duration_s == pytest.approx(1.0, abs=0.01)


class TestFiles:
    def test_files_are_found_once(self, deaf, dataset, tmp_path, monkeypatch):
        files = [dataset.audio_path(dataset.clips[0])]
        told = invert_files(deaf, files, FAST, tmp_path / "out")
        assert told.finished
        assert told.found[0]["scores"]["steps"] == 3
        assert Path(told.found[0]["file"]).is_file()
        monkeypatch.setattr(room, "invert", None)
        again = invert_files(deaf, files, FAST, tmp_path / "out")
        assert again.found == told.found
        assert again.cost.sound_s == 0

    def test_only_the_cost_makes_nothing(self, deaf, dataset, tmp_path):
        told = invert_files(
            deaf, [dataset.audio_path(dataset.clips[0])], FAST, tmp_path / "out", only_cost=True
        )
        assert (told.finished, told.found) == (False, [])
        assert told.cost.sound_s == pytest.approx(1.5)
        assert not (tmp_path / "out").exists()


class TestDoor:
    def run(self, *words):
        return CliRunner().invoke(app, ["model", *words])

    @pytest.mark.parametrize("words", [[], ["a.wav", "--dataset", "b"], ["a.wav", "--set", "steps"]])
    def test_misuse_exits_with_2(self, workspace, words):
        assert self.run("invert", "--model", str(FIXTURE), *words).exit_code == 2

    def test_the_memory_of_the_release_is_told(self, workspace):
        done = self.run("memory", "--json")
        rows = json.loads(done.stdout)
        assert {row["gpu_gb"] for row in rows} == {8, 12, 16, 24}
        assert self.run("memory", "angen-tiny").exit_code == 1

    def test_the_cost_of_an_encoder_is_said_and_nothing_made(self, workspace):
        done = self.run("distil-encoder", "--model", str(FIXTURE), "--minutes", "60", "--estimate", "--json")
        assert done.exit_code == 0
        assert json.loads(done.stdout)["drawn_s"] == 3600
        assert not (workspace / "models").exists()


def test_levelled_clips_are_what_is_inverted(deaf, dataset, monkeypatch):
    heard = []
    monkeypatch.setattr(Inverter, "find", lambda self, audio, **_: heard.append(audio))
    DatasetInverter(deaf, dataset, FAST).make(dataset.side("train"))
    (audio,) = heard
    assert (
        audio.samples.tobytes()
        == levelled_clip(dataset, dataset.side("train")[0], deaf.facts).samples.tobytes()
    )
