"""Folk, from jigs to campfire songs."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import BRUSH_KIT, STANDARD_KIT

FOLK = Style(
    name="folk",
    tempo_bpm=(78, 136),
    moods=("happy", "calm", "melancholic", "relaxed", "romantic", "playful", "sad"),
    modes={"major": 4, "mixolydian": 1.5, "dorian": 2, "minor": 1.5},
    progressions={
        "major": ("I IV I V", "I V vi IV", "I vi IV V", "I IV V I", "I I IV V"),
        "mixolydian": ("I bVII IV I", "I I bVII I"),
        "dorian": ("i bVII i IV", "i bVII i bVII", "i IV bVII i"),
        "minor": ("i bVII bVI bVII", "i iv i v", "i bIII bVII i"),
    },
    feels=(
        Feel(
            drums=(
                {},
                groove("""
                    tambourine --o-x-o---o-x-o-
                """),
                groove("""
                    kick       x-------x-------
                    tambourine ----x-------x---
                """),
                groove("""
                    bongo1  x-------x---x---
                    bongo2  ----x-x-----x-x-
                    shaker+ x-o-x-o-x-o-x-o-
                """),
                groove("""
                    kick x---x---x---x---
                    clap ----x-------x---
                """),
            ),
            bass=("R-------F-------", "R-----R-F-------", "R---....L---....", "R-------F---A---"),
            comp=(
                "B---x-u-B---x-u-",
                "x---x-u---u-x-u-",
                "B-2-1-2-B-3-1-2-",
                "0-2-1-3-0-2-1-3-",
                "x-u-x-u-x-u-x-u-",
                "B-32B-31B-32B-31",
            ),
            arp=("0-1-2-1-3-2-1-2-", "..3-..2-..3-..1-", "3-2-1-0-1-2-3-4-"),
        ),
        Feel(
            metre="6/8",
            drums=(
                {},
                groove("""
                    bongo1     x---x-x---x-
                    tambourine ------x-----
                """),
                groove("""
                    kick       x-----x-----
                    tambourine ----x-----x-
                """),
            ),
            bass=("R-----F-----", "R---R-F---F-"),
            comp=("B---x-B---x-", "B-x-x-B-x-x-", "0-1-2-3-2-1-"),
            arp=("0-1-2-3-2-1-", "3-2-1-2-1-0-"),
            weight=0.5,
        ),
        Feel(
            metre="3/4",
            drums=(
                {},
                groove("""
                tambourine ----x---x---
            """),
            ),
            bass=("R-----------", "R-------F---"),
            comp=("B---x---x---", "B---x-u-x-u-", "0-1-2-3-2-1-"),
            arp=("0-1-2-3-2-1-",),
            weight=0.5,
        ),
    ),
    parts={
        "lead": (
            "fiddle",
            "harmonica",
            "flute",
            "accordion",
            "whistle",
            "banjo",
            "dulcimer",
            "clarinet",
            "violin",
        ),
        "bass": ("double bass", "double bass", "cello"),
        "chords": ("acoustic guitar", "acoustic guitar", "nylon guitar", "banjo", "accordion"),
        "pad": ("accordion", "strings"),
        "arp": ("nylon guitar", "banjo", "dulcimer", "harp", "acoustic guitar"),
    },
    form="song",
    kits=(STANDARD_KIT, BRUSH_KIT),
    lead=LeadManner(0.6, 0.1, 0.9, 1.2, 0.2, 0.08),
    chance={"pad": 0.2, "arp": 0.5, "bass": 0.8},
    fills="",
    loose_s=0.011,
    mix_db={"drums": -6.0, "chords": 1.5},
)
