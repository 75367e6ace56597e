"""Loud guitars: rock and metal."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import POWER_KIT, ROOM_KIT, STANDARD_KIT

ROCK = Style(
    name="rock",
    tempo_bpm=(100, 156),
    moods=("energetic", "happy", "aggressive", "uplifting", "epic", "melancholic"),
    modes={"major": 3, "mixolydian": 2, "minor": 3, "dorian": 1},
    progressions={
        "major": ("I V vi IV", "I IV V IV", "I vi IV V", "I iii IV V", "IV I V vi"),
        "mixolydian": ("I bVII IV I", "I IV bVII IV", "I I bVII IV"),
        "minor": ("i bVI bIII bVII", "i bVII bVI bVII", "i iv bVII bIII", "i i bVI v"),
        "dorian": ("i IV i IV", "i bIII IV i", "i bVII IV i"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick  X-------X-x-----
                    snare ----X-------X---
                    hat   X-x-X-x-X-x-X-x-
                """),
                groove("""
                    kick  X-----x-X-----x-
                    snare ----X-------X---
                    ride  X-x-X-x-X-x-X-x-
                    open+ --------------x-
                """),
                groove("""
                    kick  X--x--X---X-----X--x--X---X---x-
                    snare ----X-------X-------X-------X--o
                    hat   x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-
                """),
                groove("""
                    kick        X-X-----X-X-----
                    snare       ----X-------X---
                    open        X---X---X---X---
                    tambourine+ --x---x---x---x-
                """),
            ),
            bass=(
                "R-R-R-R-R-R-R-R-",
                "R---R-R-R---R-A-",
                "R-----R-R-----F-",
                "R-R-R-R-O-R-S-A-",
                "R-------R-F-....",
            ),
            comp=(
                "p-p-p-p-p-p-p-p-",
                "p-----p-----p---",
                "p---mmp---mmp-p-",
                "x-------x-x-x---",
                "x---x-u-..u-x-u-",
                "p-..p-p-..p-p-..",
            ),
            arp=("0.1.2.3.2.1.2.1.", "..2-..2-..2-..2-", "3-2-1-2-3-2-1-2-"),
        ),
        Feel(
            metre="6/8",
            drums=(
                groove("""
                kick  X-----------
                snare ------X-----
                hat   x-x-x-x-x-x-
            """),
            ),
            bass=("R-----R---A-", "R---R-F---R-"),
            comp=("0-1-2-3-2-1-", "x-----x-----"),
            arp=("0-1-2-3-2-1-",),
            weight=0.12,
        ),
    ),
    parts={
        "lead": ("overdriven guitar", "distortion guitar", "clean guitar", "organ", "overdriven guitar"),
        "bass": ("picked bass", "electric bass"),
        "chords": ("distortion guitar", "overdriven guitar", "clean guitar", "acoustic guitar"),
        "pad": ("organ", "strings"),
        "arp": ("clean guitar", "muted guitar", "piano", "organ"),
    },
    form="song",
    kits=(STANDARD_KIT, POWER_KIT, ROOM_KIT),
    lead=LeadManner(0.5, 0.3, 0.95, 1.3, 0.12, 0.15),
    chance={"pad": 0.3, "arp": 0.45},
    loose_s=0.007,
    mix_db={"chords": 1.0},
)

METAL = Style(
    name="metal",
    tempo_bpm=(112, 196),
    moods=("aggressive", "dark", "epic", "energetic", "tense"),
    modes={"minor": 4, "phrygian": 3, "harmonic minor": 2},
    progressions={
        "minor": ("i5 bVI5 bVII5 i5", "i5 i5 bVI5 bVII5", "i5 bIII5 bVII5 bVI5", "i5 i5 iv5 bVI5"),
        "phrygian": ("i5 i5 bII5 i5", "i5 bII5 bIII5 bII5", "i5 i5 i5 bII5,bVII5"),
        "harmonic minor": ("i5 bVI5 iv5 V5", "i5 i5 bVI5 V5"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick  XxXxXxXxXxXxXxXx
                    snare ----X-------X---
                    ride  X---X---X---X---
                """),
                groove("""
                    kick  X-X-X-X-X-X-X-X-
                    snare --X---X---X---X-
                    hat   X-X-X-X-X-X-X-X-
                """),
                groove("""
                    kick   X--x--x-X--xx-x-
                    snare  ----X-------X---
                    open   X---X---X---X---
                    crash+ X---------------
                """),
                groove("""
                    kick  X-xxX-xxX-xxX-xx
                    snare ----X-------X---
                    hat   X---X---X---X---
                """),
                groove("""
                    kick  X-----x-x-------
                    snare --------X-------
                    crash X-------X-------
                """),
            ),
            bass=("RRRRRRRRRRRRRRRR", "R.RRR.RRR.RRR.RR", "R-------R-R-R---", "R--R--R-R--RR-R-"),
            comp=(
                "pmmmpmmmpmmmpmpm",
                "p.mmp.mmp.mmp.mm",
                "p--p--p-p--pp-p-",
                "mmmmmmmmp---p---",
                "p---------------",
                "pmmpmmpmmpmmp-p-",
            ),
            arp=("0123210123432123", "3-2-1-0-3-2-1-0-", "0.0.0.2.0.0.3.1."),
        ),
        Feel(
            metre="6/8",
            drums=(
                groove("""
                    kick  XxxxxxXxxxxx
                    snare ------X-----
                    ride  X---X---X---
                """),
                groove("""
                    kick  X-xxX-X-xxX-
                    snare ------X-----
                    crash X-----X-----
                """),
            ),
            bass=("R-RRR-R-RRR-", "R-----R-----"),
            comp=("p-mmm-p-mmm-", "pmmmmmpmmmmm"),
            arp=("012321012321",),
            weight=0.2,
        ),
    ),
    parts={
        "lead": ("distortion guitar", "overdriven guitar"),
        "bass": ("picked bass", "electric bass"),
        "chords": ("distortion guitar",),
        "pad": ("choir", "strings", "church organ"),
        "arp": ("distortion guitar", "clean guitar", "overdriven guitar"),
    },
    form="song",
    kits=(POWER_KIT, STANDARD_KIT),
    lead=LeadManner(0.75, 0.15, 0.95, 1.3, 0.05, 0.1),
    chance={"pad": 0.25, "arp": 0.4, "lead": 0.7},
    loose_s=0.004,
    mix_db={"chords": 2.0, "lead": -1.0},
)
