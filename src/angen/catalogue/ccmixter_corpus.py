"""The ccMixter corpus: `ccmixter_corpus/<artist>_-_<title>/{mix,source-01,source-02}.wav`.

`source-02` is the voice, `source-01` the accompaniment, `mix` their sum.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from angen.catalogue.items import Found, Phrase, VocalSong

Part = Literal["voice", "accompaniment", "mix"]
_FILES: dict[str, str] = {"voice": "source-02.wav", "accompaniment": "source-01.wav", "mix": "mix.wav"}


def read_ccmixter_corpus(root: Path, part: Part = "voice") -> Found:
    """The songs below `root`: one part of each."""
    songs, odd = [], []
    for folder in sorted(path for path in root.rglob("*_-_*") if path.is_dir()):
        artist, _, title = (text.replace("_", " ").strip() for text in folder.name.partition("_-_"))
        path = folder / _FILES[part]
        if not path.is_file():
            odd.append((folder, f"{path.name} is missing"))
            continue
        voice = "voice" if part == "voice" else None
        credit = f"{title} by {artist}, ccMixter"
        phrases = (Phrase(path, None, 0),)
        key = f"{artist} {title}"
        songs.append(VocalSong(key, title, key, artist, None, voice, phrases, is_whole=True, credit=credit))
    return Found(songs=tuple(songs), odd=tuple(odd))
