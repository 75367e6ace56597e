"""The four verbs through a language model: what it is told, and what is made of its answer.

Its text is cleaned, read and checked like any stranger's. It is never run, and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from angen.errors import LyricsError
from angen.lyrics.brief import Brief, Written
from angen.lyrics.chat import Reply, chat
from angen.lyrics.endpoint import Endpoint, EndpointReplyError, Message
from angen.lyrics.forms import form_named
from angen.lyrics.lines import clean_text
from angen.lyrics.reading import read_lyrics, write_lyrics
from angen.lyrics.record import Lyrics, ReadLyrics
from angen.lyrics.structure import structured
from angen.lyrics.syllables import LANGUAGES
from angen.lyrics.untrusted import clean_reply

__all__ = ["continue_with_model", "rewrite_with_model", "structure_with_model", "write_with_model"]

OnText = Callable[[str], None]
ShouldStop = Callable[[], bool]

_RULES = (
    "You are a songwriter. Answer with the lyrics only: no title, no comments, no chords, no markdown. Put every "
    "section's tag in square brackets on a line of its own, lower case, without numbers, one of: [intro] [verse] "
    "[chorus] [bridge] [hook] [inst] [solo] [break] [outro]. One sung line a line. Write every repeated chorus out."
)


def write_with_model(
    endpoint: Endpoint,
    brief: Brief,
    *,
    on_text: OnText = lambda piece: None,
    should_stop: ShouldStop = lambda: False,
) -> Written:
    """Write lyrics.

    Raises:
        EndpointError: If there is no answer, or no line in it that can be sung.
    """
    form = form_named(brief.form)
    outline = "\n".join(
        f"[{part.tag}]"
        + (f" {len(part.scheme)} lines of about {part.syllables[0]} syllables" if part.scheme else "")
        for part in form.parts
    )
    task = f"Write song lyrics.\n{_facts(brief)}\nForm: {form.name}, {form.about}. Its sections:\n{outline}"
    return _asked(endpoint, task, on_text, should_stop)


def continue_with_model(
    endpoint: Endpoint,
    lyrics: Lyrics,
    brief: Brief,
    *,
    sections: int = 1,
    on_text: OnText = lambda piece: None,
    should_stop: ShouldStop = lambda: False,
) -> Written:
    """Go on where lyrics stop. What there was stays as it was, whatever the model makes of it.

    Raises:
        LyricsError: If there are no lyrics.
        EndpointError: If there is no answer, or nothing new in it.
    """
    if not lyrics.lines:
        raise LyricsError(
            "There is nothing to continue.", remedy="Give lyrics with a line at least, or write anew."
        )
    count = "one more section" if sections == 1 else f"{sections} more sections"
    task = (
        f"Continue these lyrics with {count}, in their manner, metre and rhyme. Answer with the new sections only.\n"
        f"{_facts(brief)}\nThe lyrics so far:\n{write_lyrics(lyrics)}"
    )
    written = _asked(endpoint, task, on_text, should_stop, echo_prompt=False)
    new = written.lyrics.sections
    if new[: len(lyrics.sections)] == lyrics.sections:  # it said everything again
        new = new[len(lyrics.sections) :]
    if not new:
        raise EndpointReplyError("The model added nothing.", remedy="Try again, or another model.")
    return _with_lyrics(written, lyrics.with_sections(new))


def rewrite_with_model(
    endpoint: Endpoint,
    lyrics: Lyrics,
    brief: Brief,
    *,
    sections: Sequence[int] = (),
    on_text: OnText = lambda piece: None,
    should_stop: ShouldStop = lambda: False,
) -> Written:
    """Write sections anew. Those not chosen stay as they were, whatever the model makes of them.

    Raises:
        LyricsError: If there is no such section.
        EndpointError: If there is no answer, or it has too few sections.
    """
    chosen = sorted(set(sections) or {n for n, part in enumerate(lyrics.sections, 1) if part.lines})
    wrong = [number for number in chosen if not 1 <= number <= len(lyrics.sections)]
    if wrong or not lyrics.lines:
        raise LyricsError(
            f"There is no section {wrong[0]}; the lyrics have {len(lyrics.sections)}."
            if wrong
            else "There is nothing to rewrite.",
            remedy="Count the sections from 1, or leave the number out for all.",
        )
    old = Lyrics(tuple(lyrics.sections[number - 1] for number in chosen))
    task = (
        "Rewrite these sections with other words: the same tags in the same order, the same number of lines, about the "
        f"same syllables and the same rhyme scheme. Answer with these sections only.\n{_facts(brief)}\n"
        f"{write_lyrics(old)}"
    )
    written = _asked(endpoint, task, on_text, should_stop, echo_prompt=False)
    new = [part for part in written.lyrics.sections if part.lines]
    if len(new) < len(chosen) and not written.is_partial:
        raise EndpointReplyError(
            f"The model rewrote {len(new)} sections of {len(chosen)}.",
            remedy="Try again, or fewer sections at once.",
        )
    parts = list(lyrics.sections)
    for number, part in zip(chosen, new, strict=False):
        parts[number - 1] = type(part)(parts[number - 1].tag, part.lines)
    return _with_lyrics(written, Lyrics(tuple(parts)))


def structure_with_model(
    endpoint: Endpoint,
    text: str,
    *,
    form: str | None = None,
    on_text: OnText = lambda piece: None,
    should_stop: ShouldStop = lambda: False,
) -> Written:
    """Let the model set the tags. If it changes as much as a word, its answer is not used, and our own rules are.

    Raises:
        EndpointError: If there is no answer at all.
    """
    ours = structured(text, form=form)
    wish = f" The form is {form_named(form).name}." if form else ""
    task = (
        f"Set structure tags before the sections of these lyrics.{wish} Change no word and no order; repeat nothing.\n"
        + "\n".join(ours.lyrics.lines)
    )
    written = _asked(endpoint, task, on_text, should_stop, echo_prompt=False)
    if [_plain(line) for line in written.lyrics.lines] != [_plain(line) for line in ours.lyrics.lines]:
        note = "The model changed words, so its answer is not used: the tags are set by what repeats and by the form."
        return Written(ours.lyrics, "draft writer", (note,), ours.problems)
    given = iter(ours.lyrics.lines)  # its marks of punctuation are not ours
    kept = tuple(
        type(part)(part.tag, tuple(next(given) for _ in part.lines)) for part in written.lyrics.sections
    )
    return Written(Lyrics(kept), written.source, written.notes, ours.problems)


def _facts(brief: Brief) -> str:
    facts = {
        "Theme": clean_text(brief.theme) or "free",
        "Mood": clean_text(brief.mood) or "free",
        "Language": LANGUAGES[brief.language],
        "Tempo": f"{brief.tempo_bpm:g} BPM" if brief.tempo_bpm else "",
        "Length": f"{brief.seconds:g} seconds, sung" if brief.seconds else "",
    }
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value)


def _asked(
    endpoint: Endpoint, task: str, on_text: OnText, should_stop: ShouldStop, *, echo_prompt: bool = True
) -> Written:
    messages: list[Message] = [{"role": "system", "content": _RULES}, {"role": "user", "content": task}]
    reply = chat(endpoint, messages, on_text=on_text, should_stop=should_stop)
    cleaned = clean_reply(reply.text, echoes=[_RULES, task] if echo_prompt else [_RULES])
    read = read_lyrics(_without_broken_line(cleaned, reply))
    if not read.lyrics.lines:
        raise EndpointReplyError(
            f"The model's answer has no line that can be sung{f' ({reply.stopped})' if reply.stopped else ''}.",
            remedy="Try again, or another model.",
        )
    return _written(read, reply)


def _without_broken_line(text: str, reply: Reply) -> str:
    """Without the last line where the answer was cut within it."""
    if not reply.stopped or reply.text.endswith("\n") or "\n" not in text:
        return text
    return text.rsplit("\n", 1)[0]


def _written(read: ReadLyrics, reply: Reply) -> Written:
    notes = (f"The answer is not whole: {reply.stopped}. What had arrived is kept.",) if reply.stopped else ()
    name = clean_text(reply.model)[:80] or "unnamed"
    return Written(read.lyrics, f"model {name}", notes, read.problems, bool(reply.stopped))


def _with_lyrics(written: Written, lyrics: Lyrics) -> Written:
    return Written(lyrics, written.source, written.notes, written.problems, written.is_partial)


def _plain(line: str) -> str:
    return re.sub(r"[\W_]+", "", line.casefold())
