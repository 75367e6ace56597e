"""What is heard in a recording: tempo, beats, key, level, words; where to cut it; its style in numbers.

`analyze` does everything for one file. Each estimate comes with a confidence and is None ("unknown") below a
threshold: nothing is invented.
"""

from angen.analysis.analyzing import analyze, analyze_audio
from angen.analysis.key import transposed
from angen.analysis.record import Analysis
from angen.analysis.segments import Segment, suggest_segments
from angen.analysis.style import StyleSpace, frechet_distance, split_half_floor, style_features

__all__ = [
    "Analysis",
    "Segment",
    "StyleSpace",
    "analyze",
    "analyze_audio",
    "frechet_distance",
    "split_half_floor",
    "style_features",
    "suggest_segments",
    "transposed",
]
