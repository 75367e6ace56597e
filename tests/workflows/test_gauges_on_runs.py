"""The alarm itself, on the embedded model: a run that was made to learn by heart rings, and a healthy one does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from angen.adapters.lora import AppliedAdapter
from angen.dataset import load_dataset
from angen.generation import GenerationRequest
from angen.model import load_model
from angen.report.record import MemorisationGauge
from angen.settings import Settings
from angen.training import TrainConfig, train
from angen.workflows.compare import draw
from angen.workflows.gauges import Songs, losses_of, memorisation, near_records, usual_distances
from angen.workflows.latents import training_clips
from angen.workflows.prepare import prepare_dataset

CALYPSO = Path(__file__).parents[2] / "examples" / "calypso"
STYLE = "calypso with steel drums"
HEALTHY = TrainConfig(max_steps=12, batch_size=4, validate_steps=12, sample_every=0, warmup_steps=2)
OVERFIT = TrainConfig(
    max_steps=170,
    batch_size=2,
    rank=64,
    alpha=64.0,
    learning_rate=4e-3,
    warmup_steps=5,
    dropout=0.0,
    speed_shifts=(),
    speed_share=0.0,
    condition_dropout=0.0,
    beat_dropout=0.0,
    context_noise=0.0,
    patience=0,
    validate_steps=170,
    sample_every=0,
)


@pytest.mark.slow
def test_a_run_made_to_overfit_rings_and_a_healthy_one_does_not(tmp_path: Path) -> None:
    model, settings = load_model(), Settings(tmp_path / "workspace")
    prepared = prepare_dataset(settings, "three", sorted(CALYPSO.glob("*.ogg"))[:3], style=STYLE)
    dataset = load_dataset(prepared.folder)
    clips = training_clips(model, dataset, "train")
    held_out = training_clips(model, dataset, "validation")
    songs = Songs(model.facts, dataset, [*clips, *held_out])
    between = songs.between_songs(7.68)
    tempo = dataset.side("train")[0].tempo_bpm
    requests = [GenerationRequest(STYLE, 7.68, seed, tempo_bpm=tempo) for seed in range(3)]
    usual = usual_distances(between, [songs.places(piece) for piece in draw(model, requests)])
    crop = model.facts.crop_blocks * model.facts.block_frames

    def gauge(name: str, config: TrainConfig, learnt: list[Any]) -> MemorisationGauge:
        train(model, learnt, held_out[:1], config, tmp_path / name)
        adapter = AppliedAdapter(tmp_path / name / "final")
        near = [near_records(songs.places(piece), usual) for piece in draw(model, requests, [adapter])]
        (train_base, trained), (held_base, held) = losses_of(model, adapter, [learnt, held_out[:1]], crop)
        return memorisation(near, usual, songs.window_s, held_base - train_base, held - trained, held_base)

    healthy = gauge("healthy", HEALTHY, clips)
    overfit = gauge("overfit", OVERFIT, clips[:1])
    assert healthy.verdict.level == "clear"
    assert healthy.alarms == 0
    assert overfit.verdict.level == "alarm"
    assert overfit.alarms >= 1
    assert "It copies" in overfit.verdict.words
    assert "01-Harbour-Morning" in overfit.verdict.words
    assert overfit.gap_grown > 0.3 > healthy.gap_grown
