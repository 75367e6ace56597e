"""Two partner dances the base model never hears, kept for judging how adapters learn: tango and polka."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import ROOM_KIT, STANDARD_KIT

# Each feel keeps bass and piano on the same accents, as a tango orchestra does; there are no drums.
TANGO = Style(
    name="tango",
    tempo_bpm=(110, 132),
    moods=("romantic", "melancholic", "tense", "dark", "mysterious", "energetic", "sad"),
    modes={"harmonic minor": 4, "minor": 1.5},
    progressions={
        "harmonic minor": (
            "i i V7 V7",
            "i V7 V7 i",
            "i iv V7 i",
            "iv i V7 i",
            "i i V7 V7 V7 V7 i i",
            "i iv,V7 i V7",
            "i iim7b5 V7 i",
            "i I7 iv iv V7 V7 i i",
            "iv #ivdim7 i V7",
        ),
        "minor": ("i bVII bVI V7", "i iv bVII bIII bVI iim7b5 V7 i", "i bVI iv V7"),
    },
    feels=(
        Feel(  # marcato: four short beats, the first and third leaned on
            bass=(
                "R-..r-..F-..r-..",
                "R-..r-..L-..r-..",
                "R-..F-..R-..A-..",
                "R-..r-..R-..r-..R-..r-..T-..r-AA",
            ),
            comp=(
                "X-..x-..X-..x-..",
                "X-..u-..X-..u-..",
                "X-..x-..X-..x-..X-..x-..X-xXx-..",
                "B-..X-..B-..X-..",
            ),
            arp=("4-3-2-1-2-......", "..2.3.4.....3.2.", "4---....3---....", "....4321....5432"),
            weight=1.2,
        ),
        Feel(  # 3-3-2
            bass=(
                "R--...F--...R-..",
                "R--...R--...A-..",
                "R-----O-----F---",
                "R--...F--...R-..R--...F--...R-AA",
            ),
            comp=(
                "X--...X--...X-..",
                "X-....X-....X-x.",
                "X-..x.X-..x.X-..",
                "X--...X--...X-..X-..x-..X-..x-..",
            ),
            arp=("4--..43--..32-..", "4-----3-----2---", "....234...345...", "2-3-4-3-4-5-4-3-"),
        ),
        Feel(  # síncopa, after an upbeat slur, and the old habanera
            bass=(
                "R-R---..F-..R-..",
                "R-R---F-R-..A-..",
                "R-----F-O-..F-..",
                "R-----R-F-..R-..",
            ),
            comp=(
                "x-X---x-X-..x-..",
                "x-X---x-x-X---x-",
                "B-X---x-X-..x-..",
                "x-X---x-X-..x-..X-..x-..X-..x-.x",
            ),
            arp=(
                "..4---3-..2-....",
                "........2-3-4-5-",
                "4-3-2---3-2-1---",
                "5.4.3.2.........4.3.2.1.........",
            ),
            weight=0.8,
        ),
    ),
    parts={
        "lead": ("bandoneon", "bandoneon", "bandoneon", "violin", "violin", "accordion"),
        "bass": ("double bass", "double bass", "contrabass"),
        "chords": ("piano", "piano", "piano", "bandoneon"),
        "pad": ("strings", "strings", "accordion"),
        "arp": ("violin", "violin", "bandoneon", "bandoneon", "cello", "pizzicato strings"),
    },
    form="song",
    lead=LeadManner(0.5, 0.3, 0.72, 1.9, 0.28, 0.12),
    chance={"pad": 0.35, "arp": 0.75},
    fills="",
    loose_s=0.009,
    mix_db={"lead": 2.5, "bass": 0.5, "chords": 2.0},
)

# Two bars of 2/4 in each bar of 4/4: the bass on every beat, chords and snare after each.
POLKA = Style(
    name="polka",
    tempo_bpm=(105, 140),
    moods=("happy", "playful", "uplifting", "energetic", "happy", "relaxed"),
    modes={"major": 1},
    progressions={
        "major": (
            "I I V7 V7",
            "I V7 V7 I",
            "I IV V7 I",
            "I I V7 V7 V7 V7 I I",
            "I I IV IV V7 V7 I I",
            "I,V7 I V7 I",
            "I II7 V7 I",
            "IV I V7 I",
            "I VI7 ii V7",
        ),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick  X---x---X---x---
                    snare --x---x---x---x-
                    hat+  x-x-x-x-x-x-x-x-
                """),
                groove("""
                    kick  X---x---X---x---
                    snare --x---x---x---xx
                    ride+ x-x-x-x-x-x-x-x-
                """),
                groove("""
                    kick  X---x---X---x---
                    snare --X-o-X-o-X-o-Xo
                    pedal --x---x---x---x-
                """),
                groove("""
                    kick      X---x---X---x---X---x---X---x---
                    snare     --x---xx--x---xx--x---x---xxx-xx
                    triangle+ x---x---x---x---x---x---x---x---
                """),
            ),
            bass=(
                "R-..F-..R-..F-..",
                "R-..L-..R-..L-..",
                "R-..F-..R-..L-..",
                "R-..F-..R-..F-..R-..F-..R-F-R-A-",
                "R-..T-..F-..T-..",
            ),
            comp=(
                "..X...x...X...x.",
                "..x...x...x...x.",
                "..x...xx..x...xx",
                "..X.x.X.x.X.x.X.",
            ),
            arp=(
                "4-..3-..2-..3-..",
                "2345432.2345432.",
                "..4.4.....3.3...",
                "....2345....5432",
                "4---3---2-3-4---",
            ),
        ),
    ),
    parts={
        "lead": ("accordion", "accordion", "clarinet", "clarinet", "trumpet"),
        "bass": ("tuba",),
        "chords": ("accordion", "brass", "accordion", "banjo"),
        "pad": ("french horn", "trombone"),
        "arp": ("clarinet", "trumpet", "flute", "accordion"),
    },
    form="song",
    kits=(STANDARD_KIT, ROOM_KIT),
    lead=LeadManner(0.72, 0.06, 0.62, 1.7, 0.18, 0.08),
    chance={"pad": 0.2, "arp": 0.75},
    fills="break",
    loose_s=0.007,
    mix_db={"drums": -7.5, "bass": 1.5, "chords": 4.0, "arp": -1.0},
)
