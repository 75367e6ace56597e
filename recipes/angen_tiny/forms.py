"""How music is laid out in time: which parts play in which section, and the drum fills between them."""

from __future__ import annotations

from dataclasses import dataclass

from recipes.angen_tiny.idiom import Groove, groove


@dataclass(frozen=True)
class SectionPlan:
    """A section: its name, length, the parts that play, and how full it is (0..1)."""

    name: str
    bars: int
    parts: frozenset[str]
    intensity: float


def _form(text: str) -> tuple[SectionPlan, ...]:
    """Read lines of `name bars intensity part part ...`."""
    plans = []
    for line in text.strip().splitlines():
        name, bars, intensity, *parts = line.split()
        plans.append(SectionPlan(name, int(bars), frozenset(parts), float(intensity)))
    return tuple(plans)


# What any style may follow instead of its own form, so that "verse, chorus" means something in all of them.
SONG_OF_ANY_STYLE = _form("""
    intro 4 0.45 drums chords pad
    verse 8 0.5 drums bass chords
    chorus 8 1.0 drums bass chords lead pad arp
    verse 8 0.55 bass chords arp
    chorus 8 1.0 drums bass chords lead pad arp
    break 4 0.3 chords pad
    chorus 8 1.0 drums bass chords lead pad arp
""")

FORMS: dict[str, tuple[SectionPlan, ...]] = {
    "club": _form("""
        intro 4 0.5 drums bass arp
        build 4 0.6 drums bass chords arp
        drop 8 1.0 drums bass chords arp lead pad
        break 4 0.35 chords pad lead
        build 4 0.7 drums chords pad arp
        drop 8 1.0 drums bass chords lead arp pad
        outro 4 0.5 drums bass
    """),
    "beat": _form("""
        intro 4 0.4 chords pad lead
        verse 8 0.6 drums bass chords
        hook 8 1.0 drums bass chords lead pad arp
        verse 8 0.6 drums bass arp
        hook 8 1.0 drums bass chords lead pad
        outro 4 0.5 drums chords lead
    """),
    "song": _form("""
        intro 4 0.6 drums bass chords
        verse 8 0.5 drums bass chords
        chorus 8 1.0 drums bass chords lead pad arp
        verse 8 0.6 bass chords lead
        chorus 8 1.0 drums bass chords lead pad arp
        bridge 4 0.45 bass chords pad lead
        solo 8 0.95 drums bass chords lead
        outro 4 0.8 drums bass chords pad
    """),
    "jazz": _form("""
        head 8 0.7 drums bass chords lead pad
        solo 8 0.9 drums bass chords lead
        solo 8 0.8 drums bass chords arp
        head 8 0.8 drums bass chords lead pad
    """),
    "theme": _form("""
        theme 4 0.6 bass chords lead
        theme 4 0.75 bass chords lead pad
        episode 8 0.6 chords arp lead
        development 8 0.95 drums bass chords lead pad arp
        theme 8 0.85 bass chords lead pad arp
        coda 4 0.5 chords lead pad
    """),
    "drift": _form("""
        drift 4 0.4 pad arp
        drift 8 0.5 pad arp lead chords
        drift 8 0.6 pad bass arp lead chords
        drift 8 0.45 pad bass lead
    """),
    "score": _form("""
        opening 4 0.35 pad chords
        theme 8 0.6 pad chords lead bass arp
        rise 4 0.8 pad chords arp bass drums
        climax 8 1.0 pad chords lead bass drums arp
        aftermath 4 0.35 pad lead
    """),
    "game": _form("""
        loop 8 0.8 drums bass chords lead arp
        loop 8 0.9 drums bass lead arp
        bridge 4 0.6 bass chords arp
        loop 8 1.0 drums bass chords lead arp
    """),
    "carnival": _form("""
        intro 4 0.6 drums chords
        verse 8 0.75 drums bass chords lead
        chorus 8 1.0 drums bass chords lead arp pad
        verse 8 0.8 drums bass chords lead
        solo 8 0.9 drums bass chords arp
        chorus 8 1.0 drums bass chords lead arp pad
    """),
}

# What the sections of the forms are called where a form is asked for (`angen.model.form.SECTIONS`).
SECTION_TAGS = {
    "intro": "intro", "opening": "intro", "verse": "verse", "head": "verse", "theme": "verse", "loop": "verse",
    "chorus": "chorus", "hook": "chorus", "drop": "chorus", "climax": "chorus", "development": "chorus",
    "bridge": "bridge", "build": "bridge", "rise": "bridge", "episode": "bridge", "break": "break", "solo": "solo",
    "aftermath": "break", "drift": "inst", "outro": "outro", "coda": "outro", "ending": "outro",
}  # fmt: skip

# Fills replace the end of a section's last bar; each is as long as its rows.
FILLS: dict[str, tuple[Groove, ...]] = {
    "rock": (
        groove("""
            snare x-xx
            kick  x---
        """),
        groove("""
            snare XxxX----
            tom1  ----XX--
            tom3  ------XX
            kick  x---x---
        """),
        groove("""
            tom1  X-x-----
            tom2  ----X-x-
            snare --------
            kick  x---x-x-
        """),
        groove("""
            snare Xxxxxxxx
            kick  x---x---
            crash -------x
        """),
    ),
    "club": (
        groove("""
            clap x-x-x-xx
            kick x---x---
        """),
        groove("""
            snare x-x-x-x-xxxxXXXX
        """),
        groove("""
            kick x---x--x
            open ------X-
        """),
        groove("""
            tom1 x--x--x-
            clap ----x-xx
        """),
    ),
    "jazz": (
        groove("""
            snare o-xo-xX-
            ride  x-------
        """),
        groove("""
            snare xo-xo-x-
            tom3  ------x-
            kick  ---x---X
        """),
        groove("""
            snare --x-
            kick  x--x
        """),
    ),
    "latin": (
        groove("""
            timbale1 xxXx----
            timbale2 ----xxX-
            kick     x-------
        """),
        groove("""
            conga2 x-xxx---
            conga0 -----xxX
        """),
        groove("""
            rim  x--x--x-
            tom2 ----x-xx
        """),
    ),
    "break": (
        groove("""
            snare x-oxo-xxX-xx
            kick  x-x--x------
        """),
        groove("""
            snare XoxoxoXX
            kick  x---x-x-
        """),
    ),
    "score": (
        groove("""
            tom3  X-x-XxXx
            crash -------o
        """),
        groove("""
            tom3 x-x-x-x-X-X-XXXX
        """),
    ),
}
