"""The draft writer: lyrics from our own words by seed, with no model and no network.

It knows rhyme, metre, form and a dozen themes. It does not understand what it is asked; what it writes is a draft
to work on, and says so.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from angen.errors import LyricsError
from angen.lyrics.brief import Brief, Written
from angen.lyrics.composer import Composer
from angen.lyrics.forms import Form, Part, form_named
from angen.lyrics.record import Lyrics, Section
from angen.lyrics.structure import structured
from angen.lyrics.syllables import count_syllables
from angen.lyrics.timing import played_s, sung_s
from angen.lyrics.wordlist import Mood, Theme, WordList, word_list

__all__ = ["SOURCE", "continue_draft", "rewrite_draft", "structure_draft", "write_draft"]

SOURCE = "draft writer"
MOST_EXTRA = 8


def write_draft(brief: Brief) -> Written:
    """Write lyrics: the same brief gives the same words.

    The form is shortened or lengthened by whole sections until its usual singing time is near the wanted length.

    Raises:
        LyricsError: If the language is not the draft writer's.

    Example:
        >>> draft = write_draft(Brief(theme="the sea", form="short", seed=1))
        >>> draft.source, [section.tag for section in draft.lyrics.sections]
        ('draft writer', ['verse', 'chorus'])
    """
    form = form_named(brief.form)
    composer, notes = _composer(brief)
    parts, note = _fitted(form, brief)
    sections: list[Section] = []
    named: dict[str, tuple[str, ...]] = {}
    for part in parts:
        lines = named.get(part.name) if part.name else None
        if lines is None:
            is_hook = part.tag in ("chorus", "hook")
            lines = composer.section(part.scheme, part.syllables, is_hook=is_hook)
        if part.name:
            named[part.name] = lines
        sections.append(Section(part.tag, lines))
    return Written(Lyrics(tuple(sections)), SOURCE, (*notes, *note))


def continue_draft(lyrics: Lyrics, brief: Brief, *, sections: int = 1) -> Written:
    """Go on where lyrics stop: finish a section that is shorter than its like, then add sections.

    A chorus that was there returns word for word. New lines have the length of those before and repeat none.

    Args:
        lyrics: What there is.
        brief: Theme, mood, language and seed; its form says nothing here.
        sections: How many to add, 1 to 20.

    Raises:
        LyricsError: If there are no lyrics, or `sections` is out of range.
    """
    if not lyrics.lines:
        raise LyricsError(
            "There is nothing to continue.", remedy="Give lyrics with a line at least, or write anew."
        )
    if not 1 <= sections <= 20:
        raise LyricsError(f"{sections} sections are asked for; expected 1 to 20.", remedy="Ask for 1 to 20.")
    composer, notes = _composer(brief, used=lyrics.lines)
    parts = list(lyrics.sections)
    parts[-1] = _finished(parts, composer, brief.language)
    for _ in range(sections):
        parts.append(_next_section(parts, composer, brief.language))
    return Written(Lyrics(tuple(parts)), SOURCE, notes)


def rewrite_draft(lyrics: Lyrics, brief: Brief, *, sections: Sequence[int] = ()) -> Written:
    """Write sections anew, with the same number of lines, syllables and rhyme scheme.

    Args:
        lyrics: What there is.
        brief: Theme, mood, language and seed.
        sections: Which, the first is 1; none for all. Sections of the same words stay the same among themselves
            where both are rewritten.

    Raises:
        LyricsError: If there is no such section, or nothing to rewrite.
    """
    chosen = set(sections) or set(range(1, len(lyrics.sections) + 1))
    wrong = sorted(number for number in chosen if not 1 <= number <= len(lyrics.sections))
    if wrong or not lyrics.lines:
        raise LyricsError(
            f"There is no section {wrong[0]}; the lyrics have {len(lyrics.sections)}."
            if wrong
            else "There is nothing to rewrite.",
            remedy="Count the sections from 1, or leave the number out for all.",
        )
    composer, notes = _composer(brief, used=lyrics.lines)
    written: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
    parts: list[Section] = []
    for number, section in enumerate(lyrics.sections, start=1):
        if number not in chosen or not section.lines:
            parts.append(section)
            continue
        key = (section.tag, section.lines)
        if key not in written:
            counts = [count_syllables(line, brief.language).count for line in section.lines]
            written[key] = composer.section(scheme_of(section.lines, brief.language), counts)
        parts.append(Section(section.tag, written[key]))
    return Written(Lyrics(tuple(parts)), SOURCE, notes)


def structure_draft(text: str, *, form: str | None = None) -> Written:
    """Give a text its tags without changing a word; see `structure.structured`."""
    read = structured(text, form=form)
    note = "Tags are set by what repeats and by the form, not by understanding."
    return Written(read.lyrics, SOURCE, (note,), read.problems)


def scheme_of(lines: Sequence[str], language: str) -> str:
    """The rhyme scheme of lines: a letter a line, `x` for no rhyme, a capital where a line returns.

    Example:
        >>> scheme_of(["I see the light", "Hello", "all through the night", "Hello"], "en")
        'aBaB'
    """
    words = word_list(language)
    keys = [_ending(line, words) for line in lines]
    letters: dict[str, str] = {}
    scheme = ""
    for line, key in zip(lines, keys, strict=True):
        if keys.count(key) == 1:
            scheme += "x"
            continue
        letter = letters.setdefault(key, "abcdefghijklmnopqrstuvwyz"[min(len(letters), 24)])
        scheme += letter.upper() if list(lines).count(line) > 1 else letter
    return scheme


def _ending(line: str, words: WordList) -> str:
    """What a line ends with for the ear: known sounds, else its last letters from the last vowel group."""
    found = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", line.casefold())
    last = found[-1] if found else line
    spelled = re.search(r"[aeiouyáéíóú]+[^aeiouyáéíóú]*e?$", last)
    return words.sounds_of(last) or (spelled[0] if spelled else last)


def _finished(parts: Sequence[Section], composer: Composer, language: str) -> Section:
    """The last section with as many lines as the first of its tag, rhyming as that does where it can."""
    last = parts[-1]
    model = next(section for section in parts if section.tag == last.tag)
    missing = len(model.lines) - len(last.lines)
    if missing <= 0 or model is last or not last.lines:
        return last
    scheme = scheme_of(model.lines, language).lower()
    sounds = {}
    for letter, line in zip(scheme, last.lines, strict=False):
        known = composer.words.sounds_of(line.split()[-1].strip(".,!?;:"))
        if letter != "x" and known:
            sounds[letter] = known
    rest = scheme[len(last.lines) :]
    given = [sounds.get(letter, "") for letter in dict.fromkeys(rest.replace("x", ""))]
    counts = [count_syllables(line, language).count for line in model.lines[len(last.lines) :]]
    return Section(last.tag, (*last.lines, *composer.section(rest, counts, sounds=given)))


def _next_section(parts: Sequence[Section], composer: Composer, language: str) -> Section:
    tags = [section.tag for section in parts if section.lines]
    refrain = next(
        (section for section in parts if section.tag in ("chorus", "hook") and section.lines), None
    )
    last = tags[-1]
    if last in ("verse", "bridge"):
        tag = refrain.tag if refrain else "chorus"
        if refrain is not None:
            return refrain
    elif last in ("chorus", "hook") and tags.count(last) >= 2 and "bridge" not in tags:
        tag = "bridge"
    else:
        tag = "verse"
    like = next((section for section in parts if section.tag == tag and section.lines), None)
    if like is not None:
        counts = [count_syllables(line, language).count for line in like.lines]
        return Section(tag, composer.section(scheme_of(like.lines, language), counts))
    lines = [line for section in parts for line in section.lines]
    usual = round(median(count_syllables(line, language).count for line in lines))
    scheme = "AbAb" if tag == "chorus" else "abab"
    return Section(tag, composer.section(scheme, (min(12, max(5, usual)),), is_hook=tag == "chorus"))


def _composer(brief: Brief, *, used: Sequence[str] = ()) -> tuple[Composer, tuple[str, ...]]:
    words = word_list(brief.language)
    generator = random.Random(f"{brief.seed}|{brief.theme}|{brief.mood}|{brief.language}")
    notes = ["A draft from templates and word lists: read it, and make it yours."]
    theme, is_known = _theme(brief.theme, words, generator)
    if brief.theme.strip() and not is_known:
        notes.append(
            f"The draft writer does not know the theme {brief.theme[:60]!r}; it wrote about {theme.name}."
        )
    mood, is_known = _mood(brief.mood, words, generator)
    if brief.mood.strip() and not is_known:
        notes.append(
            f"The draft writer does not know the mood {brief.mood[:60]!r}; it wrote a {mood.name} song."
        )
    return Composer(words, theme, mood, generator, used=set(used)), tuple(notes)


def _theme(asked: str, words: WordList, generator: random.Random) -> tuple[Theme, bool]:
    said = set(re.findall(r"[^\W\d_]+", asked.casefold()))
    said |= {word.removesuffix("s") for word in said}
    scores = {name: len(said & {name, *theme.keywords}) for name, theme in words.themes.items()}
    best = max(scores.values())
    names = [name for name, score in scores.items() if score == best]
    name = names[0] if best else generator.choice(names)
    return words.themes[name], best > 0


def _mood(asked: str, words: WordList, generator: random.Random) -> tuple[Mood, bool]:
    said = set(re.findall(r"[^\W\d_]+", asked.casefold()))
    for name, mood in words.moods.items():
        if said & {name, *mood.keywords}:
            return mood, True
    return generator.choice(list(words.moods.values())), False


def _fitted(form: Form, brief: Brief) -> tuple[list[Part], tuple[str, ...]]:
    """The form's parts with whole sections left out or added, for the wanted length."""
    tempo = brief.tempo_bpm or form.tempo_bpm
    parts = list(form.parts)
    if brief.seconds is None:
        return parts, ()
    while (droppable := max(parts, key=lambda part: part.drop)).drop and _usual_s(
        parts, form, tempo
    ) > brief.seconds:
        parts.remove(droppable)
    extra = [next(part for part in form.parts if part.tag == "verse")]
    extra += [part for part in form.parts if part.tag in ("chorus", "hook")][:1]
    for _ in range(MOST_EXTRA):
        if len(parts) < len(form.parts) or _usual_s([*parts, *extra], form, tempo) > brief.seconds:
            break
        at = max(place for place, part in enumerate(parts) if part.scheme)
        parts[at:at] = [replace(part) for part in extra]
    if _usual_s(parts, form, tempo) > brief.seconds:
        return parts, (
            "The form cannot be made shorter than this; choose the form 'short', or a longer song.",
        )
    return parts, ()


def _usual_s(parts: Sequence[Part], form: Form, tempo_bpm: float) -> float:
    total = 0.0
    for part in parts:
        counts = [part.syllables[number % len(part.syllables)] for number in range(len(part.scheme))]
        total += sung_s(counts, form.rate.usual, tempo_bpm) if counts else played_s(part.tag, tempo_bpm)
    return total
