"""Timeline: projects of tracks and clips in whole samples, edited by pure functions, rendered block by block.

Records are in `records`, musical time in `tempo`, edits in `edits` and `clip_edits`, undo in `history`, sound in
`rendering`, `sources` and `waves`, files in `storage`, and other programs' formats in `dawproject`, `reaper` and
`labels`.
"""

from angen.timeline import clip_edits, edits
from angen.timeline.history import History
from angen.timeline.records import (
    HARD_EDGE,
    Clip,
    Curve,
    Fade,
    Marker,
    MetreChange,
    Project,
    Section,
    Source,
    TempoChange,
    Track,
)
from angen.timeline.rendering import ReadSamples, render, render_stems
from angen.timeline.sources import OpenSources, scan_source, source_problems
from angen.timeline.storage import Loaded, load_project, recover_project, save_project
from angen.timeline.tempo import Position, TempoMap, parse_place

__all__ = [
    "HARD_EDGE",
    "Clip",
    "Curve",
    "Fade",
    "History",
    "Loaded",
    "Marker",
    "MetreChange",
    "OpenSources",
    "Position",
    "Project",
    "ReadSamples",
    "Section",
    "Source",
    "TempoChange",
    "TempoMap",
    "Track",
    "clip_edits",
    "edits",
    "load_project",
    "parse_place",
    "recover_project",
    "render",
    "render_stems",
    "save_project",
    "scan_source",
    "source_problems",
]
