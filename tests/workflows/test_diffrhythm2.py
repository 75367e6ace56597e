"""DiffRhythm 2 through the workflows: trained on latents that others made, styled by a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from angen.errors import ModelError
from angen.model.muq import MuqMulan
from angen.training import TrainConfig
from angen.training.validation import validate, validation_windows
from angen.workflows.latents import latents_file, training_clips
from angen.workflows.models import open_model, style_of_dataset, style_of_file
from angen.workflows.train import train_adapter

FIXTURE = Path(__file__).parents[1] / "model" / "fixture"
ONE_STEP = TrainConfig(epochs=1, batch_size=1, rank=2, crop_blocks=2, learning_rate=1e-2)


class Tower:
    def __init__(self):
        self.heard = 0

    def __call__(self, wavs=None, texts=None):
        self.heard += 1
        return torch.nn.functional.normalize(wavs[:, :512] + 1e-3, dim=1)


@pytest.fixture
def model(settings):
    return open_model(settings, str(FIXTURE))


def keep_latents(model, dataset, frames=30):
    for number, record in enumerate([*dataset.side("train"), *dataset.side("validation")]):
        file = latents_file(model.facts, dataset, record)
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(number)
        save_file({"latents": torch.randn(frames, model.facts.latent_channels)}, file)


@pytest.mark.slow  # previews go through the real decoder
def test_latents_made_elsewhere_are_trained_on(settings, model, make_dataset):
    dataset = make_dataset(lyrics="[inst]")
    keep_latents(model, dataset)
    trained = train_adapter(settings, "mine", "mine", ONE_STEP, model, should_stop=lambda: True)
    assert trained.result.steps == 1
    assert trained.info.base == "diffrhythm2"
    (checkpoint,) = (trained.folder / "checkpoints").glob("step_*")
    weights = load_file(checkpoint / "adapter_model.safetensors")
    assert "base_model.model.transformer.transformer_blocks.0.self_attn.q_proj.lora_A.weight" in weights
    assert any(float(value.abs().max()) > 0 for key, value in weights.items() if "lora_B" in key)


def test_no_copies_at_other_speeds_are_asked_for(model, make_dataset):
    dataset = make_dataset()
    keep_latents(model, dataset)
    clips = training_clips(model, dataset, "train", shifts=(-2, 2))
    assert [clip.shifted for clip in clips] == [(), ()]


def test_held_out_windows_are_starts_of_clips_only(monkeypatch, model, make_dataset):
    dataset = make_dataset()
    keep_latents(model, dataset, frames=60)
    clips = training_clips(model, dataset, "train")
    asked, loss = [], model.loss
    monkeypatch.setattr(model, "loss", lambda batch: asked.append(batch.clean[:, :10].clone()) or loss(batch))
    validate(model, clips, 10)
    assert {len(windows) for windows in asked} == {len(clips)}
    for clip, window in zip(clips, asked[0], strict=True):
        assert torch.equal(window, clip.original.latents[:10])
    assert len(validation_windows(clips, 10)) == 6 * len(
        clips
    )  # what a model that knows all positions is asked


def test_the_words_of_a_clip_reach_its_conditions(model, make_dataset):
    dataset = make_dataset(lyrics="[solo]")
    keep_latents(model, dataset)
    told = training_clips(model, dataset, "train")[0].original.conditions[0]
    assert told.lyrics == "[start]\n[solo]\n[end]\n"


def test_the_style_of_a_dataset_is_the_mean_of_its_clips_heard_once(settings, make_dataset):
    make_dataset(songs=4)
    tower = Tower()
    encoder = MuqMulan(is_accepted=True, tower=tower)
    style = style_of_dataset(settings, "mine", encoder)
    assert float(style.vector.norm()) == pytest.approx(1)
    assert "3 clips" in style.source
    assert style.licences == ("CC-BY-NC-4.0",)
    again = style_of_dataset(settings, "mine")  # what is kept needs no encoder
    assert tower.heard == 3
    assert torch.equal(style.vector, again.vector)


def test_a_recording_needs_the_licence_accepted(settings, make_dataset):
    dataset = make_dataset()
    with pytest.raises(ModelError, match="CC-BY-NC"):
        style_of_file(settings, dataset.audio_path(dataset.side("train")[0]))
