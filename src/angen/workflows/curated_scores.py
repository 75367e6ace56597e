"""Scores into clips: screened, each music once, and played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from angen.catalogue.items import ScorePiece
from angen.catalogue.symbolic.rendering import require_synthesiser
from angen.catalogue.workers import Outcome
from angen.progress import Progress, ProgressCallback
from angen.settings import Settings
from angen.workflows.assets import find_soundfonts
from angen.workflows.curated_gathering import Gathered, PrepareOptions, run_tasks, safe_names, shuffled
from angen.workflows.curated_songs import MadeClip, PlayTask, Screened, play_piece, screen_midi

__all__ = ["play_scores"]

_SCREEN_AT_ONCE = 400


def play_scores(
    settings: Settings,
    pieces: Sequence[ScorePiece],
    folder: Path,
    options: PrepareOptions,
    made: Gathered,
    on_progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> None:
    """Scores into clips: screened, the same ones once, played."""
    require_synthesiser()
    fonts = tuple(options.soundfonts) or find_soundfonts(settings)
    ordered = shuffled(pieces, options.seed)
    chosen = _screen(ordered, options, made, on_progress, should_stop)
    names = safe_names(piece.key for piece in chosen)
    tasks = [
        PlayTask(
            folder, names[piece.key], piece.paths, fonts, options.min_s, options.max_s, options.clips_a_piece,
            options.seed + place,
        )
        for place, piece in enumerate(chosen)
    ]  # fmt: skip
    for done, outcome in enumerate(run_tasks(play_piece, tasks, options, should_stop), start=1):
        piece = chosen[outcome.index]
        on_progress(Progress("playing", done, len(tasks), piece.title or piece.key))
        if outcome.error is not None:
            made.skip(str(piece.paths[0]), outcome.error)
            continue
        clips, left_out = outcome.value
        for path, reason, message in left_out:
            made.skip(path, {"type": reason, "message": message, "remedy": ""})
        name = names[piece.key]
        made.clips += [(name, _with_words(clip, piece)) for clip in clips]
        if clips:
            made.groups[name] = name
            made.credits[name] = piece.credit or piece.key
            made.licences |= {piece.licence} if piece.licence else set()
    used = sorted({name for _, clip in made.clips for name in str(clip.known["soundfont"]).split(" and ")})
    made.notes.append(
        f"This music was played by soundfonts ({', '.join(used)}), not by people: an adapter trained on it learns "
        "their timbre and their stiffness along with the notes."
        + (
            " One soundfont only: fetch another (angen assets fetch) for more variety."
            if len(fonts) == 1
            else ""
        )
    )


def _with_words(clip: MadeClip, piece: ScorePiece) -> MadeClip:
    """A clip with what its collection says of the piece."""
    said: dict[str, Any] = {"genre": piece.genre, "credit": piece.credit}
    if piece.composer and piece.licence is not None:
        said["description"] = f"{piece.title}, {piece.composer}" if piece.title else piece.composer
    said["licence"] = piece.licence.id if piece.licence else None
    tagged = {name: "tagged" for name in ("genre", "description") if said.get(name)}
    known = {**clip.known, **{name: value for name, value in said.items() if value is not None}}
    return MadeClip(
        clip.clip_id, clip.file_name, clip.sha256, clip.start_s, clip.end_s, clip.duration_s, known,
        {**clip.sources, **tagged},
    )  # fmt: skip


def _screen(
    pieces: Sequence[ScorePiece],
    options: PrepareOptions,
    made: Gathered,
    on_progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> list[ScorePiece]:
    """Pieces that can be used, each music once, until their clips fill the hours wanted (ten without)."""
    wanted_s = (10.0 if options.hours is None else options.hours) * 3600
    chosen: list[ScorePiece] = []
    seen: dict[str, str] = {}
    seconds = 0.0
    for start in range(0, len(pieces), _SCREEN_AT_ONCE):
        batch = pieces[start : start + _SCREEN_AT_ONCE]
        paths = [(index, path) for index, piece in enumerate(batch) for path in piece.paths]
        usable: dict[int, list[tuple[Path, Screened]]] = {}
        by_task = {}
        for done, outcome in enumerate(
            run_tasks(screen_midi, [path for _, path in paths], options, should_stop), start=1
        ):
            on_progress(Progress("screening", start + done * len(batch) / len(paths), len(pieces)))
            by_task[outcome.index] = outcome
        for task in sorted(by_task):  # in the order of the pieces, whichever was ready first
            index, path = paths[task]
            error = _refusal(by_task[task], path, batch[index], seen)
            if error is not None:
                made.skip(str(path), error)
            else:
                usable.setdefault(index, []).append((path, by_task[task].value))
        for index in sorted(usable):
            if seconds >= wanted_s:
                made.notes.append(
                    f"About {wanted_s / 3600:g} hours were wanted: other pieces were left aside."
                )
                return chosen
            kept = usable[index]
            chosen.append(_of_paths(batch[index], tuple(path for path, _ in kept)))
            most_s = options.clips_a_piece * options.max_s
            seconds += min(most_s, sum(screened.duration_s for _, screened in kept))
    return chosen


def _refusal(outcome: Outcome, path: Path, piece: ScorePiece, seen: dict[str, str]) -> dict[str, str] | None:
    """Why a file is not used; None if it is. `seen` knows what was taken before it."""
    if outcome.error is not None:
        return outcome.error
    screened: Screened = outcome.value
    if piece.md5 is not None and piece.md5 != screened.md5:
        return {"type": "wrong-md5", "message": f"{path.name!r} is not the file it was.", "remedy": ""}
    for kind, value in (("md5", screened.md5), ("notes", screened.pattern)):
        first = seen.setdefault(f"{kind} {value}", str(path))
        if first != str(path):
            return {
                "type": "duplicate",
                "message": f"{path.name!r} has the same {'bytes' if kind == 'md5' else 'notes'} as {first!r}.",
                "remedy": "",
            }
    return None


def _of_paths(piece: ScorePiece, paths: tuple[Path, ...]) -> ScorePiece:
    return ScorePiece(
        piece.key, piece.title, paths, piece.md5, piece.composer, piece.genre, piece.licence, piece.credit
    )
