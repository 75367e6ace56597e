"""Lyrics: read, write, structure and time them.

text ── read_lyrics ──▶ Lyrics ── write_lyrics ──▶ canonical text, as the model takes it
                          │
                          ├── singing_time ──▶ seconds and bars a section, warnings
                          └── timed, write_lrc ──▶ LRC

Brief ── write_draft, continue_draft, rewrite_draft, structure_draft ──▶ Written   (own words, by seed)
      └─ write_with_model, ... (an Endpoint) ──▶ Written                            (a language model)
"""

from __future__ import annotations

from angen.lyrics.brief import Brief, Written
from angen.lyrics.draft import continue_draft, rewrite_draft, structure_draft, write_draft
from angen.lyrics.endpoint import Endpoint, EndpointError
from angen.lyrics.forms import FORMS, Form, form_named
from angen.lyrics.lrc import TimedLine, read_lrc, timed, write_lrc
from angen.lyrics.modelled import (
    continue_with_model,
    rewrite_with_model,
    structure_with_model,
    write_with_model,
)
from angen.lyrics.reading import read_lyrics, write_lyrics
from angen.lyrics.record import Lyrics, Problem, ReadLyrics, Section
from angen.lyrics.structure import structured
from angen.lyrics.syllables import LANGUAGES, SyllableCount, count_syllables, guess_language
from angen.lyrics.tags import SUNG_TAGS, TAGS
from angen.lyrics.timing import SectionTime, SingingTime, singing_time

__all__ = [
    "FORMS",
    "LANGUAGES",
    "SUNG_TAGS",
    "TAGS",
    "Brief",
    "Endpoint",
    "EndpointError",
    "Form",
    "Lyrics",
    "Problem",
    "ReadLyrics",
    "Section",
    "SectionTime",
    "SingingTime",
    "SyllableCount",
    "TimedLine",
    "Written",
    "continue_draft",
    "continue_with_model",
    "count_syllables",
    "form_named",
    "guess_language",
    "read_lrc",
    "read_lyrics",
    "rewrite_draft",
    "rewrite_with_model",
    "singing_time",
    "structure_draft",
    "structure_with_model",
    "structured",
    "timed",
    "write_draft",
    "write_lrc",
    "write_lyrics",
    "write_with_model",
]
