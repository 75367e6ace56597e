"""What is heard in a recording: tempo, beats, key, level, words; where to cut it; its style in numbers.

`analyze` does everything for one file. Each estimate comes with a confidence and is None ("unknown") below a
threshold: nothing is invented.
"""

from angen.analysis.analyzing import Heard, analyze, analyze_audio, hear
from angen.analysis.key import transposed
from angen.analysis.record import ANALYSIS_VERSION, Analysis
from angen.analysis.segments import Segment, suggest_segments
from angen.analysis.style import StyleSpace, frechet_distance, split_half_floor, style_features

__all__ = [
    "ANALYSIS_VERSION",
    "Analysis",
    "Heard",
    "Segment",
    "StyleSpace",
    "analyze",
    "analyze_audio",
    "frechet_distance",
    "hear",
    "split_half_floor",
    "style_features",
    "suggest_segments",
    "transposed",
]
