"""What the gauges say: numbers in, a level and a sentence for a musician out. The thresholds are all here.

They were found by experiment (docs/report.md): a run that was made to overfit rings, a healthy one does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from angen.report.record import Level, Near, Verdict

NEAR_ALARM, NEAR_WATCH = 0.70, 0.85
GAP_ALARM, GAP_WATCH = 0.30, 0.12
FORGOT_ALARM, FORGOT_WATCH = 0.15, 0.10
PULL_WATCH = 0.5
BLIND = 0.25


def near_level(distance: float, usual: float) -> Level:
    """How a sample's nearest window is to be taken, against what is near between different songs.

    Args:
        distance: Of the sample's nearest training window, 0 for a copy.
        usual: The 10 % quantile of the same distance where nothing can have been copied.
    """
    if distance < NEAR_ALARM * usual:
        return "alarm"
    return "watch" if distance < NEAR_WATCH * usual else "clear"


def worst(levels: Sequence[Level]) -> Level:
    """The most serious of some levels; `clear` if there are none."""
    return max(levels, key=("clear", "watch", "alarm").index, default="clear")


def judge_learning(base: float, best: float, best_step: int) -> Verdict:
    """Whether held-out songs were learnt from: losses of the base and of the best adapter."""
    gain = 1 - best / base
    if best_step == 0 or gain <= 0:
        return Verdict(
            level="alarm",
            words="Training did not improve on the base for the held-out songs: the adapter changes nothing.",
        )
    words = (
        f"On songs it never saw the adapter predicts {gain:.1%} better than the base "
        f"(loss {base:.4f} to {best:.4f})."
    )
    if gain < 0.005:
        return Verdict(
            level="watch", words=f"{words} That is hardly anything: train longer, or at a higher rate."
        )
    return Verdict(level="clear", words=words)


def judge_style(base: float, adapter: float, floor: float) -> Verdict:
    """Whether the music came nearer to the songs: style distances of base, adapter and songs among themselves."""
    if base <= floor:
        words = f"Base and your songs were already alike (style distance {base:.1f}, floor {floor:.1f})."
        return Verdict(level="clear", words=words)
    if adapter >= base:
        words = f"The generated music did not come nearer to your songs (style distance {base:.1f} to {adapter:.1f})."
        return Verdict(level="alarm", words=words)
    share = min(1.0, (base - adapter) / (base - floor))
    return Verdict(
        level="clear" if share >= 0.25 else "watch",
        words=f"{'It has learnt your sound' if share >= 0.25 else 'It has learnt a little of your sound'}: style "
        f"distance {base:.1f} without and {adapter:.1f} with the adapter, where your own songs differ among "
        f"themselves by {floor:.1f}. That is {share:.0%} of the way.",
    )


def judge_memorisation(
    nearest: Sequence[Sequence[Near]], gap_grown: float, usual: Sequence[float], songs_compared: int
) -> Verdict:
    """Whether training songs are played back.

    Args:
        nearest: Of each sample, its nearest training windows in latents and in sound.
        gap_grown: Growth of the gap between training and held-out loss, as a share of the base's held-out loss.
        usual: What is near between different songs, in latents and in sound.
        songs_compared: Pieces of real songs behind `usual`.
    """
    levels = [worst([near.level for near in places]) for places in nearest]
    copies, close = levels.count("alarm"), levels.count("watch")
    gap: Level = "alarm" if gap_grown > GAP_ALARM else "watch" if gap_grown > GAP_WATCH else "clear"
    told = (
        f"Training songs are now predicted better than held-out ones by {gap_grown:.0%} of the base's loss."
    )
    places = sorted((near for found in nearest for near in found), key=lambda near: near.ratio)
    closest = f" The nearest is {_place(places[0])}." if places else ""
    if copies:
        words = (
            f"It copies: {copies} of {len(levels)} pieces play a passage of your songs back.{closest} {told}"
        )
    elif gap == "alarm":
        words = f"It has learnt your songs by heart, though no piece here plays one back.{closest} {told}"
    elif close:
        words = (
            f"{close} of {len(levels)} pieces come nearer to a song than different songs do.{closest} {told}"
        )
    elif gap == "watch":
        words = f"No piece here is a copy, but it knows your songs better than their style. {told}"
    else:
        words = f"It does not copy: no piece comes nearer to a song of yours than different songs do. {told}"
    if min(usual) < BLIND:
        words += " Your songs repeat each other nearly exactly, so this alarm sees little."
    elif not songs_compared:
        words += " There is one song only, so pieces are judged against the base's alone."
    return Verdict(level=worst([*levels, gap]), words=words)


def _place(near: Near) -> str:
    minutes, seconds = divmod(int(near.song_s), 60)
    faster = f", {near.semitones:+d} semitones" if near.semitones else ""
    return f"“{near.song}” at {minutes}:{seconds:02d}{faster} ({near.ratio:.0%} of the usual distance)"


def judge_forgetting(change: float | None, pull_outside: float) -> Verdict:
    """Whether the base's own music is still known.

    Args:
        change: Of the loss on it, 0.15 for 15 % more; None where the base has none.
        pull_outside: How far pieces of other styles were moved towards the user's songs, 1 for all the way.
    """
    pulled = f"Asked for other styles, it goes {max(0.0, pull_outside):.0%} of the way to yours."
    if change is None:
        return Verdict(level="watch" if pull_outside > PULL_WATCH else "clear", words=pulled)
    told = f"The base's own music is predicted {abs(change):.1%} {'worse' if change > 0 else 'better'} than before."
    if change > FORGOT_ALARM:
        return Verdict(level="alarm", words=f"It forgot much of what the base could do. {told} {pulled}")
    if change > FORGOT_WATCH:
        return Verdict(level="watch", words=f"It has begun to forget. {told} {pulled}")
    if pull_outside > PULL_WATCH:
        return Verdict(
            level="watch", words=f"It plays your style even where it is not asked to. {told} {pulled}"
        )
    return Verdict(level="clear", words=f"It still knows the rest. {told} {pulled}")
