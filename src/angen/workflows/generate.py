"""Generate music with adapters by name, and keep it with everything that made it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from angen.adapters import AdapterInfo, adapter_folder, read_info
from angen.adapters.lora import AppliedAdapter
from angen.audio import Audio, write_audio
from angen.errors import AdapterError, GenerationError
from angen.files import write_json
from angen.generation import GenerationRequest, generate, request_conditions
from angen.model import Conditions, MusicModel, StyleVector
from angen.progress import ProgressCallback, no_progress
from angen.settings import Settings

PEAK = 0.97
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_CHOICE = re.compile(r"(?P<name>[^:]+)(?::(?P<strength>-?\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class AdapterChoice:
    """An adapter of the workspace and how strongly it acts."""

    name: str
    strength: float = 1.0

    @classmethod
    def parse(cls, text: str) -> AdapterChoice:
        """Read `NAME` or `NAME:STRENGTH`.

        Raises:
            AdapterError: If the text is neither, or the strength is beyond -2..2.

        Example:
            >>> AdapterChoice.parse("calypso:0.7")
            AdapterChoice(name='calypso', strength=0.7)
        """
        found = _CHOICE.fullmatch(text.strip())
        if found is None:
            raise AdapterError(
                f"{text!r} names no adapter.", remedy="Write NAME or NAME:STRENGTH, like calypso:0.7."
            )
        strength = float(found["strength"] or 1.0) if found["strength"] is not None else 1.0
        if not -2 <= strength <= 2:
            raise AdapterError(
                f"Strength {strength:g} of {text!r} is out of range.", remedy="Use -2 to 2; 1 is as trained."
            )
        return cls(found["name"], strength)


@dataclass(frozen=True)
class GeneratedMusic:
    """A piece and where it is: the sound file, and a JSON file beside it that says how it was made.

    Attributes:
        path: The sound file.
        audio: What is in it.
        request: What was wanted, the adapters' own values filled in.
        conditions: What the model was told, and what it could not be told.
    """

    path: Path
    audio: Audio
    request: GenerationRequest
    conditions: Conditions


def generate_music(
    settings: Settings,
    model: MusicModel,
    request: GenerationRequest,
    adapters: Sequence[AdapterChoice] = (),
    *,
    style: StyleVector | None = None,
    out: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> GeneratedMusic:
    """Generate one piece and write it.

    A tempo that is neither given nor stated is the adapters' own, the first's that has one; likewise the noise
    level and the guidance.

    Args:
        settings: The workspace, where the adapters are.
        model: The base.
        request: What is wanted.
        adapters: Which adapters act.
        style: A style vector for a model that takes one, before the words of the prompt.
        out: Where to write; None for a new name in `outputs/<date>/`.
        on_progress: Told of every step.

    Raises:
        AdapterError: If an adapter is missing, unfinished without a best checkpoint, or of another base.
        GenerationError: If `out` is no sound file's name.
    """
    target = out or _new_output(settings)
    if target.suffix.lower() not in SUFFIXES:
        raise GenerationError(
            f"{str(target)!r} does not say its format.", remedy=f"End it in {', '.join(SUFFIXES)}."
        )
    found = [find_adapter(settings, choice.name, model) for choice in adapters]
    acting = [info for (info, _), choice in zip(found, adapters, strict=True) if choice.strength != 0]
    request = with_adapter_defaults(request, acting)
    applied = [
        AppliedAdapter(folder, choice.strength) for (_, folder), choice in zip(found, adapters, strict=True)
    ]
    told = request_conditions(model, request, style)
    made = generate(model, [request], applied, conditions=[told], on_progress=on_progress)
    audio = peak_limited(made[0])
    write_audio(target, audio)
    write_json(
        target.with_name(target.name + ".json"),
        {
            "model": model.facts.id,
            "base_hash": model.facts.base_hash,
            "licences": [model.facts.licence, *told.licences],
            "conditions": told.as_dict(),
            "request": request.as_dict(),
            "adapters": [{"name": choice.name, "strength": choice.strength} for choice in adapters],
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    return GeneratedMusic(target, audio, request, told)


def find_adapter(settings: Settings, name: str, model: MusicModel) -> tuple[AdapterInfo, Path]:
    """An adapter of the workspace and its `best/` folder, checked to belong to `model`.

    Raises:
        AdapterError: If there is none, or it was trained on another base.
    """
    folder = adapter_folder(settings.loras, name)
    info = read_info(folder)
    if (info.base, info.base_hash) != (model.facts.id, model.facts.base_hash):
        raise AdapterError(
            f"Adapter {name!r} was trained on {info.base} {info.base_hash[:12]}, and this is {model.facts.id} "
            f"{model.facts.base_hash[:12]}.",
            remedy="Use it with its own base, or train it again on this one.",
        )
    return info, folder / "best"


def with_adapter_defaults(request: GenerationRequest, adapters: Sequence[AdapterInfo]) -> GenerationRequest:
    """A request whose unstated tempo and noise level are those of the adapters."""
    from angen.model.text import stated_tempo

    tempo = request.tempo_bpm or stated_tempo(request.prompt)
    tempo = tempo or next((info.tempo_bpm for info in adapters if info.tempo_bpm), None)
    noise = request.noise_scale or next((info.noise_scale for info in adapters), None)
    guidance = request.guidance
    if guidance is None:
        guidance = next((info.guidance for info in adapters if info.guidance is not None), None)
    return replace(request, tempo_bpm=tempo, noise_scale=noise, guidance=guidance)


def peak_limited(audio: Audio) -> Audio:
    """The same sound, turned down if its peak is above 0.97."""
    peak = float(abs(audio.samples).max())
    return audio if peak <= PEAK else Audio(audio.samples * (PEAK / peak), audio.rate_hz)


def _new_output(settings: Settings) -> Path:
    now = datetime.now(UTC)
    return settings.outputs / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}-{secrets.token_hex(2)}.wav"
