"""Dance floors: house, techno, drum and bass."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import ANALOG_KIT, ELECTRONIC_KIT, POWER_KIT, ROOM_KIT, STANDARD_KIT

HOUSE = Style(
    name="house",
    tempo_bpm=(116, 130),
    moods=("happy", "uplifting", "energetic", "groovy", "dark", "dreamy", "melancholic"),
    modes={"minor": 3, "dorian": 2, "major": 2, "mixolydian": 0.5},
    progressions={
        "minor": (
            "i7 iv7 bVII bIIImaj7",
            "i9 i9 bVImaj7 bVII",
            "i7 bVI iv7 v7",
            "i bVI bIII bVII",
            "i9 iv9 i9 v7",
        ),
        "dorian": ("i7 IV7 i7 IV7", "i9 bVII IV7 i9", "i7 bIII IV7 bVII"),
        "major": ("Imaj7 iii7 IVmaj7 V", "vi7 IVmaj7 I V", "ii9 V7 Imaj9 vi7", "Imaj7 ii7 vi7 IVmaj7"),
        "mixolydian": ("I bVII IV I", "I9 bVII I9 IV"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick    X---X---X---X---
                    clap    ----X-------X---
                    open    --x---x---x---x-
                    hat     o-o-o-o-o-o-o-o-
                    shaker+ xoxoxoxoxoxoxoxo
                """),
                groove("""
                    kick  X---X---X---X---
                    clap  ----X-------X--?
                    hat   xoxoxoxoxoxoxoxo
                    open+ --x---x---x---x-
                    rim+  ---x--x----x--x-
                """),
                groove("""
                    kick        X---X---X--xX---
                    snare       ----x-------x---
                    clap        ----x-------x---
                    open        --X---X---X---X-
                    tambourine+ --x-x-x---x-x-x-
                    conga2+     ---x--x----x----
                """),
            ),
            bass=(
                "..R-..R-..R-..R-",
                "R--R..R-..O-..R-",
                "..R-..RR..O-R-..R-..R-..F-..S-..",
                "R.R...R.R..R..O.",
                "R-----..R-..O-..",
            ),
            comp=(
                "x--x--x---x--x--",
                "..x-..x-..x-..x-",
                "X-..x-....x-.x..",
                "..X-..x..x..X-..",
                "x-----x---x-----",
            ),
            arp=("0.2.1.2.3.2.1.2.", "..3...4.2...3...", "0..1..2..3..2.1."),
            swing=(0.5, 0.58),
            swing_steps=1,
        ),
    ),
    parts={
        "lead": ("saw lead", "synth lead", "electric piano", "vibraphone", "organ", "flute", "brass"),
        "bass": ("synth bass", "synth bass", "electric bass"),
        "chords": ("piano", "electric piano", "organ", "synth strings", "synth pad", "synth brass"),
        "pad": ("warm pad", "sweep pad", "strings", "choir pad"),
        "arp": ("crystal bells", "square lead", "clean guitar", "electric piano"),
    },
    form="club",
    kits=(ELECTRONIC_KIT, ANALOG_KIT, ELECTRONIC_KIT, POWER_KIT),
    lead=LeadManner(0.5, 0.45, 0.7, 1.5, 0.0, 0.25),
    chance={"pad": 0.7, "arp": 0.6, "lead": 0.75},
    fills="club",
    loose_s=0.003,
    mix_db={"lead": -2.0},
)

TECHNO = Style(
    name="techno",
    tempo_bpm=(124, 142),
    moods=("dark", "energetic", "aggressive", "mysterious", "tense"),
    modes={"minor": 3, "phrygian": 3, "dorian": 1},
    progressions={
        "minor": ("i i i i", "i i bVI bVI", "i i i bVII", "i i iv i"),
        "phrygian": ("i i bII i", "i i i bII", "i5 i5 i5 bII5"),
        "dorian": ("i7 i7 i7 IV7", "i i IV i"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick  X---X---X---X---
                    hat   --x---x---x---x-
                    open+ --X---X---X---X-
                    clap+ ----x-------x---
                    rim   ---x-----x-x----
                """),
                groove("""
                    kick  X---X---X---X-x-
                    hat   xxxxxxxxxxxxxxxx
                    ride+ --x---x---x---x-
                    tom3  ------x--x------
                """),
                groove("""
                    kick   X---X---X---X---
                    open   --X---X---X---X-
                    block1 x--x--x---x--x--
                    clap+  ----X-------X---
                    snare+ --------------?-
                """),
            ),
            bass=(
                ".RRR.RRR.RRR.RRR",
                "..R...R...R...R.",
                ".rRr.rRr.rRr.rRO",
                "R..R..R..R..R.R.",
                "R.RR.RO.R.RR.RS.",
            ),
            comp=(
                "x..x..x....x..x.",
                "......x.........",
                "..x.....x..x....",
                "x...............",
            ),
            arp=(
                "0000202010001030",
                "0102010301020104",
                "0.0.1.0.0.2.0.1.",
                "001200310012004.",
                "0..0..3..0..2..1",
            ),
            swing=(0.5, 0.54),
            swing_steps=1,
        ),
    ),
    parts={
        "lead": ("saw lead", "synth lead", "square lead", "sweep pad"),
        "bass": ("synth bass",),
        "chords": ("synth brass", "organ", "synth strings", "synth pad"),
        "pad": ("sweep pad", "bowed pad", "choir pad", "warm pad"),
        "arp": ("square lead", "saw lead", "synth lead", "crystal bells"),
    },
    form="club",
    kits=(ANALOG_KIT, ELECTRONIC_KIT),
    lead=LeadManner(0.35, 0.5, 0.6, 1.0, 0.0, 0.5),
    chance={"lead": 0.3, "pad": 0.5, "chords": 0.75},
    fills="club",
    loose_s=0.001,
    mix_db={"lead": -3.0, "drums": 2.0},
)

_AMEN = """
    kick  X-X-------XX----X-X-------X-----
    snare ----X--o-o--X--o----X--o-o----Xo
    hat   x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-
    ride+ --x---x---x---x---x---x---x---x-
"""

_TWO_STEP = """
    kick    X---------X-----X---------X--x--
    snare   ----X-------X-------X-------X--o
    hat     xoxoxoxoxoxoxoxoxoxoxoxoxoxoxoxo
    shaker+ x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-
"""

_ROLLER = """
    kick  X------x--X-----
    snare ----X--o-o--X---
    hat   x-xxx-x-x-xxx-xx
    ride+ x---x---x---x---
"""

DRUM_AND_BASS = Style(
    name="drum and bass",
    tempo_bpm=(164, 178),
    moods=("energetic", "dark", "aggressive", "dreamy", "uplifting", "tense"),
    modes={"minor": 4, "dorian": 2, "phrygian": 1, "major": 1},
    progressions={
        "minor": ("i9 i9 bVImaj7 bVImaj7", "i i bVII bVII", "i7 bVI bIII bVII", "i9 iv9 bVI v7"),
        "dorian": ("i9 i9 IV9 IV9", "i7 bVII IV IV"),
        "phrygian": ("i i bII bII", "i i i bII"),
        "major": ("Imaj9 Imaj9 vi9 vi9", "IVmaj7 IVmaj7 Imaj7 V"),
    },
    feels=(
        Feel(
            drums=(groove(_AMEN), groove(_TWO_STEP), groove(_ROLLER)),
            bass=(
                "R-------....R-R-------..S-----A-",
                "R--R--R---......R--R--O---......",
                "R-----------------------F---S---",
                "R..R..R.R..R..R.R..R..R.O..S..R.",
            ),
            comp=(
                "x-------x-----..................",
                "x------------------------------.",
                "..x-....x-....x-..x-....x-......",
            ),
            arp=("0.1.2.3.4.3.2.1.", "0..2..4..2..1..3", "4-......3-..2-.."),
        ),
    ),
    parts={
        "lead": ("saw lead", "synth lead", "electric piano", "flute", "choir"),
        "bass": ("synth bass", "synth bass", "fretless bass"),
        "chords": ("electric piano", "synth strings", "piano", "synth pad"),
        "pad": ("warm pad", "sweep pad", "strings", "atmosphere pad", "choir pad"),
        "arp": ("crystal bells", "vibraphone", "square lead", "piano"),
    },
    form="club",
    kits=(ELECTRONIC_KIT, POWER_KIT, STANDARD_KIT, ROOM_KIT),
    lead=LeadManner(0.3, 0.4, 0.95, 1.6, 0.0, 0.35),
    chance={"pad": 0.85, "lead": 0.6, "arp": 0.5},
    fills="break",
    loose_s=0.003,
    mix_db={"bass": 2.0, "drums": 1.0, "lead": -2.0},
)
