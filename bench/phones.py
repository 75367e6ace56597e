"""How many of the vectors' lines become exactly the phones the model learnt.

    python -m bench.phones [FILE]

FILE is a list of {"text", "ids"}; tests/model/data/g2p_vectors.json without. Lines are grouped by the languages in
them; a phone counts as right if it is in the longest common part of both readings.
"""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path

from angen.model.phones import line_phones, phone_table, segments

VECTORS = Path(__file__).parents[1] / "tests" / "model" / "data" / "g2p_vectors.json"


def phones(file: Path = VECTORS) -> None:
    """Print the rates of each language."""
    cases = [case for case in json.loads(file.read_text(encoding="utf-8")) if "ids" in case]
    table, rows = phone_table(), dict[str, list[int]]()
    for case in cases:
        ids = [table[phone] for phone in line_phones(case["text"])]
        language = " and ".join(sorted({language for _, language in segments(case["text"])}))
        for name in (language, "all"):
            row = rows.setdefault(name, [0, 0, 0, 0])
            matched = difflib.SequenceMatcher(None, case["ids"], ids, autojunk=False).get_matching_blocks()
            same = sum(block.size for block in matched)
            for place, value in enumerate((ids == case["ids"], 1, same, max(len(case["ids"]), len(ids)))):
                row[place] += value
    for name, (exact, lines, right, total) in rows.items():
        print(
            f"phones: {name}: {exact} of {lines} lines exact, {right} of {total} phones ({right / total:.1%})"
        )


if __name__ == "__main__":
    phones(*map(Path, sys.argv[1:2]))
