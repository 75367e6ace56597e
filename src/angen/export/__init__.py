"""Export: sound files with tags, side-cars and marks of their origin."""

from angen.export.album import AlbumTrack, export_album
from angen.export.cover import Cover, draw_cover, read_cover
from angen.export.formats import FORMATS, Format, parse_formats
from angen.export.gain import Loudness, ReplayGain, measure_loudness, replay_gain
from angen.export.licences import licence_flags
from angen.export.lrc import TimedLine, lrc_text, parse_lrc, read_lyrics
from angen.export.piece import Exported, export_audio, samples_sha256
from angen.export.sidecar import SideCar, read_sidecar, write_sidecar
from angen.export.stems import export_stems
from angen.export.tagging import FoundTags, read_tags, write_tags
from angen.export.tags import AiMark, Tags

__all__ = [
    "FORMATS",
    "AiMark",
    "AlbumTrack",
    "Cover",
    "Exported",
    "Format",
    "FoundTags",
    "Loudness",
    "ReplayGain",
    "SideCar",
    "Tags",
    "TimedLine",
    "draw_cover",
    "export_album",
    "export_audio",
    "export_stems",
    "licence_flags",
    "lrc_text",
    "measure_loudness",
    "parse_formats",
    "parse_lrc",
    "read_cover",
    "read_lyrics",
    "read_sidecar",
    "read_tags",
    "replay_gain",
    "samples_sha256",
    "write_sidecar",
    "write_tags",
]
