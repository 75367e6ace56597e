"""Edits of clips: pure functions from a project to a new one. An impossible edit raises `TimelineError`.

Placing, moving and trimming set the edges that were cut hard by a split back to automatic, so that clips pushed
over each other crossfade. Splitting changes nothing that is heard, to the last bit.
"""

from __future__ import annotations

from typing import Literal

from angen.errors import TimelineError
from angen.timeline.edits import changed, find_track, made, next_id, with_track, with_tracks
from angen.timeline.fades import clip_fades
from angen.timeline.records import HARD_EDGE, Clip, Curve, Fade, Project, Source, Track
from angen.timeline.tempo import TempoMap


def next_clip_id(project: Project) -> str:
    """The id that the next new clip will have."""
    return next_id("c", (clip.id for clip in project.clips()))


def find_clip(project: Project, clip_id: str) -> tuple[Track, Clip]:
    """A clip by its id, and its track.

    Raises:
        TimelineError: If there is none.
    """
    for track in project.tracks:
        for clip in track.clips:
            if clip.id == clip_id:
                return track, clip
    raise TimelineError(
        f"There is no clip {clip_id!r}.", remedy="`angen timeline show` lists the clips with their ids."
    )


def place_clip(
    project: Project,
    track_id: str,
    source: Source,
    start: int,
    *,
    name: str,
    offset: int = 0,
    length: int | None = None,
) -> Project:
    """Place a recording, or a part of it, on a track. The new clip has the id `next_clip_id(project)`.

    Args:
        project: The project.
        track_id: Where.
        source: The recording.
        start: Its place on the timeline.
        name: What a person calls it.
        offset: The first sample to play, at the project's rate.
        length: How many samples to play; None is all that follow.
    """
    total = source.length_at(project.rate_hz)
    if not 0 <= offset < total:
        raise TimelineError(
            f"A clip cannot begin at sample {offset} of a recording of {total}.",
            remedy="Begin within the recording.",
        )
    clip = made(
        Clip,
        id=next_clip_id(project),
        name=name,
        source=source.sha256,
        start=start,
        offset=offset,
        length=total - offset if length is None else length,
    )
    find_track(project, track_id)
    tracks = (
        _with_clips(track, [*track.clips, clip]) if track.id == track_id else track
        for track in project.tracks
    )
    return with_tracks(project, tracks, sources=[source])


def remove_clip(project: Project, clip_id: str) -> Project:
    """Take a clip away. The others stay where they are."""
    return _replaced(project, clip_id, [])


def move_clip(project: Project, clip_id: str, start: int, *, track_id: str | None = None) -> Project:
    """Move a clip to another place, and to another track if one is named."""
    track, clip = find_clip(project, clip_id)
    moved = changed(_soft(clip), start=start)
    if track_id is None or track_id == track.id:
        return _replaced(project, clip_id, [moved])
    find_track(project, track_id)
    without = _replaced(project, clip_id, [], keep_source=True)
    return with_track(without, track_id, lambda other: _with_clips(other, [*other.clips, moved]))


def trim_clip(project: Project, clip_id: str, *, start: int | None = None, end: int | None = None) -> Project:
    """Move the edges of a clip; what is heard between them stays where it is.

    Args:
        project: The project.
        clip_id: Which clip.
        start: New place of its beginning on the timeline, earlier or later; None leaves it.
        end: New place of its end; None leaves it.

    Raises:
        TimelineError: If nothing would be left, or the recording does not reach so far.
    """
    _, clip = find_clip(project, clip_id)
    first = clip.start if start is None else start
    last = clip.end if end is None else end
    if last <= first:
        raise TimelineError(
            f"A clip from {first} to {last} holds nothing.", remedy="Its end comes after its beginning."
        )
    offset = clip.offset + first - clip.start
    if first < 0 or offset < 0:
        raise TimelineError(
            f"Clip {clip_id} cannot begin at {first}: its recording begins at {clip.start - clip.offset}.",
            remedy="Trim less.",
        )
    soft = _soft(clip)
    trimmed = changed(
        soft,
        start=first,
        offset=offset,
        length=last - first,
        fade_in=_recut(soft.fade_in, last - first, is_moved=first != clip.start),
        fade_out=_recut(soft.fade_out, last - first, is_moved=last != clip.end),
    )
    return _replaced(project, clip_id, [trimmed])


def _recut(fade: Fade | None, length: int, *, is_moved: bool) -> Fade | None:
    """A fade that goes with its edge, whole again and no longer than the clip."""
    if fade is None or not is_moved:
        return fade
    return changed(fade, samples=min(fade.samples, length), skipped=0)


def split_clip(project: Project, clip_id: str, at: int) -> Project:
    """Cut a clip in two at a place of the timeline. What is heard stays the same to the bit.

    The left part keeps the id, the right one gets `next_clip_id(project)`. Where automatic crossfades would
    change, those of the clip and of its neighbours are written down as they are.
    """
    track, clip = find_clip(project, clip_id)
    if not clip.start < at < clip.end:
        raise TimelineError(
            f"Clip {clip_id} lasts from {clip.start} to {clip.end}: it cannot be cut at {at}.",
            remedy="Cut between its ends.",
        )
    heard = clip_fades(track.clips)
    halves = _halves(clip, at, next_clip_id(project))
    clips = _with_clips(track, [other for other in track.clips if other is not clip] + halves).clips
    if not _sounds_the_same(clip_fades(clips), heard, clip, halves[1]):
        near = [other for other in track.clips if other.start <= clip.end and clip.start <= other.end]
        frozen = [
            changed(other, fade_in=heard[other.id][0], fade_out=heard[other.id][1])
            for other in near
            if other is not clip
        ]
        whole = changed(clip, fade_in=heard[clip_id][0], fade_out=heard[clip_id][1])
        far = [other for other in track.clips if other not in near]
        clips = (*far, *frozen, *_halves(whole, at, halves[1].id))
    return with_track(project, track.id, lambda track: _with_clips(track, list(clips)))


def _halves(clip: Clip, at: int, new_id: str) -> list[Clip]:
    """Both parts of a clip. A fade across the cut goes on in the other part, where it was."""
    left_length, right_length = at - clip.start, clip.end - at
    fade_in, fade_out = clip.fade_in, clip.fade_out
    right_in = left_out = HARD_EDGE
    if fade_in is not None and fade_in.samples - fade_in.skipped > left_length:
        right_in = changed(fade_in, skipped=fade_in.skipped + left_length)
    if fade_out is not None and fade_out.samples - fade_out.skipped > right_length:
        left_out = changed(fade_out, skipped=fade_out.skipped + right_length)
    return [
        changed(clip, length=left_length, fade_out=left_out),
        changed(
            clip, id=new_id, start=at, offset=clip.offset + left_length, length=right_length, fade_in=right_in
        ),
    ]


def _sounds_the_same(
    now: dict[str, tuple[Fade, Fade]], heard: dict[str, tuple[Fade, Fade]], clip: Clip, right: Clip
) -> bool:
    """Whether every automatic fade is as it was before the cut, and none of the clip's reaches across it."""
    others = all(now[name] == fades for name, fades in heard.items() if name != clip.id)
    fade_in, fade_out = heard[clip.id]
    begins = clip.fade_in is not None or (
        fade_in == now[clip.id][0] and fade_in.samples <= right.start - clip.start
    )
    ends = clip.fade_out is not None or (fade_out == now[right.id][1] and fade_out.samples <= right.length)
    return others and begins and ends


def fade_clip(project: Project, clip_id: str, edge: Literal["in", "out"], fade: Fade | None) -> Project:
    """Set one end of a clip: a fade, `HARD_EDGE`, or None for automatic.

    Raises:
        TimelineError: If the fade is longer than the clip.
    """
    _, clip = find_clip(project, clip_id)
    if fade is not None and fade.samples - fade.skipped > clip.length:
        raise TimelineError(
            f"A fade of {fade.samples} samples is longer than clip {clip_id} with {clip.length}.",
            remedy="Give a shorter fade.",
        )
    return _replaced(project, clip_id, [changed(clip, **{f"fade_{edge}": fade})])


def crossfade_clips(
    project: Project, left_id: str, right_id: str, samples: int, curve: Curve = "equal-power"
) -> Project:
    """Make two clips of a track, one after the other, overlap by `samples` and fade into each other there.

    Each is made longer by half of what is missing (or shorter by half of what is too much); where a recording
    has no more to give, the other clip gives the rest.

    Raises:
        TimelineError: If they are on different tracks, not in order, or their recordings are too short.
    """
    track, left = find_clip(project, left_id)
    other_track, right = find_clip(project, right_id)
    if track.id != other_track.id or not (left.start < right.start and left.end < right.end) or samples < 1:
        raise TimelineError(
            f"Clips {left_id} and {right_id} cannot be crossfaded over {samples} samples.",
            remedy="Name two clips of one track, the earlier first, and a length of 1 or more.",
        )
    total = next(source for source in project.sources if source.sha256 == left.source).length_at(
        project.rate_hz
    )
    missing = samples - (left.end - right.start)
    most_right = min(right.offset, right.start - left.start - 1)
    most_left = min(total - left.offset - left.length, right.end - left.end)
    by_left = min(missing // 2, most_left)
    by_right = min(missing - by_left, most_right)
    by_left = missing - by_right
    longest = max(left.end + most_left - (right.start - most_right), 0)
    if by_left > most_left:
        raise TimelineError(
            f"Clips {left_id} and {right_id} cannot overlap by {samples} samples; {longest} are possible.",
            remedy="Give a shorter crossfade, or move the clips together.",
        )
    automatic = curve == "equal-power"
    fade = None if automatic else made(Fade, samples=samples, curve=curve)
    edited = _replaced(project, left_id, [changed(left, length=left.length + by_left, fade_out=fade)])
    longer = changed(
        right,
        start=right.start - by_right,
        offset=right.offset - by_right,
        length=right.length + by_right,
        fade_in=fade,
    )
    return _replaced(edited, right_id, [longer])


def duplicate_clip(project: Project, clip_id: str, *, start: int | None = None) -> Project:
    """Copy a clip on its track, to `start` or right after its end. The copy has the id `next_clip_id(project)`."""
    track, clip = find_clip(project, clip_id)
    copy = changed(_soft(clip), id=next_clip_id(project), start=clip.end if start is None else start)
    return with_track(project, track.id, lambda track: _with_clips(track, [*track.clips, copy]))


def set_clip_gain(project: Project, clip_id: str, gain_db: float) -> Project:
    """Change the level of a clip."""
    _, clip = find_clip(project, clip_id)
    return _replaced(project, clip_id, [changed(clip, gain_db=gain_db)])


def snap_clip(project: Project, clip_id: str, grid: str) -> Project:
    """Move a clip so that it begins at the nearest line of a grid: "bar", "beat", "1/8", "1/16t"."""
    _, clip = find_clip(project, clip_id)
    return move_clip(project, clip_id, TempoMap.of(project).snapped(clip.start, grid))


def relink_source(project: Project, sha256: str, source: Source) -> Project:
    """Let all clips of a recording play another file: the same one elsewhere, or a new version of it.

    Args:
        project: The project.
        sha256: The recording as the project knows it; its first characters are enough.
        source: The file that takes its place.

    Raises:
        TimelineError: If no recording is meant, or several, or the new one is too short for the clips.
    """
    meant = [known for known in project.sources if known.sha256.startswith(sha256)] if sha256 else []
    if len(meant) != 1:
        raise TimelineError(
            f"{sha256!r} names {len(meant)} recordings of the project.",
            remedy="Give the first characters of one hash that `angen timeline show` lists.",
        )
    old = meant[0].sha256
    tracks = tuple(
        changed(
            track,
            clips=tuple(
                changed(clip, source=source.sha256) if clip.source == old else clip for clip in track.clips
            ),
        )
        for track in project.tracks
    )
    return with_tracks(project, tracks, sources=[source])


def _soft(clip: Clip) -> Clip:
    """The clip with its hard edges automatic."""
    return changed(
        clip,
        fade_in=None if clip.fade_in == HARD_EDGE else clip.fade_in,
        fade_out=None if clip.fade_out == HARD_EDGE else clip.fade_out,
    )


def _with_clips(track: Track, clips: list[Clip]) -> Track:
    return changed(track, clips=tuple(sorted(clips, key=lambda clip: (clip.start, clip.id))))


def _replaced(project: Project, clip_id: str, clips: list[Clip], *, keep_source: bool = False) -> Project:
    """The project with a clip replaced by none, one or several on the same track."""
    track, clip = find_clip(project, clip_id)
    edited = _with_clips(track, [other for other in track.clips if other is not clip] + clips)
    tracks = tuple(edited if other is track else other for other in project.tracks)
    return changed(project, tracks=tracks) if keep_source else with_tracks(project, tracks)
