"""Synthesisers alone: ambient, synthwave, chiptune."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import ANALOG_KIT, ELECTRONIC_KIT, POWER_KIT

AMBIENT = Style(
    name="ambient",
    tempo_bpm=(54, 84),
    moods=("calm", "dreamy", "mysterious", "dark", "sad", "melancholic", "romantic"),
    modes={"major": 2, "lydian": 2, "minor": 2, "dorian": 1, "phrygian": 0.4},
    progressions={
        "major": (
            "Imaj9 Imaj9 IVmaj9 IVmaj9",
            "Iadd9 vi7 IVmaj7 IVmaj7",
            "Isus2 Isus2 Vsus4 Vsus4",
            "IVmaj9 I vi7 I",
        ),
        "lydian": ("Imaj9 Imaj9 II II", "Imaj7 II Imaj7 vii7"),
        "minor": ("iadd9 bVImaj7 iadd9 bVImaj7", "i9 i9 bVImaj9 bVImaj9", "i bIII bVII iv"),
        "dorian": ("i9 i9 IV9 IV9", "i9 bVII i9 bVII"),
        "phrygian": ("i i bIImaj7 bIImaj7",),
    },
    feels=(
        Feel(
            bass=("R---------------", "R---------------F---------------"),
            comp=(
                "x---------------",
                "x-------u-------",
                "0---1---2---3---",
                "x---------------................",
            ),
            arp=(
                "0-......2-......4-......3-......",
                "0.2.4.3.1.2.4.5.",
                "....4-......2-........3-........",
                "0---2---3---4---2---1---3---2---",
            ),
        ),
        Feel(
            metre="3/4",
            bass=("R-----------",),
            comp=("x-----------", "0---2---4---"),
            arp=("0-..2-..4-..3-..2-..1-..", "0.1.2.3.4.3."),
            weight=0.3,
        ),
    ),
    parts={
        "lead": (
            "crystal bells",
            "piano",
            "flute",
            "celesta",
            "tubular bells",
            "choir",
            "kalimba",
            "cello",
            "pan flute",
        ),
        "bass": ("warm pad", "cello", "contrabass", "synth bass"),
        "chords": ("electric piano", "harp", "piano", "synth strings", "bowed pad"),
        "pad": (
            "new age pad",
            "choir pad",
            "atmosphere pad",
            "warm pad",
            "bowed pad",
            "sweep pad",
            "strings",
        ),
        "arp": ("crystal bells", "harp", "music box", "celesta", "kalimba", "vibraphone"),
    },
    form="drift",
    lead=LeadManner(0.1, 0.1, 1.2, 1.8, 0.0, 0.45),
    chance={"chords": 0.5, "arp": 0.7, "lead": 0.75, "bass": 0.7},
    fills="",
    loose_s=0.018,
    spread=True,
    mix_db={"pad": 4.0, "arp": -2.0, "bass": -4.0},
)

SYNTHWAVE = Style(
    name="synthwave",
    tempo_bpm=(82, 118),
    moods=("dreamy", "energetic", "dark", "melancholic", "epic", "uplifting", "romantic"),
    modes={"minor": 5, "dorian": 1, "major": 1.5},
    progressions={
        "minor": ("i bVI bIII bVII", "i bVII bVI bVII", "bVI bVII i i", "i iv bVI v", "i bIII bVII iv"),
        "dorian": ("i IV bVII i", "i bIII bVII IV"),
        "major": ("I V vi IV", "vi IV I V", "I iii IV V"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick   X---X---X---X---
                    snare  ----X-------X---
                    hat    x-x-x-x-x-x-x-x-
                    crash+ ----------------
                """),
                groove("""
                    kick  X-------X-------
                    snare ----X-------X---
                    hat   xoxoxoxoxoxoxoxo
                    tom1+ -------------x--
                    tom3+ --------------x-
                """),
                groove("""
                    kick  X-----x-X---x---
                    snare ----X-------X---
                    clap  ----x-------x---
                    open  --x---x---x---x-
                """),
            ),
            bass=(
                "R.R.R.R.R.R.R.R.",
                "RRRRRRRRRRRRRRRR",
                "R.O.R.O.R.O.R.O.",
                "..RR..RR..RR..RR",
                "R.RRR.RRR.RRR.OO",
            ),
            comp=("x---------------", "x-----x---------", "x---..x-....x-..", "x..x..x---------"),
            arp=("0123432101234321", "0.1.2.3.4.3.2.1.", "0213021402130215", "4-..3-..2-..3-.."),
        ),
    ),
    parts={
        "lead": (
            "saw lead",
            "synth lead",
            "square lead",
            "synth brass",
            "tenor saxophone",
            "overdriven guitar",
        ),
        "bass": ("synth bass",),
        "chords": ("synth strings", "synth brass", "synth pad", "electric piano"),
        "pad": ("warm pad", "synth pad", "synth strings", "sweep pad"),
        "arp": ("square lead", "saw lead", "crystal bells", "synth lead"),
    },
    form="song",
    kits=(ELECTRONIC_KIT, POWER_KIT, ELECTRONIC_KIT),
    lead=LeadManner(0.4, 0.3, 0.95, 1.5, 0.03, 0.2),
    chance={"arp": 0.8, "pad": 0.8},
    fills="rock",
    loose_s=0.002,
)

CHIPTUNE = Style(
    name="chiptune",
    tempo_bpm=(120, 176),
    moods=("happy", "energetic", "playful", "aggressive", "epic", "mysterious", "sad"),
    modes={"major": 3, "minor": 3, "harmonic minor": 0.8, "mixolydian": 1},
    progressions={
        "major": ("I V vi IV", "I IV V I", "I bVII IV I", "IV V iii vi", "I I bVI bVII"),
        "minor": ("i bVII bVI bVII", "i bVI bVII i", "i iv bVII bIII", "bVI bVII i i"),
        "harmonic minor": ("i iv V V", "i bVI iv V7"),
        "mixolydian": ("I bVII IV I", "I I bVII bVII"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick  x-------x-------
                    snare ----x-------x---
                    hat   x-x-x-x-x-x-x-x-
                """),
                groove("""
                    kick  x--x----x--x----
                    snare ----x-------x-x-
                    hat   xxxxxxxxxxxxxxxx
                """),
                groove("""
                    kick  x---x---x---x---
                    hat   --x---x---x---x-
                    snare ----x-------x---
                """),
            ),
            bass=(
                "R.O.R.O.R.O.R.O.",
                "R.RRR.RRR.RRR.RR",
                "R...F...R...F...",
                "R.R.O.R.F.F.O.F.",
                "R-..R-O.R-..S.A.",
            ),
            comp=("0.1.2.1.0.1.2.1.", "x..x..x.x..x..x.", "..x...x...x...x.", "0120120120120120"),
            arp=("0120120120120120", "0123210301232103", "0101010102020202", "2101210121012101"),
        ),
        Feel(
            metre="3/4",
            drums=(
                groove("""
                kick  x-----------
                hat   x---x---x---
                snare ----o---x---
            """),
            ),
            bass=("R...F...F...", "R.O.R.O.R.O."),
            comp=("0...2...2...",),
            arp=("012012012012", "0.1.2.3.2.1."),
            weight=0.15,
        ),
    ),
    parts={
        "lead": ("square lead",),
        "bass": ("chip bass",),
        "chords": ("square lead",),
        "pad": ("square lead",),
        "arp": ("square lead",),
    },
    form="game",
    kits=(ELECTRONIC_KIT, ANALOG_KIT),
    lead=LeadManner(0.7, 0.3, 0.75, 1.7, 0.06, 0.1),
    chance={"pad": 0.0, "chords": 0.5},
    fills="rock",
    loose_s=0.0,
)
