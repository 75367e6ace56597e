"""A part of a collection: nobody should have to take all of it to try.

A choice is made by a seed and by sorted names, so the same words choose the same songs everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from angen.errors import DownloadError

SongOfMember = Callable[[str], tuple[str, str] | None]


@dataclass(frozen=True)
class Choice:
    """Which part of a collection.

    Attributes:
        subset: A part that its makers pack apart (`Source.subset`).
        singers: At most so many singers.
        hours: About so many hours of sound, whole songs.
        pieces: At most so many songs or pieces.
        licences: Families of licences: "pd", "by", "by-sa", "by-nc", "by-nc-sa".
        styles: Words for the style, as the collection uses them.
        seed: Decides which ones, where there are more.
    """

    subset: str | None = None
    singers: int | None = None
    hours: float | None = None
    pieces: int | None = None
    licences: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    seed: int = 0

    def refuse_unknown(self, filters: Sequence[str], title: str) -> None:
        """Refuse a choice that a collection cannot make, and numbers that choose nothing.

        Raises:
            DownloadError: Names the choice at fault, and those there are.
        """
        asked = {
            "subset": self.subset,
            "singers": self.singers,
            "hours": self.hours,
            "pieces": self.pieces,
            "licences": self.licences,
            "styles": self.styles,
        }
        for name, value in asked.items():
            if value in (None, ()):
                continue
            if name not in filters:
                there = ", ".join(each for each in filters if each != "seed") or "nothing"
                raise DownloadError(
                    f"{title} cannot be chosen from by {name}.", remedy=f"It can be by: {there}."
                )
            if isinstance(value, int | float) and not value > 0:
                raise DownloadError(f"{value:g} {name} are nothing.", remedy="Give a number above 0.")

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out of a packed part."""
        return (self.singers, self.hours, self.pieces) == (None, None, None)


def choose(names: Sequence[str], count: int | None, seed: int) -> list[str]:
    """At most `count` of some names, in an order that only the seed decides; all of them, sorted, without."""
    ordered = sorted(names)
    if count is None or count >= len(ordered):
        return ordered
    order = np.random.default_rng(seed).permutation(len(ordered))[:count]
    return [ordered[index] for index in order]


def choose_songs(
    members: Mapping[str, int], song_of: SongOfMember, choice: Choice, bytes_an_hour: float
) -> set[tuple[str, str]]:
    """Songs of a packed collection, by singer and title: a song of each singer in turn, until there are enough.

    Args:
        members: The files of the archive and their sizes.
        song_of: The singer and title of a member.
        choice: How much.
        bytes_an_hour: Of the collection's sound files.

    Example:
        >>> members = {"a#x/0.wav": 10, "a#y/0.wav": 10, "b#z/0.wav": 10}
        >>> of = lambda name: tuple(name.split("/")[0].split("#"))
        >>> len(choose_songs(members, of, Choice(pieces=2), 1.0)), len(choose_songs(members, of, Choice(), 1.0))
        (2, 3)
    """
    sizes: dict[tuple[str, str], int] = defaultdict(int)
    for name, size in members.items():
        song = song_of(name)
        if song is not None and name.lower().endswith(".wav"):
            sizes[song] += size
    singers = choose(sorted({singer for singer, _ in sizes}), choice.singers, choice.seed)
    turns = []
    for place, singer in enumerate(singers):
        titles = choose([title for each, title in sizes if each == singer], None, choice.seed)
        order = np.random.default_rng([choice.seed, 1]).permutation(len(titles))
        turns += [(turn, place, (singer, titles[index])) for turn, index in enumerate(order)]
    chosen: set[tuple[str, str]] = set()
    hours = 0.0
    for _, _, song in sorted(turns):
        is_enough = (choice.hours is not None and hours >= choice.hours) or len(chosen) == choice.pieces
        if is_enough:
            break
        chosen.add(song)
        hours += sizes[song] / bytes_an_hour
    return chosen
