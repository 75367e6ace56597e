"""Albums: a folder of numbered tracks at one level, with a playlist and a cover."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from angen.audio import Audio
from angen.errors import ExportError
from angen.export.cover import Cover
from angen.export.formats import Format
from angen.export.gain import Loudness, measure_loudness, replay_gain
from angen.export.piece import Exported, Signer, export_audio
from angen.export.tags import Tags, plain_line
from angen.export.writing import file_stem, staged_folder, write_bytes
from angen.progress import Progress, ProgressCallback, no_progress

OnTrack = Callable[[Path, int, Loudness, Tags, list[Exported]], None]


@dataclass(frozen=True)
class AlbumTrack:
    """One track: how to get its sound, which is read twice rather than kept, and its own tags."""

    load: Callable[[], Audio]
    tags: Tags


def export_album(
    folder: str | Path,
    tracks: Sequence[AlbumTrack],
    kinds: Sequence[Format],
    *,
    cover: Cover | None = None,
    dither_seed: int = 0,
    overwrite: bool = False,
    sign: Signer | None = None,
    on_track: OnTrack | None = None,
    on_progress: ProgressCallback = no_progress,
) -> list[list[Exported]]:
    """Write an album: `01-Title.flac` and so on, `.m3u8` playlists, and `cover.png` or `cover.jpg`.

    Tracks are numbered, and share the album's ReplayGain, for which all are one long recording. The folder
    appears when all is done.

    Args:
        folder: Where to.
        tracks: In their order.
        kinds: Formats; each gets its own playlist.
        cover: Of the album; it goes into every track too, unless the track brings its own.
        dither_seed: Of 16-bit formats; every track draws its own dither from it.
        overwrite: Whether files of an existing folder may be replaced.
        sign: As `export_audio` takes it.
        on_track: Called for each finished track with the folder it stands in until all are done, its number,
            level, tags and files; it may write beside them.
        on_progress: Told of every track, measured and then written.

    Returns:
        For each track its files, in the order of `kinds`.

    Raises:
        ExportError: If there are no tracks or formats, or the place is taken or refused.
    """
    folder = Path(folder)
    if not tracks or not kinds:
        raise ExportError("An album needs tracks and a format.", remedy="Give at least one of each.")
    total = 2 * len(tracks)
    levels = []
    for number, track in enumerate(tracks):
        on_progress(Progress("exporting the album", number, total, f"measuring {track.tags.title}"))
        levels.append(measure_loudness(track.load()))
    made: list[list[Exported]] = []
    all_tags: list[Tags] = []
    with staged_folder(folder, overwrite=overwrite) as staging:
        for number, (track, level) in enumerate(zip(tracks, levels, strict=True), 1):
            on_progress(Progress("exporting the album", len(tracks) + number - 1, total, track.tags.title))
            gain = replay_gain(level, levels)
            tags = dataclasses.replace(
                track.tags,
                track=number,
                tracks=len(tracks),
                replay_gain=gain,
                cover=track.tags.cover or cover,
            )
            audio, stem = track.load(), f"{number:02d}-{file_stem(tags.title, fallback='track')}"
            files = [
                export_audio(
                    staging / f"{stem}{kind.suffix}",
                    audio,
                    kind,
                    tags,
                    dither_seed=dither_seed + number,
                    sign=sign,
                )
                for kind in kinds
            ]
            if on_track:
                on_track(staging, number, level, tags, files)
            made.append([dataclasses.replace(file, path=folder / file.path.name) for file in files])
            all_tags.append(tags)
        _write_playlists(staging, folder.name, kinds, made, all_tags)
        if cover:
            write_bytes(staging / ("cover.png" if cover.mime == "image/png" else "cover.jpg"), cover.data)
    on_progress(Progress("exporting the album", total, total))
    return made


def playlist(entries: Sequence[tuple[str, float, Tags]]) -> str:
    """An extended M3U playlist of (file name, seconds, tags).

    Example:
        >>> print(playlist([("01-A.flac", 61.4, Tags(title="A", artist="B"))]), end="")
        #EXTM3U
        #EXTINF:61,B - A
        01-A.flac
    """
    lines = ["#EXTM3U"]
    for name, seconds, tags in entries:
        words = " - ".join(part for part in (tags.artist, tags.title) if part) or name
        lines += [f"#EXTINF:{round(seconds)},{plain_line(words)}", name]
    return "\n".join(lines) + "\n"


def _write_playlists(
    staging: Path,
    name: str,
    kinds: Sequence[Format],
    made: Sequence[Sequence[Exported]],
    tags: Sequence[Tags],
) -> None:
    for index, kind in enumerate(kinds):
        entries = [
            (files[index].path.name, files[index].samples / files[index].rate_hz, own)
            for files, own in zip(made, tags, strict=True)
        ]
        suffix = ".m3u8" if len(kinds) == 1 else f"{kind.suffix}.m3u8"
        write_bytes(staging / f"{file_stem(name, fallback='album')}{suffix}", playlist(entries).encode())
