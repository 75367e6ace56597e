"""Bands that groove: blues, funk, reggae."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import ROOM_KIT, STANDARD_KIT

_TWELVE = "I7 IV7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7"

_TWELVE_MINOR = "i7 i7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7"

BLUES = Style(
    name="blues",
    tempo_bpm=(64, 132),
    moods=("sad", "groovy", "melancholic", "relaxed", "energetic", "romantic"),
    modes={"blues": 4, "minor blues": 1.5},
    progressions={
        "blues": (
            _TWELVE,
            "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7",
            "I7 V7 IV7 IV7 I7 V7 I7 V7",
            "I9 IV9 I9 I9 IV9 IV9 I9 I9 V9 IV9 I9 V9",
        ),
        "minor blues": (_TWELVE_MINOR, "i7 iv7 i7 i7 iv7 iv7 i7 i7 V7 iv7 i7 V7"),
    },
    feels=(
        Feel(  # shuffle
            drums=(
                groove("""
                    kick  X-------X-----x-
                    snare ----X-------X---
                    hat   X-x-X-x-X-x-X-x-
                """),
                groove("""
                    kick  X---x---X---x---
                    snare --o-X-o---o-X-o-
                    ride  X-x-X-x-X-x-X-x-
                """),
                groove("""
                    kick   X-----x-X-------
                    rim    ----X-------X---
                    ride   X---X-x-X---X-x-
                    pedal+ ----x-------x---
                """),
            ),
            bass=(
                "R---T---F---S---",
                "R-R-T-T-F-F-S-F-",
                "W---W---W---A---",
                "R-----R-F-----A-",
                "R---T---F---S---O---S---F---T---",
            ),
            comp=(
                "x-..x-..x-..x-..",
                "....x-......x-..",
                "x-..u-..x-..u-..",
                "..x-....x-....x-",
                "B-x-B-x-B-x-B-x-",
            ),
            arp=("......4-3-2-1-..", "..3-..4-..3-..2-"),
            swing=(0.62, 0.68),
        ),
        Feel(  # slow, in twelve eighths
            metre="6/8",
            drums=(
                groove("""
                    kick  X---------x-
                    snare ------X-----
                    hat   x-x-x-x-x-x-
                """),
                groove("""
                    kick X-----------
                    rim  ------X-----
                    ride x-x-x-x-x-x-
                """),
            ),
            bass=("R---T-F---S-", "R-----F---A-", "R---R-F---F-"),
            comp=("x-x-x-x-x-x-", "x-----x-----", "..x-x-..x-x-"),
            arp=("0-1-2-3-2-1-",),
            weight=0.4,
        ),
    ),
    parts={
        "lead": ("overdriven guitar", "harmonica", "clean guitar", "jazz guitar", "tenor saxophone", "piano"),
        "bass": ("electric bass", "double bass"),
        "chords": ("piano", "clean guitar", "organ", "honky-tonk piano", "jazz guitar"),
        "pad": ("organ", "brass"),
        "arp": ("piano", "organ", "clean guitar", "honky-tonk piano"),
    },
    form="jazz",
    kits=(STANDARD_KIT, ROOM_KIT),
    lead=LeadManner(0.45, 0.35, 0.9, 1.2, 0.25, 0.3),
    chance={"pad": 0.3, "arp": 0.4},
    loose_s=0.011,
    mix_db={"drums": -3.0},
)

FUNK = Style(
    name="funk",
    tempo_bpm=(92, 120),
    moods=("groovy", "happy", "energetic", "playful", "uplifting"),
    modes={"dorian": 4, "mixolydian": 3, "minor": 1},
    progressions={
        "dorian": ("i7 i7 i7 IV7", "i7 IV9 i7 IV9", "i9 i9 bVII IV9", "i7 i7 bIII7 IV7"),
        "mixolydian": ("I9 I9 I9 IV9", "I7 IV9 I7 IV9", "I9 I9 bVII IV9", "I7 I9 IV9 I7"),
        "minor": ("i7 i7 iv7 v7", "i7 bVII bVI v7"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick  X-x---x---x--x--
                    snare ----X--o-o--X--o
                    hat   xxxxxxxxxxxxxxxx
                """),
                groove("""
                    kick        X--x--x-x-x-----
                    snare       ----X--o----X-o-
                    hat         x-x-x-x-x-x-xox-
                    open        ------x---------
                    tambourine+ --x---x---x---x-
                """),
                groove("""
                    kick     X--x------X--x--X--x--x---x-----
                    snare    ----X--o-o--X-------X--o-o--X--o
                    hat      x-xxx-xxx-xxx-xxx-xxx-xxx-xxx-x-
                    cowbell+ x---x---x---x---x---x---x---x---
                    conga2+  --x--x----x--x----x--x----x--x--
                """),
            ),
            bass=(
                "R..R..O.R.RS.SR.",
                "R--.R.R...O.S.F.",
                "R.R...O..R.S.F.A",
                "R...R.O.R..F.S.A",
                "R..R....O.S.F.RA",
            ),
            comp=(
                "..x...x.x..x..x.",
                "x..x..xx..x..xx.",
                "....x..x....x..x",
                "x.uux.u.x.uux.u.",
                "X-..............",
                "..xx..x...xx..x.",
            ),
            arp=("x.......x..x....", "..X-....X.X.....", "0.0.2...0.3.2...", "..............XX"),
            swing=(0.5, 0.57),
            swing_steps=1,
        ),
    ),
    parts={
        "lead": ("alto saxophone", "trumpet", "synth lead", "organ", "clean guitar", "trombone"),
        "bass": ("slap bass", "electric bass", "slap bass"),
        "chords": ("clean guitar", "muted guitar", "clavinet", "electric piano", "organ"),
        "pad": ("organ", "synth strings"),
        "arp": ("brass", "brass", "clavinet", "synth brass"),
    },
    form="song",
    kits=(STANDARD_KIT, ROOM_KIT),
    lead=LeadManner(0.55, 0.5, 0.65, 1.3, 0.08, 0.3),
    chance={"pad": 0.2, "arp": 0.75, "lead": 0.7},
    loose_s=0.006,
    mix_db={"bass": 1.5},
)

REGGAE = Style(
    name="reggae",
    tempo_bpm=(66, 92),
    moods=("relaxed", "happy", "groovy", "calm", "uplifting", "dark"),
    modes={"major": 3, "minor": 2, "dorian": 1, "mixolydian": 1},
    progressions={
        "major": ("I IV I V", "I V vi IV", "I IV V IV", "I ii7 IV V", "I I IV IV"),
        "minor": ("i iv i iv", "i bVII bVI bVII", "i iv v i", "i i bVII bVII"),
        "dorian": ("i7 IV i7 IV", "i bVII IV i"),
        "mixolydian": ("I bVII I bVII", "I bVII IV I"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick --------X-------
                    rim  --------X-------
                    hat  x-o-x-o-x-o-x-o-
                """),
                groove("""
                    kick  X---X---X---X---
                    rim   --------X-------
                    hat   x-x-x-x-x-x-x-x-
                    open+ --------------x-
                """),
                groove("""
                    kick    X-------X-------
                    rim     --------X--x----
                    hat     x-o-x-oox-o-x-oo
                    shaker+ xoxoxoxoxoxoxoxo
                """),
                groove("""
                    kick    --------X-------
                    snare   --------X-----o-
                    hat     --x---x---x---x-
                    block1+ ---x------x-----
                """),
            ),
            bass=(
                "R--R--F-..R-R-..",
                "..R-R-..F-R-....",
                "R-..R-T-F-..R-..",
                "....R-R-F---T---",
                "R---..R-....F-S-O---..F-....R-..",
            ),
            comp=("....x.......x...", "..x...x...x...x.", "....x.u.....x.u.", "..x...x...x...xx"),
            arp=("..u.u...u.u...u.", "......4-..3-2-..", "..2.3.2...2.3.2."),
            swing=(0.5, 0.62),
        ),
    ),
    parts={
        "lead": ("organ", "trumpet", "harmonica", "trombone", "clean guitar", "flute", "alto saxophone"),
        "bass": ("electric bass", "electric bass", "synth bass"),
        "chords": ("clean guitar", "muted guitar", "piano", "organ"),
        "pad": ("organ", "strings"),
        "arp": ("organ", "muted guitar", "electric piano", "brass"),
    },
    form="song",
    kits=(STANDARD_KIT, ROOM_KIT),
    lead=LeadManner(0.4, 0.35, 0.85, 1.3, 0.06, 0.35),
    chance={"pad": 0.25, "arp": 0.65, "lead": 0.75},
    fills="latin",
    loose_s=0.008,
    mix_db={"bass": 3.0, "drums": -2.0},
)
