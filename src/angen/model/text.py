"""How `angen-tiny` reads a prompt: known words as tokens, the whole sentence as one vector, a stated tempo.

A prompt becomes three things: ids of the musical words it knows (they enter the network as text), the mean of
its tokens' vectors in a table distilled from a sentence model (it becomes the style vector, and copes with
words never seen in training), and the tempo if one is stated as "112 bpm".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from angen.model.dit import WIDTH

TABLE_DIMS = 256
TEMPO_DIMS = 12
WORD_DIMS = 96
SENTENCE_LENGTH = 12.5  # of a sentence vector beside words and tempo
MAX_WORDS = 31
START_ID = 1
FIRST_WORD_ID = 2

_TEMPO = re.compile(r"(?<![\d.])(\d{2,3}(?:\.\d+)?)\s*bpm\b", re.IGNORECASE)
_KEY = re.compile(  # "F# minor", but not "a minor key"
    r"\b(?!a\s(?:major|minor)\s+(?:key|mood|feel|scale)\b)"
    r"([a-g])\s?(#|♯|b|♭|-sharp|-flat| sharp| flat)?[\s-](major|minor)\b",
    re.IGNORECASE,
)
_SHORT_KEY = re.compile(  # "in F#m", "key of C"
    r"(?<=\b(?:[Ii]n|[Oo]f) )([A-G])(#|♯|b|♭)?(m)?(?![\w#♯♭'-])(?!\s(?:major|minor|sharp|flat)\b)"
)
_WORD = re.compile(r"key:[a-g]#?-m[a-z]+|8-bit|[a-z]+(?:[-'][a-z]+)*")
_SHARPS = {
    "db": "c#",
    "eb": "d#",
    "gb": "f#",
    "ab": "g#",
    "bb": "a#",
    "cb": "b",
    "fb": "e",
    "e#": "f",
    "b#": "c",
}


def stated_tempo(prompt: str) -> float | None:
    """The tempo a prompt states, in BPM within 30..300, or None.

    Example:
        >>> stated_tempo("calypso, 112 BPM"), stated_tempo("slow blues")
        (112.0, None)
    """
    found = _TEMPO.search(prompt)
    if found is None:
        return None
    tempo = float(found.group(1))
    return tempo if 30 <= tempo <= 300 else None


def stated_key(prompt: str) -> str | None:
    """The first key a prompt states, spelt with sharps, or None.

    Example:
        >>> stated_key("waltz in Bb minor"), stated_key("in a minor key")
        ('A# minor', None)
    """
    word = next((word for word in words_of(prompt) if word.startswith("key:")), None)
    if word is None:
        return None
    tonic, mode = word.removeprefix("key:").split("-")
    return f"{tonic.upper()} {mode}"


def words_of(prompt: str) -> list[str]:
    """The words of a prompt, lower case. A stated key is one word, spelt with sharps: `key:a#-minor`.

    Example:
        >>> words_of("Happy Calypso in Bb minor, 112 bpm"), words_of("sad, in a minor key, in F#m")
        (['happy', 'calypso', 'in', 'key:a#-minor', 'bpm'], ['sad', 'in', 'a', 'minor', 'key', 'in', 'key:f#-minor'])
    """

    def word(letter: str, accidental: str | None, mode: str) -> str:
        sign = (accidental or "").strip(" -").lower()
        note = letter.lower() + {"♯": "#", "sharp": "#", "♭": "b", "flat": "b"}.get(sign, sign)
        return f" key:{_SHARPS.get(note, note)}-{mode.lower()} "

    prompt = _KEY.sub(lambda found: word(found[1], found[2], found[3]), prompt)
    prompt = _SHORT_KEY.sub(lambda found: word(found[1], found[2], "minor" if found[3] else "major"), prompt)
    return _WORD.findall(prompt.lower())


class Vocabulary:
    """Musical words and their ids.

    Args:
        words: In the order of their ids.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: i + FIRST_WORD_ID for i, word in enumerate(words)}

    @property
    def largest_id(self) -> int:
        """The id of the last word."""
        return len(self.words) + FIRST_WORD_ID - 1

    def ids(self, prompt: str) -> list[int]:
        """A start id, then the ids of the known words in their order, at most 32 in all."""
        known = [self._ids[word] for word in words_of(prompt) if word in self._ids]
        return [START_ID, *known[:MAX_WORDS]]


class WordTable:
    """Mean token vectors of a sentence.

    Args:
        stored: `table`, one vector a token, int8 (tokens, 256), and `scale`, what each is multiplied by, (tokens, 1).
        tokenizer_file: A `tokenizers` JSON file.
    """

    def __init__(self, stored: Mapping[str, Tensor], tokenizer_file: Path) -> None:
        from tokenizers import Tokenizer

        self.table, self.scale = stored["table"], stored["scale"].float()
        self._tokenizer: Any = Tokenizer.from_file(str(tokenizer_file))

    def vector(self, prompt: str) -> Tensor:
        """A vector of length 1 (or 0 for no known token), float32 (256,)."""
        ids = self._tokenizer.encode(prompt, add_special_tokens=False).ids
        if not ids:
            return torch.zeros(TABLE_DIMS)
        return torch.nn.functional.normalize((self.table[ids] * self.scale[ids]).mean(0), dim=0)


def tempo_features(tempo_bpm: Tensor) -> Tensor:
    """Fourier features of the logarithm of tempo, (B, 12); zeros where the tempo is 0 (unknown)."""
    octave = torch.log2(tempo_bpm.clamp(min=30) / 60).unsqueeze(-1)
    angles = octave * octave.new_tensor([1.0, 2.0, 4.0, 8.0, 16.0]) * (math.pi / 2)
    features = torch.cat([angles.sin(), angles.cos(), octave, torch.ones_like(octave)], dim=-1)
    return features * (tempo_bpm > 0).unsqueeze(-1)


class StyleEncoder(nn.Module):
    """Sentence vector, known words and tempo to the style vector the network takes.

    The sentence copes with words never seen, the known words say exactly what was asked.

    Args:
        words: Largest word id.
    """

    def __init__(self, words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words + 1, WORD_DIMS)
        self.layers = nn.Sequential(
            nn.Linear(TABLE_DIMS + WORD_DIMS + TEMPO_DIMS, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH)
        )

    def forward(self, sentence: Tensor, tempo_bpm: Tensor, ids: Tensor) -> Tensor:
        """Style vectors (B, 512) of sentence vectors (B, 256), tempi (B,), 0 for unknown, and word ids (B, L)."""
        known = (ids >= FIRST_WORD_ID).unsqueeze(-1)
        count = known.sum(1).clamp(min=1)
        words = (self.words(ids) * known).sum(1) / count.sqrt()
        told = [sentence * SENTENCE_LENGTH, words, tempo_features(tempo_bpm)]
        return self.layers(torch.cat(told, dim=-1))  # type: ignore[no-any-return]
