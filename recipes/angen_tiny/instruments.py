"""Instruments as plain words: their General MIDI programs (0-based) and playing range.

The words are the ones captions use, so all programs of one word must sound like that word. Programs 12
(marimba) and 114 (steel drums) belong to calypso alone and are heard nowhere else; 23 (bandoneon) and 58
(tuba) belong to tango and polka, and are otherwise heard only, unnamed, in wild clips.
"""

from __future__ import annotations

from dataclasses import dataclass

HELD_OUT_PROGRAMS = frozenset({12, 114})


@dataclass(frozen=True)
class Instrument:
    """A sound and how it is played.

    Args:
        programs: Interchangeable General MIDI programs; the first is the usual one.
        low: Lowest comfortable pitch.
        high: Highest comfortable pitch.
    """

    programs: tuple[int, ...]
    low: int
    high: int


INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument((0, 1), 36, 96),
    "bright piano": Instrument((1, 2), 36, 96),
    "honky-tonk piano": Instrument((3,), 40, 90),
    "electric piano": Instrument((4, 5), 40, 92),
    "harpsichord": Instrument((6,), 40, 88),
    "clavinet": Instrument((7,), 40, 84),
    "celesta": Instrument((8,), 60, 103),
    "glockenspiel": Instrument((9,), 67, 103),
    "music box": Instrument((10,), 60, 96),
    "vibraphone": Instrument((11,), 53, 89),
    "tubular bells": Instrument((14,), 55, 79),
    "dulcimer": Instrument((15,), 48, 84),
    "organ": Instrument((16, 17, 18), 40, 88),
    "church organ": Instrument((19,), 36, 84),
    "accordion": Instrument((21,), 48, 86),
    "harmonica": Instrument((22,), 55, 86),
    "nylon guitar": Instrument((24,), 40, 81),
    "acoustic guitar": Instrument((25,), 40, 81),
    "jazz guitar": Instrument((26,), 40, 82),
    "clean guitar": Instrument((27,), 40, 84),
    "muted guitar": Instrument((28,), 40, 76),
    "overdriven guitar": Instrument((29,), 40, 86),
    "distortion guitar": Instrument((30,), 38, 86),
    "double bass": Instrument((32,), 28, 55),
    "electric bass": Instrument((33,), 28, 55),
    "picked bass": Instrument((34,), 28, 55),
    "fretless bass": Instrument((35,), 28, 55),
    "slap bass": Instrument((36, 37), 28, 55),
    "synth bass": Instrument((38, 39), 28, 57),
    "violin": Instrument((40,), 55, 96),
    "viola": Instrument((41,), 48, 84),
    "cello": Instrument((42,), 36, 74),
    "contrabass": Instrument((43,), 28, 55),
    "tremolo strings": Instrument((44,), 40, 90),
    "pizzicato strings": Instrument((45,), 40, 88),
    "harp": Instrument((46,), 36, 96),
    "timpani": Instrument((47,), 36, 57),
    "strings": Instrument((48, 49), 36, 90),
    "synth strings": Instrument((50, 51), 40, 90),
    "choir": Instrument((52, 53), 48, 81),
    "orchestra hit": Instrument((55,), 48, 72),
    "trumpet": Instrument((56,), 55, 84),
    "trombone": Instrument((57,), 40, 70),
    "muted trumpet": Instrument((59,), 55, 84),
    "french horn": Instrument((60,), 41, 74),
    "brass": Instrument((61,), 43, 82),
    "synth brass": Instrument((62, 63), 43, 84),
    "alto saxophone": Instrument((65,), 49, 80),
    "tenor saxophone": Instrument((66,), 44, 75),
    "oboe": Instrument((68,), 58, 86),
    "bassoon": Instrument((70,), 34, 65),
    "clarinet": Instrument((71,), 50, 84),
    "flute": Instrument((73,), 60, 94),
    "pan flute": Instrument((75,), 60, 90),
    "whistle": Instrument((78, 72), 67, 96),
    "square lead": Instrument((80,), 45, 96),
    "saw lead": Instrument((81,), 45, 93),
    "synth lead": Instrument((81, 84, 87), 45, 93),
    "chip bass": Instrument((80,), 33, 60),
    "new age pad": Instrument((88,), 48, 88),
    "warm pad": Instrument((89,), 43, 84),
    "synth pad": Instrument((90, 94), 45, 86),
    "choir pad": Instrument((91,), 48, 84),
    "bowed pad": Instrument((92,), 48, 84),
    "sweep pad": Instrument((95,), 43, 84),
    "crystal bells": Instrument((98,), 55, 92),
    "atmosphere pad": Instrument((99,), 45, 84),
    "sitar": Instrument((104,), 48, 77),
    "banjo": Instrument((105,), 50, 84),
    "kalimba": Instrument((108,), 55, 84),
    "fiddle": Instrument((110,), 55, 93),
    "marimba": Instrument((12,), 45, 89),
    "steel drums": Instrument((114,), 52, 86),
    "bandoneon": Instrument((23,), 48, 88),
    "tuba": Instrument((58,), 29, 55),
}

_ALTERNATIVES = {
    program: instrument.programs
    for instrument in reversed(INSTRUMENTS.values())
    for program in instrument.programs
}


def alternatives(program: int) -> tuple[int, ...]:
    """Programs that answer to the same word as `program`, itself included."""
    return _ALTERNATIVES.get(program, (program,))


# Percussion keys of General MIDI, by the names the grooves use.
DRUM_KEYS: dict[str, int] = {
    "kick": 36, "rim": 37, "snare": 38, "clap": 39, "snare2": 40, "hat": 42, "pedal": 44, "open": 46,
    "tom1": 50, "tom2": 47, "tom3": 43, "crash": 49, "ride": 51, "bell": 53, "splash": 55,
    "tambourine": 54, "cowbell": 56, "bongo1": 60, "bongo2": 61, "conga0": 62, "conga1": 63, "conga2": 64,
    "timbale1": 65, "timbale2": 66, "agogo1": 67, "agogo2": 68, "cabasa": 69, "shaker": 70, "guiro": 73,
    "clave": 75, "block1": 76, "block2": 77, "triangle": 81,
}  # fmt: skip

PERCUSSION_WORDS: dict[str, frozenset[int]] = {
    "claps": frozenset({39}),
    "tambourine": frozenset({54}),
    "cowbell": frozenset({56}),
    "bongos": frozenset({60, 61}),
    "congas": frozenset({62, 63, 64}),
    "timbales": frozenset({65, 66}),
    "agogo bells": frozenset({67, 68}),
    "shaker": frozenset({69, 70}),
    "guiro": frozenset({73}),
    "claves": frozenset({75}),
    "woodblocks": frozenset({76, 77}),
    "triangle": frozenset({81}),
}
DRUM_SET_KEYS = frozenset({36, 37, 38, 40, 42, 43, 44, 46, 47, 49, 50, 51, 53, 55})
STANDARD_KIT, ROOM_KIT, POWER_KIT, ELECTRONIC_KIT, ANALOG_KIT, JAZZ_KIT, BRUSH_KIT, ORCHESTRA_KIT = (
    0, 8, 16, 24, 25, 32, 40, 48,
)  # fmt: skip
KIT_WORDS = {ELECTRONIC_KIT: "drum machine", ANALOG_KIT: "drum machine", BRUSH_KIT: "brushed drums"}
