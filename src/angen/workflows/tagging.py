"""The AI pass: genre, mood, instruments and voice by musicnn, and a caption by a language model that listens.

musicnn's weights (ISC licence) are read once from its package on PyPI, without TensorFlow, and kept as safetensors
in the workspace's cache. Without them the built-in tagger's answers stand. A caption is asked for only where an
endpoint is configured: `ANGEN_CAPTION_URL`, `ANGEN_CAPTION_MODEL`, and `ANGEN_CAPTION_KEY` where one is needed.
"""

from __future__ import annotations

import base64
import io
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from angen.analysis import Analysis, Heard
from angen.analysis.analyzing import described, with_tags
from angen.audio import Audio
from angen.errors import DownloadError, MetadataError, ModelError
from angen.files import atomic_path, content_hash, write_text
from angen.settings import Settings
from angen.workflows.wheels import downloaded_wheel

if TYPE_CHECKING:
    from angen.analysis.musicnn import Network

WHEEL = "musicnn==0.1.0"
LICENCE = "LICENSE.md"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
NETWORK_SHA256 = {
    "MTT_musicnn": "6437d106d25f800cfda04b679120575ceafff7a26827bcedc1281df95a620c71",
    "MSD_musicnn": "38a42f047ae2cae3fd11ce375dd80570e767763fb0f84ef3cad869f1a5b5223e",
}
LONGEST_CAPTION = 600
CAPTION_SECONDS = 30.0
_QUESTION = (
    "Describe this music in one plain sentence of at most 40 words: genre, mood, instruments and texture. "
    "Do not mention tempo, key or the artist."
)


class Tagger(Protocol):
    """Adds to what is known of a recording; one of several backends."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def __call__(self, audio: Audio, heard: Heard, known: Analysis) -> Analysis:
        """What is known after listening: `known` with more or better fields, each with its source."""
        ...


def weights_folder(settings: Settings) -> Path:
    """Where musicnn's weights are kept."""
    return settings.cache / "musicnn"


def has_musicnn(settings: Settings) -> bool:
    """Whether musicnn's weights were fetched."""
    return all((weights_folder(settings) / f"{name}.safetensors").is_file() for name in NETWORK_SHA256)


def fetch_musicnn(settings: Settings, *, wheel: Path | None = None) -> Path:
    """Fetch musicnn's weights (29 MB) from the package index that pip uses, and keep them.

    Args:
        settings: The workspace.
        wheel: The package as a file, where it was fetched by other means.

    Returns:
        The folder of the weights.

    Raises:
        DownloadError: If the package cannot be had, or is not the one that is expected.
    """
    with tempfile.TemporaryDirectory() as folder:
        package = wheel or downloaded_wheel(WHEEL, Path(folder), "give its path.")
        if not package.is_file() or content_hash(package) != WHEEL_SHA256:
            raise DownloadError(
                f"{str(package)!r} is not the package {WHEEL}.",
                remedy=f"Its sha256 should be {WHEEL_SHA256}.",
            )
        target = weights_folder(settings)
        target.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(package) as files:
            write_text(
                target / LICENCE, files.read(f"musicnn-{WHEEL.split('==')[1]}.dist-info/{LICENCE}").decode()
            )
            for name in NETWORK_SHA256:
                _convert(files, name, target / f"{name}.safetensors")
    return target


def _convert(files: zipfile.ZipFile, name: str, path: Path) -> None:
    from safetensors.numpy import save_file

    from angen.analysis.checkpoint import read_checkpoint

    index = files.read(f"musicnn/{name}/.index")
    data = files.read(f"musicnn/{name}/.data-00000-of-00001")
    tensors = {
        key: value.copy()
        for key, value in read_checkpoint(index, data).items()
        if "Adam" not in key and "_power" not in key
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)


@cache
def load_networks(folder: Path) -> tuple[Network, Network]:
    """Both networks, MTT and MSD, of a folder of safetensors; kept for the life of the process.

    Raises:
        ModelError: If the weights are missing or not those that are expected.
    """
    from safetensors.numpy import load_file

    from angen.analysis.musicnn import NETWORKS, Network

    networks = []
    for name in NETWORKS:
        path = folder / f"{name}.safetensors"
        if not path.is_file() or content_hash(path) != NETWORK_SHA256[name]:
            raise ModelError(
                f"The weights {str(path)!r} are missing or damaged.",
                remedy="Fetch them again: angen assets fetch musicnn.",
            )
        networks.append(Network(load_file(path)))
    return networks[0], networks[1]


@dataclass(frozen=True)
class MusicnnTagger:
    """Genre and instruments from the embeddings of musicnn; mood and voice from its tags.

    Args:
        folder: Of the safetensors.
    """

    folder: Path
    name: str = "musicnn"

    def __call__(self, audio: Audio, heard: Heard, known: Analysis) -> Analysis:
        """Tags where they are sure; see `Tagger`."""
        from angen.analysis.musicnn import embedding_of, tagged_genre, tagged_mood, vocals_of
        from angen.analysis.tagger import hear_tags

        vector, (mtt, msd) = embedding_of(audio, load_networks(self.folder))
        known = with_tags(known, hear_tags(heard.spectrum, heard.harmony, vector), source="tagged")
        vocals, voice_sure = vocals_of(mtt.tags)
        mood, mood_sure = tagged_mood(msd.tags)
        genre, genre_sure = tagged_genre(mtt.tags, msd.tags)
        confidence = {**known.confidence, "vocals": round(voice_sure, 3), "genre": round(genre_sure, 3)}
        sources = {**known.sources, **({"vocals": "tagged"} if vocals else {})}
        sources.pop("genre", None)
        if genre:
            sources["genre"] = "tagged"
        if mood:
            confidence["mood"], sources["mood"] = round(mood_sure, 3), "tagged"
        changed = replace(
            known, vocals=vocals, genre=genre, mood=mood or known.mood, confidence=confidence, sources=sources
        )
        return described(changed)


@dataclass(frozen=True)
class CaptionEndpoint:
    """A language model that listens, behind an OpenAI-compatible address.

    Args:
        url: The address before `/chat/completions`.
        model: Its name there.
        key: The bearer token; None for none. Never shown.
        timeout_s: Longest wait for an answer.

    Raises:
        MetadataError: If the address is none of http or https.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 120.0
    name: str = "caption"

    def __post_init__(self) -> None:
        """Check the address."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not self.model:
            raise MetadataError(
                "The address or the model of the caption endpoint is not usable.",
                remedy="Set ANGEN_CAPTION_URL to something like http://127.0.0.1:8000/v1, and ANGEN_CAPTION_MODEL.",
            )

    def __call__(self, audio: Audio, heard: Heard, known: Analysis) -> Analysis:
        """The record with the model's caption as its description; see `Tagger`."""
        del heard
        caption = self.caption(audio)
        sources = {**known.sources, "description": "tagged"}
        return replace(known, description=caption, sources=sources) if caption else known

    def caption(self, audio: Audio) -> str:
        """One line about half a minute of the recording, from its middle.

        Raises:
            DownloadError: If the endpoint cannot be reached, refuses, or answers something else.
        """
        import httpx

        middle = audio.duration_s / 2
        part = audio.span(max(0.0, middle - CAPTION_SECONDS / 2), middle + CAPTION_SECONDS / 2)
        sound = {"type": "input_audio", "input_audio": {"data": _wav_base64(part), "format": "wav"}}
        content = [{"type": "text", "text": _QUESTION}, sound]
        body = {"model": self.model, "max_tokens": 120, "messages": [{"role": "user", "content": content}]}
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        address = f"{self.url.rstrip('/')}/chat/completions"
        try:
            answer = httpx.post(address, json=body, headers=headers, timeout=self.timeout_s)
            answer.raise_for_status()
            text = answer.json()["choices"][0]["message"]["content"]
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise DownloadError(
                f"The caption endpoint did not answer as it should: {type(error).__name__}.",
                remedy="Check ANGEN_CAPTION_URL and ANGEN_CAPTION_MODEL, and whether that model takes sound.",
            ) from error
        line = " ".join("".join(c if c.isprintable() else " " for c in str(text or "")).split())
        return line[:LONGEST_CAPTION]


def _wav_base64(audio: Audio) -> str:
    import soundfile

    mono = audio.mono().resampled(16_000)
    handle = io.BytesIO()
    soundfile.write(handle, mono.samples[0], mono.rate_hz, format="WAV", subtype="PCM_16")
    return base64.b64encode(handle.getvalue()).decode()


def configured_taggers(settings: Settings, environment: Mapping[str, str] = os.environ) -> list[Tagger]:
    """The backends that are at hand: musicnn if its weights are, the caption endpoint if it is configured."""
    found: list[Tagger] = [MusicnnTagger(weights_folder(settings))] if has_musicnn(settings) else []
    url = environment.get("ANGEN_CAPTION_URL", "")
    if url:
        model, key = environment.get("ANGEN_CAPTION_MODEL", ""), environment.get("ANGEN_CAPTION_KEY")
        found.append(CaptionEndpoint(url, model, key or None))
    return found


def tagged(audio: Audio, heard: Heard, taggers: Sequence[Tagger]) -> Analysis:
    """What is known after all taggers listened in turn."""
    known = heard.analysis
    for tagger in taggers:
        known = tagger(audio, heard, known)
    return known
