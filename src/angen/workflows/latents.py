"""Clips of a dataset as a model takes them: latents cached by content, prompts and beat grids at every speed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from angen.analysis import transposed
from angen.audio import Audio, read_audio
from angen.dataset import ClipRecord, Dataset, Split
from angen.files import atomic_path, remove_left_overs
from angen.model import Conditions, ModelFacts, MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.training import ClipVersion, TrainingClip

_FORMAT = "2"


def training_clips(
    model: MusicModel,
    dataset: Dataset,
    split: Split,
    shifts: Sequence[int] = (),
    *,
    on_progress: ProgressCallback = no_progress,
    on_warning: Callable[[str], None] = lambda words: None,
) -> list[TrainingClip]:
    """Encode one side of a dataset, or read what was encoded before.

    Args:
        model: Whose latents.
        dataset: Which clips.
        split: Which side of it.
        shifts: Semitones of sped-up (positive) and slowed-down copies.
        on_progress: Told of each clip.
        on_warning: Told where latents that were found without an encoder are out of the base's world.

    Returns:
        One entry a clip, in the dataset's order.
    """
    records = dataset.side(split)
    remove_left_overs(dataset.folder / "latents" / model.facts.id)
    found: dict[str, Tensor] = {}
    if not model.facts.has_encoder:
        shifts = ()  # latents made otherwise are of the clip as it was recorded
        found = _inverted(model, dataset, records, on_progress, on_warning)
    clips = []
    for done, record in enumerate(records):
        on_progress(Progress("encoding", done, len(records), record.clip_id))
        latents = found.get(record.clip_id)
        versions = [_version(model, dataset, record, shift, latents) for shift in (0, *shifts)]
        clips.append(TrainingClip(record.clip_id, record.song, versions[0], tuple(versions[1:])))
    on_progress(Progress("encoding", len(records), len(records)))
    return clips


def prompts_of(dataset: Dataset, record: ClipRecord) -> list[str]:
    """The texts a clip is trained with: all that is known of it, and the user's own words alone."""
    full, short = dataset.prompt(record), dataset.info.prompt_prefix
    return [full, short] if short and short != full else [full]


def at_speed(record: ClipRecord, shift: int) -> ClipRecord:
    """What is known of a clip when it is played faster by `shift` semitones: tempo, key and beats change."""
    if shift == 0:
        return record
    factor = 2 ** (shift / 12)
    return record.model_copy(
        update={
            "tempo_bpm": None if record.tempo_bpm is None else record.tempo_bpm * factor,
            "key": _key_at(record.key, shift),
            "beats_s": [time / factor for time in record.beats_s],
            "downbeats_s": [time / factor for time in record.downbeats_s],
        }
    )


def _key_at(key: str | None, shift: int) -> str | None:
    """The key some semitones higher; None for words that name no key, since they would no longer be true."""
    try:
        return None if key is None else transposed(key, shift)
    except ValueError:
        return None


def song_gain_db(record: ClipRecord, level: float | None) -> float:
    """The gain in dB that brings a clip's whole song to a level (root mean square), within 24 dB either way.

    One gain a song: what is quiet in it stays quiet. 0 where the level of either is not known.
    """
    if level is None or not record.energy:
        return 0.0
    return round(min(24.0, max(-24.0, 20 * math.log10(level / record.energy))), 1)


def levelled_clip(dataset: Dataset, record: ClipRecord, facts: ModelFacts) -> Audio:
    """A clip's sound in mono, its song brought to the level of the model."""
    audio = read_audio(dataset.audio_path(record))
    gain = np.float32(10 ** (song_gain_db(record, facts.level) / 20))
    return Audio(audio.mono().samples * gain, audio.rate_hz)


def _version(
    model: MusicModel, dataset: Dataset, record: ClipRecord, shift: int, found: Tensor | None
) -> ClipVersion:
    latents = found if found is not None else _latents(model, dataset, record, shift)
    known = at_speed(record, shift)
    words = (known.lyrics or "") if model.facts.sings else ""

    def told(text: str) -> Conditions:
        if not words:
            return model.conditions(text, tempo_bpm=known.tempo_bpm)
        return model.conditions(text, tempo_bpm=known.tempo_bpm, lyrics=words)

    conditions = [told(text) for text in prompts_of(dataset, known)]
    beats = model.beats(known.beats_s, known.downbeats_s, len(latents), key=known.key)
    return ClipVersion(latents, beats, tuple(conditions))


def latents_file(
    facts: ModelFacts, dataset: Dataset, record: ClipRecord, shift: int = 0, *, made_by: str = ""
) -> Path:
    """Where a clip's latents are kept, by content: its bytes, its song's level, the codec's weights and the speed.

    The file holds `latents`, float32 (frames, channels). `made_by` says how they were made, empty for the model's
    encoder or whoever else knows them; those come first where there are several.
    """
    gain_db = song_gain_db(record, facts.level)
    words = f"{_FORMAT} {record.sha256} {facts.codec_hash} {shift} {gain_db}" + (made_by and f" {made_by}")
    key = hashlib.sha256(words.encode()).hexdigest()
    return dataset.folder / "latents" / facts.id / f"{key[:32]}.safetensors"


def _inverted(
    model: MusicModel,
    dataset: Dataset,
    records: Sequence[ClipRecord],
    on_progress: ProgressCallback,
    on_warning: Callable[[str], None],
) -> dict[str, Tensor]:
    """Latents by clip for a model without an encoder; what is not there yet is found by inverting its decoder."""
    facts = model.facts
    given = {
        record.clip_id: read_latents(latents_file(facts, dataset, record), facts.latent_channels)
        for record in records
    }
    if any(latents is None for latents in given.values()):
        from angen.workflows.inverted_dataset import DatasetInverter

        inverter = DatasetInverter(model, dataset, on_progress=on_progress)
        inverter.make(records)
        check = inverter.check(records)
        if check.is_off:
            on_warning(check.words)
        given = {record.clip_id: inverter.cached(record) for record in records}
    return {clip: latents for clip, latents in given.items() if latents is not None}


def _latents(model: MusicModel, dataset: Dataset, record: ClipRecord, shift: int) -> Tensor:
    facts = model.facts
    file = latents_file(facts, dataset, record, shift)
    cached = read_latents(file, facts.latent_channels)
    if cached is not None:
        return cached
    audio = levelled_clip(dataset, record, facts)
    if shift:
        audio = Audio(audio.samples, round(audio.rate_hz * 2 ** (shift / 12)))
    latents = model.encode(audio)
    with atomic_path(file) as temporary:
        save_file({"latents": latents.contiguous()}, str(temporary))
    return latents


def read_latents(file: Path, channels: int) -> Tensor | None:
    """Cached latents; None if there are none, or they are damaged or of something else (they can be made again)."""
    try:
        latents = load_file(file)["latents"]
    except (OSError, SafetensorError, KeyError):
        return None
    fits = latents.dim() == 2 and len(latents) > 0 and latents.shape[1] == channels
    return latents if fits and latents.dtype == torch.float32 and bool(latents.isfinite().all()) else None
