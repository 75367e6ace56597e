"""Jazz and its Brazilian cousin, bossa nova."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import BRUSH_KIT, JAZZ_KIT, STANDARD_KIT

JAZZ = Style(
    name="jazz",
    tempo_bpm=(84, 184),
    moods=("relaxed", "happy", "romantic", "playful", "energetic", "melancholic", "calm"),
    modes={"major": 4, "minor": 1.5, "dorian": 1.5},
    progressions={
        "major": (
            "ii7 V7 Imaj7 vi7",
            "Imaj7,vi7 ii7,V7 iii7,VI7 ii7,V7",
            "Imaj7 VI7 ii7 V7b9",
            "iii7 VI7 ii9 V13",
            "Imaj9 IVmaj7 iii7,VI7 ii7,V7",
            "Imaj7 Imaj7 ii7 V7 iii7 VI7 ii7 V7",
        ),
        "minor": ("iim7b5 V7b9 i6 i6", "i7 iv7 iim7b5 V7b9", "i6 bVImaj7 iim7b5 V7b9"),
        "dorian": ("i9 i9 i9 i9", "i7 IV9 i7 IV9", "i9 i9 ii7 i9"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    ride  X---X-xoX---X-xo
                    pedal ----x-------x---
                    snare ------?-------?-
                    kick  o-------o-------
                """),
                groove("""
                    ride  X---X-x-X---X-x-
                    pedal ----x-------x---
                    snare --?---o-----?---
                    kick  o---o---o---o---
                """),
                groove("""
                    hat   x---X-x-x---X-x-
                    snare ----o-------o-o-
                    kick  o-------o-----?-
                """),
            ),
            bass=(
                "W---W---W---A---",
                "W---W---W---W---W---W---W---A---",
                "R---W---F---A---",
                "R-------F-----A-",
            ),
            comp=(
                "x-....x-........",
                "......x-......x-",
                "..x-......x-....",
                "x-----..........",
                "x-....x-..x-....",
                "..............x-......x-........",
            ),
            arp=("......u-....u-..", "4-3-2-1-..2-3-..", "..3-4-..2-..1---"),
            swing=(0.6, 0.68),
        ),
        Feel(
            metre="3/4",
            drums=(
                groove("""
                ride  X---X-x-X---
                pedal ----x---x---
                snare ------?-----
                kick  o-----------
            """),
            ),
            bass=("W---W---A---", "R-------F---", "R-----------"),
            comp=("..x-....x-..", "....x---x---", "x-..........", "......x-...."),
            arp=("0-1-2-3-2-1-",),
            swing=(0.6, 0.67),
            weight=0.25,
        ),
    ),
    parts={
        "lead": (
            "alto saxophone",
            "tenor saxophone",
            "trumpet",
            "clarinet",
            "vibraphone",
            "piano",
            "jazz guitar",
            "muted trumpet",
            "trombone",
            "flute",
        ),
        "bass": ("double bass",),
        "chords": ("piano", "piano", "jazz guitar", "electric piano", "organ"),
        "pad": ("brass",),
        "arp": ("piano", "vibraphone", "jazz guitar", "clarinet"),
    },
    form="jazz",
    kits=(JAZZ_KIT, BRUSH_KIT, JAZZ_KIT),
    lead=LeadManner(0.65, 0.35, 0.85, 1.5, 0.12, 0.25),
    chance={"pad": 0.12, "arp": 0.4},
    fills="jazz",
    loose_s=0.012,
    mix_db={"drums": -5.0, "bass": 1.0},
)

_BOSSA = """
    kick X--xX--xX--xX--x
    rim  x--x---x--x--x--
    hat  x-x-x-x-x-x-x-x-
"""

BOSSA_NOVA = Style(
    name="bossa nova",
    tempo_bpm=(104, 148),
    moods=("relaxed", "romantic", "calm", "happy", "melancholic", "dreamy"),
    modes={"major": 4, "minor": 2, "dorian": 1},
    progressions={
        "major": (
            "Imaj7 II7 ii7 V7",
            "Imaj9 vi9 ii9 V13",
            "Imaj7 ii7 iii7 ii7,V7",
            "ii7 V7 Imaj7 IVmaj7",
            "Imaj7 Imaj7 II7 II7 ii7 V7 Imaj7 V7",
            "iii7 VI7b9 ii9 V13",
        ),
        "minor": ("i9 iv9 iim7b5 V7b9", "i7 iv7 bVII7 bIIImaj7", "i6 i6 iim7b5 V7b9"),
        "dorian": ("i9 IV9 i9 IV9",),
    },
    feels=(
        Feel(
            drums=(
                groove(_BOSSA),
                groove("""
                    kick   X--xX--xX--xX--x
                    rim    --x--x--x---x---
                    shaker xoxoxoxoxoxoxoxo
                """),
                groove("""
                    kick      X--xX--xX--x----
                    clave     x--x--x---x--x--
                    hat       xoxoxoxoxoxoxoxo
                    triangle+ --x---x---x---x-
                """),
            ),
            bass=("R-----F-F-----R-", "R--RF--FF--FR--R", "R-----F-L-----F-", "R---..F-F---..A-"),
            comp=(
                "x--x--x---x--x--",
                "x-..x-.x..x-..x-",
                "B--x--x-B--x--x-",
                "..x-..x-.x-..x-.",
                "B.x-..x-B..x-.x-..x-..x-B.x-..x-",
            ),
            arp=("......4-3-..2---", "..0-1-2-3-......", "4-......3-2-...."),
            swing=(0.5, 0.53),
            swing_steps=1,
        ),
    ),
    parts={
        "lead": (
            "flute",
            "nylon guitar",
            "tenor saxophone",
            "piano",
            "vibraphone",
            "clarinet",
            "muted trumpet",
            "jazz guitar",
        ),
        "bass": ("double bass", "fretless bass", "double bass"),
        "chords": ("nylon guitar", "nylon guitar", "electric piano", "piano"),
        "pad": ("strings", "warm pad"),
        "arp": ("vibraphone", "flute", "electric piano", "piano"),
    },
    form="jazz",
    kits=(JAZZ_KIT, BRUSH_KIT, STANDARD_KIT),
    lead=LeadManner(0.45, 0.5, 0.9, 1.5, 0.06, 0.25),
    chance={"pad": 0.35, "arp": 0.4},
    fills="jazz",
    loose_s=0.009,
    mix_db={"drums": -6.0, "chords": 1.5},
)
