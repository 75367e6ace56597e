"""A downloaded collection as an ordinary dataset: clips, what is known of each, a split by song, credits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from angen.catalogue.ccmixter import read_ccmixter
from angen.catalogue.ccmixter_corpus import read_ccmixter_corpus
from angen.catalogue.folder import CONTENT, CREDITS, DownloadRecord, require_download, subset_folder
from angen.catalogue.items import Found, VocalSong
from angen.catalogue.lakh import read_lakh
from angen.catalogue.licences import strictest
from angen.catalogue.m4singer import read_m4singer
from angen.catalogue.mutopia import read_mutopia
from angen.catalogue.opensinger import read_opensinger
from angen.catalogue.records import Collection
from angen.dataset import (
    ClipRecord,
    DatasetInfo,
    Split,
    new_dataset,
    new_name,
    split_songs,
    write_dataset,
)
from angen.dataset.records import content_sha256
from angen.dataset.store import count_splits, refuse_taken_name
from angen.errors import DatasetError
from angen.files import write_text
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings
from angen.workflows.curated_gathering import (
    Gathered,
    PrepareOptions,
    check_options,
    reasons,
    run_tasks,
    safe_names,
    shuffled,
)
from angen.workflows.curated_scores import play_scores
from angen.workflows.curated_songs import (
    MadeClip,
    SingTask,
    sing_song,
)
from angen.workflows.prepare import PreparedDataset

__all__ = ["prepare_collection"]

_UNUSABLE = "Nothing of the collection can be used."


def prepare_collection(
    settings: Settings,
    collection: Collection,
    options: PrepareOptions | None = None,
    *,
    name: str | None = None,
    subset: str | None = None,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> PreparedDataset:
    """Make a dataset of a collection that was downloaded.

    A file that cannot be used is left out with its reason. Nothing is left behind if it fails or is stopped.

    Args:
        settings: The workspace.
        collection: Which.
        options: How.
        name: Of the dataset; the collection's id without.
        subset: The part of it that was downloaded.
        on_progress: Told of songs ("screening", "joining", "playing").
        should_stop: Asked now and then.

    Raises:
        DatasetError: If it was not downloaded, the name is taken, no soundfont is there, or nothing can be used.
    """
    options = options or PrepareOptions()
    check_options(options)
    safe = new_name(name or collection.id)
    refuse_taken_name(settings.training_data, safe, replace=options.replace)
    download = require_download(settings.collections, collection, subset)
    content = subset_folder(settings.collections, collection, download.subset) / CONTENT
    found = _found(collection, content, download, options)
    with new_dataset(settings.training_data, safe, replace=options.replace) as folder:
        made = Gathered()
        for path, why in found.odd:
            made.skip(str(path), {"type": "layout", "message": f"{str(path)!r}: {why}.", "remedy": ""})
        if collection.type == "vocal":
            _sing(found.songs, folder, options, made, on_progress, should_stop)
        else:
            play_scores(settings, found.pieces, folder, options, made, on_progress, should_stop)
        if should_stop():
            raise DatasetError(
                "Stopped before the dataset was whole.", remedy="Nothing was changed. Start it again."
            )
        if not made.clips:
            raise DatasetError(
                f"{_UNUSABLE} {reasons(made)}", remedy="Choose another part of it, or other limits."
            )
        info = _finish(folder, safe, collection, download, options, made)
    return PreparedDataset(info, settings.training_data / safe, made.skipped, made.notes)


def _found(collection: Collection, content: Path, download: DownloadRecord, options: PrepareOptions) -> Found:
    """What the collection's own layout finds in its folder."""
    items = download.items or []
    if collection.id == "opensinger":
        return read_opensinger(content)
    if collection.id == "m4singer":
        return read_m4singer(content)
    if collection.id == "ccmixter_corpus":
        return read_ccmixter_corpus(content, options.part)
    if collection.id == "ccmixter":
        return read_ccmixter(content, items)
    if collection.id == "lakh":
        return read_lakh(content)
    return read_mutopia(content, items)


def _sing(
    songs: Sequence[VocalSong],
    folder: Path,
    options: PrepareOptions,
    made: Gathered,
    on_progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> None:
    """Vocal songs into clips, until there are enough."""
    names = safe_names(song.key for song in songs)
    ordered = shuffled(songs, options.seed) if options.hours is not None else list(songs)
    tasks = [SingTask(folder, names[song.key], song, options.min_s, options.max_s) for song in ordered]
    seconds = 0.0
    outcomes = run_tasks(sing_song, tasks, options, should_stop)
    for done, outcome in enumerate(outcomes, start=1):
        song = ordered[outcome.index]
        on_progress(Progress("joining", done, len(tasks), song.title))
        if outcome.error is not None:
            made.skip(str(song.phrases[0].path.parent), outcome.error)
            continue
        name = names[song.key]
        made.clips += [(name, clip) for clip in outcome.value]
        made.groups[name] = song.group
        made.credits[name] = song.credit or f"{song.title}, sung by {song.singer}"
        made.licences |= {song.licence} if song.licence else set()
        seconds += sum(clip.duration_s for clip in outcome.value)
        if options.hours is not None and seconds >= options.hours * 3600:
            made.notes.append(f"Only {seconds / 3600:.2f} hours were asked for: other songs were left aside.")
            break
    outcomes.close()


def _finish(
    folder: Path,
    name: str,
    collection: Collection,
    download: DownloadRecord,
    options: PrepareOptions,
    made: Gathered,
) -> DatasetInfo:
    """Split by song, write the records, the credits and the description."""
    sides = _sides(made, options.seed)
    ordered = sorted(made.clips, key=lambda each: each[1].clip_id)
    clips = [_record(song, clip, sides[clip.clip_id]) for song, clip in ordered]
    licence = collection.known_licence or strictest(made.licences)
    if made.skipped:
        made.notes.append(reasons(made))
    if len(set(made.groups.values())) == 1:
        made.notes.append(
            "There is only one song, so its last clips validate, which flatters. Take more songs."
        )
    prefix = " ".join(options.style.split())
    named = "".join(f"{song}\t{credit}\n" for song, credit in sorted(made.credits.items()))
    header = f"{collection.title}, {collection.homepage}\nLicence: {licence.id}\n{_cite(collection)}\n\n"
    write_text(folder / CREDITS, header + named)
    info = DatasetInfo(
        name=name,
        type=collection.type,
        created=datetime.now(UTC),
        source=f"{collection.title} ({download.subset}{'; ' + download.choice if download.choice else ''})",
        licence=licence.id,
        non_commercial=licence.non_commercial,
        share_alike=licence.is_known and licence.share_alike,
        attribution=[_cite(collection), f"Credits of each song: {CREDITS} in the dataset's folder"],
        collection=collection.id,
        prompt_prefix=prefix,
        songs=len(made.groups),
        clips=len(clips),
        seconds=sum(clip.duration_s for clip in clips),
        splits=count_splits(clips),
        sha256=content_sha256(clips, prefix),
        skipped=made.skipped,
        notes=made.notes,
    )
    write_dataset(folder, info, clips)
    return info


def _cite(collection: Collection) -> str:
    return f"{collection.title}: {collection.citation or collection.paper or collection.homepage}"


def _sides(made: Gathered, seed: int) -> dict[str, Split]:
    """A side for each clip, by song; songs of one group (one title by several singers) are on the same.

    Where there is one song alone, its last clips are held back, about a tenth of them.
    """
    groups = made.groups if len(set(made.groups.values())) > 1 else {song: song for song in made.groups}
    if len(groups) == 1:
        ids = [clip.clip_id for _, clip in made.clips]
        held_back = set(sorted(ids)[len(ids) - max(1, round(len(ids) / 10)) :]) if len(ids) > 1 else set()
        return {each: "validation" if each in held_back else "train" for each in ids}
    seconds: dict[str, float] = {}
    for song, clip in made.clips:
        seconds[groups[song]] = seconds.get(groups[song], 0.0) + clip.duration_s
    sides = split_songs(seconds, seed=seed)
    return {clip.clip_id: sides[groups[song]] for song, clip in made.clips}


def _record(song: str, clip: MadeClip, side: Split) -> ClipRecord:
    known = {name: value for name, value in clip.known.items() if name != "soundfont" and value is not None}
    return ClipRecord.model_validate(
        {
            "file_name": clip.file_name,
            "clip_id": clip.clip_id,
            "song": song,
            "split": side,
            "start_s": round(clip.start_s, 4),
            "end_s": round(clip.end_s, 4),
            "duration_s": clip.duration_s,
            "sha256": clip.sha256,
            **known,
            "sources": clip.sources,
        }
    )
