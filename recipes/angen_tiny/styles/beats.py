"""Beats to rap over or to study by: hip-hop and lo-fi."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import ANALOG_KIT, ELECTRONIC_KIT, POWER_KIT, ROOM_KIT, STANDARD_KIT

HIP_HOP = Style(
    name="hip-hop",
    tempo_bpm=(78, 100),
    moods=("dark", "groovy", "aggressive", "relaxed", "melancholic", "mysterious"),
    modes={"minor": 5, "dorian": 2, "phrygian": 1, "harmonic minor": 1, "major": 0.7},
    progressions={
        "minor": ("i bVI i v7", "i7 iv7 i7 bVII", "i i bVI bVII", "i9 bVImaj7 iv9 v7", "i i iv v"),
        "dorian": ("i7 IV7 i7 IV7", "i9 i9 bVII IV"),
        "phrygian": ("i bII i bII", "i i bII bVII"),
        "harmonic minor": ("i iv V7 i", "i bVI V7 i"),
        "major": ("Imaj7 vi7 ii7 V7", "I IV vi V"),
    },
    feels=(
        Feel(  # boom bap
            drums=(
                groove("""
                    kick  X------x--X-----X--x------X----?
                    snare ----X-------X-------X-------X---
                    hat   x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-xo
                    open+ --------------x-----------------
                """),
                groove("""
                    kick    X-x-------X--x--
                    snare   ----X-------X--o
                    hat     x-xox-x-x-xox-x-
                    shaker+ o-o-x-o-o-o-x-o-
                """),
                groove("""
                    kick        X--x----x-X-----
                    snare       ----X--o----X---
                    hat         xoxoxoxoxoxoxoxo
                    tambourine+ ----x-------x---
                """),
            ),
            bass=("R--......-R---..", "R-----R---S-R---", "R------.R.R...A-", "R---...F..R--.S."),
            comp=("x---------------", "x-----x-........", "x.......x.x.....", "..x-..x-..x-..x-"),
            arp=("0.1.2.1.3.2.1.2.", "4-..3-..2-......", "0...2...1.2....."),
            swing=(0.54, 0.64),
            swing_steps=1,
        ),
        Feel(  # trap: half time, rolling hats
            drums=(
                groove("""
                    kick  X-----x---x-----X--x----------x-
                    clap  --------X---------------X-------
                    hat   x-x-x-x-x-xxx-x-x-x-xxxxx-x-xxxx
                    open+ ----------------------------x---
                """),
                groove("""
                    kick  X------X--x-----
                    snare --------X-------
                    hat   x-xxx-x-xxxxx-x-
                    rim+  ---x------x-----
                """),
            ),
            bass=("R-----R---R-----R--R----------S-", "R------R--O-----", "R-------------..R-----F---S-----"),
            comp=("x---------------", "x-------x-------", "0.1.2.1.0.1.2.1."),
            arp=("0-..2-..1-..4-..", "4.3.2.1.4.3.2.1.", "0.0.2.0.1.0.2.3."),
            weight=0.8,
        ),
    ),
    parts={
        "lead": ("flute", "synth lead", "music box", "choir", "vibraphone", "muted trumpet", "piano"),
        "bass": ("synth bass", "electric bass", "double bass"),
        "chords": ("piano", "electric piano", "strings", "nylon guitar", "harpsichord", "organ"),
        "pad": ("strings", "choir", "warm pad", "tremolo strings"),
        "arp": ("celesta", "pizzicato strings", "harp", "crystal bells", "clean guitar"),
    },
    form="beat",
    kits=(ANALOG_KIT, ELECTRONIC_KIT, POWER_KIT),
    lead=LeadManner(0.4, 0.4, 0.8, 1.3, 0.03, 0.3),
    chance={"pad": 0.45, "arp": 0.5, "lead": 0.7},
    fills="break",
    loose_s=0.008,
    mix_db={"bass": 2.0, "lead": -2.0},
)

LO_FI = Style(
    name="lo-fi",
    tempo_bpm=(66, 88),
    moods=("relaxed", "calm", "dreamy", "melancholic", "sad", "romantic"),
    modes={"major": 3, "dorian": 2, "minor": 2},
    progressions={
        "major": (
            "ii9 V13 Imaj9 vi9",
            "Imaj9 vi9 ii9 V13",
            "IVmaj9 iii7 ii9 Imaj9",
            "Imaj7 iii7 IVmaj7 iv7",
            "IVmaj7 V7 iii7 vi7",
        ),
        "dorian": ("i9 IV9 i9 IV9", "i9 ii7 bIIImaj7 IV9"),
        "minor": ("i9 iv9 bVII9 bIIImaj9", "bVImaj7 v7 i9 i9", "iv9 i9 bVImaj7 v7"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick    x------x--x-----
                    rim     ----x-------x---
                    hat     o-o-o-o-o-o-o-o-
                    shaker+ o-x-o-x-o-x-o-x-
                """),
                groove("""
                    kick  x--x------x-----x-----x---x-----
                    snare ----x-------x-------x-------x--?
                    hat   x-o-x-o-x-o-x-o-x-o-x-o-x-oox-o-
                """),
                groove("""
                    kick  x-------x-x-----
                    snare ----x-------x---
                    ride  o-o-x-o-o-o-x-o-
                    rim+  ------o--o------
                """),
            ),
            bass=("R-----..R-..F-..", "R------.R-..S-A-", "R---....F---R-..", "R-------..R-L---"),
            comp=(
                "x-------..x-----",
                "x---------------",
                "x-----x-....x-..",
                "..x---..x---..x-",
                "B...x---..x-x---",
            ),
            arp=("0-..2-..4-..2-..", "4-......2-..3-..", "..2...3...4..3.."),
            swing=(0.56, 0.66),
            swing_steps=1,
        ),
        Feel(
            metre="3/4",
            drums=(
                groove("""
                kick x-----------
                rim  ----x---x---
                hat  x-o-x-o-x-o-
            """),
            ),
            bass=(
                "R-------F---",
                "R-------....",
            ),
            comp=("x---x---x---", "B...x---x---"),
            arp=("0.1.2.3.2.1.",),
            swing=(0.56, 0.64),
            swing_steps=1,
            weight=0.15,
        ),
    ),
    parts={
        "lead": (
            "piano",
            "jazz guitar",
            "vibraphone",
            "flute",
            "muted trumpet",
            "music box",
            "tenor saxophone",
            "kalimba",
        ),
        "bass": ("electric bass", "double bass", "fretless bass"),
        "chords": ("electric piano", "electric piano", "piano", "jazz guitar", "nylon guitar"),
        "pad": ("warm pad", "strings", "atmosphere pad"),
        "arp": ("vibraphone", "celesta", "nylon guitar", "kalimba"),
    },
    form="beat",
    kits=(ROOM_KIT, STANDARD_KIT, ANALOG_KIT),
    lead=LeadManner(0.4, 0.3, 0.9, 1.4, 0.08, 0.35),
    chance={"pad": 0.5, "arp": 0.4, "lead": 0.8},
    fills="jazz",
    loose_s=0.012,
    spread=True,
    mix_db={"drums": -4.0, "lead": -2.0},
)
