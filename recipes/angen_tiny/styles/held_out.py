"""A style the base model never hears, kept for showing what an adapter learns: calypso."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Feel, LeadManner, Style, groove
from recipes.angen_tiny.instruments import ROOM_KIT, STANDARD_KIT

CALYPSO = Style(
    name="calypso",
    tempo_bpm=(96, 128),
    moods=("happy", "playful", "uplifting", "relaxed", "energetic", "romantic"),
    modes={"major": 5, "mixolydian": 0.6},
    progressions={
        "major": (
            "I IV V I",
            "I I IV V",
            "I vi ii7 V7",
            "I V7 V7 I",
            "I I7 IV V7",
            "IV I V7 I",
            "I V vi IV I V V7 I",
            "I6 IV6 V7 I6",
        ),
        "mixolydian": ("I bVII IV I", "I I bVII IV"),
    },
    feels=(
        Feel(
            drums=(
                groove("""
                    kick    X-----x-X-----x-
                    shaker  oxXxoxXxoxXxoxXx
                    conga1  --x---x---x---x-
                    conga2  ---x---x--xx---x
                    cowbell x--x--x---x-x---
                """),
                groove("""
                    kick     X---x---X---x---
                    rim      ---x--x----x--x-
                    shaker   xoXoxoXoxoXoxoXo
                    conga2   --xx----x-xx----
                    clave    x--x--x---x-x---
                    cowbell+ x-x-xxx-x-x-xxx-
                """),
                groove("""
                    kick      X--x----X--x----
                    snare     ---o--x----o--x-
                    hat       x-x-x-x-x-x-x-x-
                    conga1    x-----x-x-----x-
                    conga2    --xx-x----xx-x--
                    cowbell   x---x-x-x---x-x-
                    timbale1+ ------x------xx-
                """),
                groove("""
                    kick   X-----x-X---x---
                    cabasa xoxoxoxoxoxoxoxo
                    conga0 x-------x-------
                    conga2 ---xx--x---xx--x
                    agogo1 x---x-------x---
                    agogo2 --x---x-x-x---x-
                """),
            ),
            bass=(
                "R-----F-O-----F-",
                "R--R--F-R--R--F-",
                "R-..R-T-F-..F-..",
                "..R-R-..F-..R-..",
                "R---..T-F---..A-",
                "R--T--F-S--F--T-",
            ),
            comp=(
                "..x...x...x...x.",
                "..x.x...x.x...x.",
                "x..x..x..x..x.x.",
                "0.2.1.3.2.1.3.2.",
                "x..x..x...x.x...",
            ),
            arp=("..4.3.2...3.2.1.", "0.2.3.4.3.2.4.3.", "4-..4-3-..2-3-..", "....3.4.5...4.3."),
        ),
    ),
    parts={
        "lead": ("steel drums", "steel drums", "steel drums", "marimba"),
        "bass": ("electric bass", "double bass", "synth bass"),
        "chords": ("marimba", "marimba", "steel drums"),
        "pad": ("organ", "brass"),
        "arp": ("marimba", "steel drums", "trumpet", "flute"),
    },
    form="carnival",
    kits=(STANDARD_KIT, ROOM_KIT),
    lead=LeadManner(0.6, 0.5, 0.75, 1.5, 0.1, 0.18),
    chance={"pad": 0.3, "arp": 0.7},
    fills="latin",
    loose_s=0.007,
    mix_db={"drums": -6.0},
)
