"""Two gauges of an adapter: does it play its training songs back, and has it forgotten what the base could do?

Memorisation. Each sample is compared with every moment of every training clip, at every speed it was trained on, in
latents and in sound (`analysis.nearest`). How near is too near is read off pieces that cannot be copies: the
dataset's own songs against the others, and the base's samples against all. The gap between training and held-out
loss goes with it. What it cannot tell: a copied tune in another key or with other instruments, a passage shorter
than a window, and copies where the songs themselves repeat each other.

Forgetting. The loss on the base's own music, with and without the adapter, fixed noise and times; and how far pieces
of other styles are pulled towards the user's. What it cannot tell: whether styles that are not among them suffer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from angen.adapters.lora import AppliedAdapter, applied
from angen.analysis.nearest import SOUND_RATE_HZ, Match, Windowed, heard, nearest, sound_frames
from angen.audio import Audio
from angen.dataset import ClipRecord, Dataset
from angen.generation import GenerationRequest
from angen.model import ModelFacts, MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.report.record import ForgettingGauge, MemorisationGauge, Near
from angen.report.verdicts import judge_forgetting, judge_memorisation, near_level
from angen.training import TrainingClip, validate
from angen.workflows.compare import Drawn, pull
from angen.workflows.latents import levelled_clip

SPEEDS = (0, -2, -1, 1, 2)
PIECES = 48
NEAR_QUANTILE = 0.10
OUTSIDE = 4
OUTSIDE_SEED = 2000


@dataclass(frozen=True)
class Place:
    """Where a piece comes nearest to a song: see `report.record.Near`."""

    distance: float
    record: ClipRecord
    song_s: float
    piece_s: float
    semitones: int


@dataclass(frozen=True, eq=False)
class Song:
    """A clip made ready to be searched: its latents at each speed, and its sound."""

    record: ClipRecord
    latents: tuple[tuple[int, Windowed], ...]
    sound: Windowed


class Songs:
    """The clips of a dataset, ready to be searched, and the same search for every piece.

    Args:
        facts: Of the base; windows are half a training crop.
        dataset: Its clips.
        clips: The same as latents, in the order of `dataset.side("train")`, then of its other side.
        speeds: Semitones of the sped copies of `clips`, in their order.
        on_progress: Told of each clip.
    """

    def __init__(
        self,
        facts: ModelFacts,
        dataset: Dataset,
        clips: Sequence[TrainingClip],
        speeds: Sequence[int] = (),
        *,
        on_progress: ProgressCallback = no_progress,
    ) -> None:
        self.facts = facts
        self.window = facts.crop_blocks * facts.block_frames // 2
        self.window_s = self.window / facts.latent_rate_hz
        self.sound_window = max(2, round(self.window_s * SOUND_RATE_HZ))
        records = [*dataset.side("train"), *dataset.side("validation")]
        self.songs: list[Song] = []
        for done, (record, clip) in enumerate(zip(records, clips, strict=True)):
            on_progress(Progress("listening to your songs", done, len(records), record.clip_id))
            audio = levelled_clip(dataset, record, facts)
            versions = zip((0, *speeds), (clip.original, *clip.shifted), strict=False)
            self.songs.append(
                Song(
                    record,
                    tuple(
                        (shift, self._latents(version.latents.numpy(), audio)) for shift, version in versions
                    ),
                    self._sound(audio),
                )
            )

    def places(self, piece: Drawn) -> dict[str, Place]:
        """Where a sample comes nearest to the training songs, in `latent` and in `sound`."""
        sounds = {shift: self._sound(_slowed(piece.audio, shift)) for shift in SPEEDS}
        train = [song for song in self.songs if song.record.split == "train"]
        return self._search(self._latents(piece.latents, piece.audio), sounds, train)

    def between_songs(
        self, seconds: float, *, on_progress: ProgressCallback = no_progress
    ) -> list[dict[str, Place]]:
        """How near pieces of each song come to the training clips of other songs: `PIECES` of them, evenly taken."""
        found = []
        cut = list(self._pieces(seconds))
        chosen = sorted(
            {round(index) for index in np.linspace(0, len(cut) - 1, min(PIECES, len(cut))).tolist()}
        )
        for done, index in enumerate(chosen):
            on_progress(Progress("comparing songs", done, len(chosen)))
            song, latents, sound = cut[index]
            others = [
                other
                for other in self.songs
                if other.record.split == "train" and other.record.song != song.record.song
            ]
            if others:
                found.append(self._search(latents, {0: sound}, others))
        return [places for places in found if len(places) == 2]

    def _pieces(self, seconds: float) -> Iterator[tuple[Song, Windowed, Windowed]]:
        """Every clip cut into pieces as long as the samples."""
        for song in self.songs:
            length = min(seconds, song.record.duration_s)
            for start in np.arange(0, song.record.duration_s - length / 2, length):
                latents = _part(song.latents[0][1], start, length, self.facts.latent_rate_hz, self.window)
                yield song, latents, _part(song.sound, start, length, SOUND_RATE_HZ, self.sound_window)

    def _search(
        self, latents: Windowed, sounds: dict[int, Windowed], among: Sequence[Song]
    ) -> dict[str, Place]:
        rate_hz, found = self.facts.latent_rate_hz, {}
        versions = [(song, shift, frames) for song in among for shift, frames in song.latents]
        match = nearest(latents, [frames for _, _, frames in versions], self.window)
        if match is not None:
            song, shift, _ = versions[match.piece]
            found["latent"] = _place(match, song, rate_hz, shift, song_speed=2 ** (shift / 12))
        in_sound = []
        for shift, frames in sounds.items():
            match = nearest(frames, [song.sound for song in among], self.sound_window)
            if match is not None:
                song = among[match.piece]
                in_sound.append(_place(match, song, SOUND_RATE_HZ, shift, piece_speed=2 ** (-shift / 12)))
        if in_sound:
            found["sound"] = min(in_sound, key=lambda place: place.distance)
        return found

    def _latents(self, latents: NDArray[np.floating], audio: Audio) -> Windowed:
        return Windowed.of(latents, self.window, heard(audio, len(latents)))

    def _sound(self, audio: Audio) -> Windowed:
        frames = sound_frames(audio)
        return Windowed.of(frames, self.sound_window, heard(audio, len(frames)))


def _slowed(audio: Audio, shift: int) -> Audio:
    """A sound whose speed-up by `shift` semitones is taken back."""
    return Audio(audio.samples, round(audio.rate_hz * 2 ** (-shift / 12))) if shift else audio


def _part(piece: Windowed, start_s: float, length_s: float, rate_hz: float, window: int) -> Windowed:
    """The windows of a part of a piece."""
    first, count = round(start_s * rate_hz), round(length_s * rate_hz)
    windows = slice(first, max(first, first + count - window + 1))
    return Windowed(piece.frames[first : first + count], piece.means[windows], piece.spreads[windows])


def _place(
    match: Match, song: Song, rate_hz: float, shift: int, *, song_speed: float = 1.0, piece_speed: float = 1.0
) -> Place:
    song_s = song.record.start_s + match.piece_frame / rate_hz * song_speed
    return Place(match.distance, song.record, song_s, match.frame / rate_hz * piece_speed, shift)


@dataclass(frozen=True)
class Usual:
    """The distances that are near even where nothing can have been copied, and the pieces of songs behind them."""

    latent: float
    sound: float
    songs_compared: int


def usual_distances(between: Sequence[dict[str, Place]], base: Sequence[dict[str, Place]]) -> Usual:
    """The 10 % quantile of pieces of songs against other songs, or of the base's samples where that is less.

    Args:
        between: From `Songs.between_songs`; empty where there is one song only.
        base: Places of the base's samples.
    """

    def near(space: str) -> float:
        sides = [[places[space].distance for places in side if space in places] for side in (between, base)]
        return float(min((np.quantile(side, NEAR_QUANTILE) for side in sides if side), default=1.0))

    return Usual(near("latent"), near("sound"), len(between))


def near_records(places: dict[str, Place], usual: Usual) -> list[Near]:
    """Places as the report holds them."""
    return [
        Near(
            space="latent" if space == "latent" else "sound",
            distance=round(place.distance, 4),
            usual=round(getattr(usual, space), 4),
            song=place.record.song,
            clip=place.record.clip_id,
            song_s=round(place.song_s, 2),
            piece_s=round(place.piece_s, 2),
            semitones=place.semitones,
            level=near_level(place.distance, getattr(usual, space)),
        )
        for space, place in places.items()
    ]


def memorisation(
    samples: Sequence[Sequence[Near]],
    usual: Usual,
    window_s: float,
    gap_base: float,
    gap_adapter: float,
    base: float,
) -> MemorisationGauge:
    """The gauge from its parts.

    Args:
        samples: From `near_records`, of each sample.
        usual: What they were judged against.
        window_s: Length of the windows.
        gap_base: Held-out loss less training loss of the base.
        gap_adapter: The same of the adapter.
        base: Held-out loss of the base.
    """
    levels = [[near.level for near in places] for places in samples]
    grown = (gap_adapter - gap_base) / base
    return MemorisationGauge(
        window_s=window_s,
        usual_latent=round(usual.latent, 4),
        usual_sound=round(usual.sound, 4),
        songs_compared=usual.songs_compared,
        alarms=sum("alarm" in found for found in levels),
        watches=sum("watch" in found and "alarm" not in found for found in levels),
        gap_base=round(gap_base, 5),
        gap_adapter=round(gap_adapter, 5),
        gap_grown=round(grown, 4),
        verdict=judge_memorisation(samples, grown, (usual.latent, usual.sound), usual.songs_compared),
    )


def losses_of(
    model: MusicModel, adapter: AppliedAdapter, sides: Sequence[Sequence[TrainingClip]], crop_frames: int
) -> list[tuple[float, float]]:
    """Loss of base and adapter on each side, the same windows, noise and times for both; 0 for an empty side."""

    def score() -> list[float]:
        return [validate(model, clips, crop_frames).loss if clips else 0.0 for clips in sides]

    base = score()
    with applied(model.network, [adapter]):
        return list(zip(base, score(), strict=True))


def outside_requests(model: MusicModel, style_words: str, seconds: float) -> list[GenerationRequest]:
    """Requests in styles of the base that the user's words do not name."""
    others = [style for style in model.facts.own_styles if style.lower() not in style_words.lower()]
    chosen = others[:: max(1, len(others) // OUTSIDE)][:OUTSIDE]
    return [
        GenerationRequest(f"{style} music", seconds, OUTSIDE_SEED + number)
        for number, style in enumerate(chosen)
    ]


def forgetting(
    own_music: tuple[float, float],
    pieces: int,
    inside: tuple[Sequence[Audio], Sequence[Audio]],
    outside: tuple[Sequence[Drawn], Sequence[Drawn]],
    centre: NDArray[np.floating],
) -> ForgettingGauge:
    """The gauge from its parts.

    Args:
        own_music: Loss of base and adapter on the base's own music.
        pieces: Of that music, 0 for none.
        inside: Pieces of base and adapter in the user's style.
        outside: Pieces of both in other styles.
        centre: Of the user's clips in the style space.
    """
    base, adapter = own_music
    change = adapter / base - 1 if pieces else None
    away = pull([x.audio for x in outside[0]], [x.audio for x in outside[1]], centre) if outside[0] else 0.0
    return ForgettingGauge(
        base_loss=round(base, 5) if pieces else None,
        adapter_loss=round(adapter, 5) if pieces else None,
        change=None if change is None else round(change, 4),
        pieces=pieces,
        pull_inside=round(pull(*inside, centre), 4),
        pull_outside=round(away, 4),
        outside=[piece.request.prompt for piece in outside[0]],
        verdict=judge_forgetting(change, away),
    )
