"""Written for orchestral instruments: classical and cinematic."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import ORCHESTRA_KIT, ROOM_KIT

_CLASSICAL_MAJOR = (
    "I V I IV",
    "I vi ii V",
    "I IV V I",
    "I V7 vi IV",
    "I,IV V,I IV,ii V",
    "I V vi iii IV I IV V",
    "I I6 ii7 V7",
)

_CLASSICAL_MINOR = ("i V7 i iv", "i iv V7 i", "i bVI iv V", "i bVII bIII V7", "i,iv V7,i bVI V7")

CLASSICAL = Style(
    name="classical",
    tempo_bpm=(62, 140),
    moods=("romantic", "happy", "sad", "calm", "playful", "melancholic", "uplifting", "epic"),
    modes={"major": 3, "harmonic minor": 2.5},
    progressions={"major": _CLASSICAL_MAJOR, "harmonic minor": _CLASSICAL_MINOR},
    feels=(
        Feel(
            bass=("R---------------", "R-------F-------", "R---R---R---R---", "R-......R-......"),
            comp=(
                "0-2-1-2-0-2-1-2-",
                "0213021302130213",
                "x---x---x---x---",
                "..x-..x-..x-..x-",
                "0-1-2-3-4-3-2-1-",
                "x-------x-------",
            ),
            arp=("0-1-2-3-2-1-0-1-", "0123432101234321", "....4---3-2-1---", "3-..2-..1-..2-.."),
        ),
        Feel(
            metre="3/4",
            bass=("R-----------", "R---........", "R-------F---"),
            comp=("....x-..x-..", "0-1-2-1-2-1-", "0-2-1-2-1-2-", "x-..x-..x-.."),
            arp=("0-1-2-3-4-3-", "4-----3-2-1-"),
            weight=0.6,
        ),
        Feel(
            metre="6/8",
            bass=("R-----------", "R-----F-----"),
            comp=("0-1-2-0-1-2-", "0-1-2-3-2-1-", "x---x-x---x-"),
            arp=("0-1-2-3-2-1-", "4-3-2-1-2-3-"),
            weight=0.3,
        ),
    ),
    parts={
        "lead": ("violin", "flute", "oboe", "clarinet", "cello", "piano", "french horn", "viola", "trumpet"),
        "bass": ("cello", "contrabass", "bassoon", "harpsichord"),
        "chords": ("piano", "harpsichord", "harp", "strings", "pizzicato strings", "piano"),
        "pad": ("strings",),
        "arp": ("harp", "viola", "clarinet", "pizzicato strings", "bassoon", "flute"),
    },
    form="theme",
    kits=(ORCHESTRA_KIT,),
    lead=LeadManner(0.5, 0.05, 0.97, 1.4, 0.1, 0.08),
    chance={"pad": 0.6, "arp": 0.55, "bass": 0.85},
    fills="",
    loose_s=0.012,
    spread=True,
    mix_db={"bass": -4.0},
)

CINEMATIC = Style(
    name="cinematic",
    tempo_bpm=(66, 132),
    moods=("epic", "dark", "tense", "mysterious", "sad", "uplifting", "aggressive"),
    modes={"minor": 5, "harmonic minor": 1, "dorian": 1, "major": 1, "lydian": 0.7},
    progressions={
        "minor": ("i bVI bIII bVII", "i bVI iv bVII", "i i bVI bVI", "i v bVI iv", "bVI bVII i i"),
        "harmonic minor": ("i bVI iv V", "i iv i V"),
        "dorian": ("i IV bVII i", "i bIII IV i"),
        "major": ("I V vi IV", "IV V vi vi", "I iii IV iv"),
        "lydian": ("I II I II", "I II vi I"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    tom3   X--x--X-X--x--X-
                    kick   X-------X-------
                    crash+ X---------------
                """),
                groove("""
                    tom3 X-xxX-xxX-xxX-xx
                    tom2 ----X-------X---
                    kick X---------------
                """),
                groove("""
                    kick   X-----x-X-------
                    tom3   x-x-x-x-x-x-X-X-
                    snare+ ----xxxx----xxxx
                """),
            ),
            bass=("R---------------", "R--R--R-R--R--R-", "R---R---R---R---", "R-......R-......"),
            comp=(
                "x---------------",
                "0-0-1-0-2-0-1-0-",
                "00000000000000002222222200000000",
                "x-x-x-x-x-x-x-x-",
                "X--x--x-X--x--x-",
            ),
            arp=("0012001200120012", "0-1-2-1-0-1-2-1-", "0000111122221111", "0.2.1.2.3.2.1.2."),
        ),
        Feel(
            metre="6/8",
            drums=(
                groove("""
                    tom3   X-xxX-X-xxX-
                    kick   X-----------
                    crash+ X-----------
                """),
                groove("""
                    tom3 X---x-X---x-
                    kick X-----X-----
                """),
            ),
            bass=("R-----------", "R---R-R---R-"),
            comp=("x-----------", "0-1-2-0-1-2-"),
            arp=("012012012012", "0-1-2-3-2-1-"),
            weight=0.4,
        ),
        Feel(
            metre="3/4",
            drums=(
                groove("""
                tom3 X-x-x-x-x-x-
                kick X-----------
            """),
            ),
            bass=("R-----------",),
            comp=("x-----------", "0-1-2-1-2-1-"),
            arp=("001100220011", "0-1-2-3-2-1-"),
            weight=0.2,
        ),
    ),
    parts={
        "lead": ("french horn", "violin", "cello", "trumpet", "choir", "piano", "brass", "oboe"),
        "bass": ("contrabass", "cello", "timpani", "synth bass"),
        "chords": ("strings", "brass", "piano", "tremolo strings", "harp"),
        "pad": ("choir", "strings", "bowed pad", "synth strings", "french horn"),
        "arp": ("pizzicato strings", "strings", "harp", "celesta", "piano", "glockenspiel"),
    },
    form="score",
    kits=(ORCHESTRA_KIT, ROOM_KIT),
    lead=LeadManner(0.25, 0.08, 1.05, 1.6, 0.0, 0.15),
    chance={"arp": 0.75},
    fills="score",
    loose_s=0.012,
    spread=True,
    mix_db={"drums": -2.0, "pad": 2.0},
)
