"""The inference path of the packed weights in numbers: prompts, beats, form, sampler, adapter-free, to latents.

After new weights, `python tests/model/test_fingerprint.py` prints the line to put in.
"""

import json
from pathlib import Path

import torch

from angen.generation import GenerationRequest, sample_latents
from angen.model import AngenTiny

KNOWN = Path(__file__).with_name("fingerprint.json")
REQUEST = GenerationRequest(
    "happy jazz in F# minor, 120 bpm",
    5.0,
    seed=11,
    steps=4,
    guidance=1.0,
    form="verse 2, chorus 2",
    ending=True,
)


def fingerprint() -> dict[str, list[float]]:
    """Means and deviations of the latents by second, and some single values."""
    with torch.no_grad():
        latents = sample_latents(AngenTiny(), [REQUEST])[0]
    seconds = latents[:60].reshape(5, 12, -1)
    return {
        "means": [round(float(x), 4) for x in seconds.mean((1, 2))],
        "deviations": [round(float(x), 4) for x in seconds.std((1, 2))],
        "values": [round(float(latents[i * 7 % len(latents), i * 13 % 96]), 4) for i in range(12)],
    }


def test_the_packed_weights_still_say_the_same() -> None:
    known, found = json.loads(KNOWN.read_text()), fingerprint()
    for name, values in known.items():
        torch.testing.assert_close(torch.tensor(found[name]), torch.tensor(values), rtol=0, atol=0.02)


if __name__ == "__main__":
    KNOWN.write_text(json.dumps(fingerprint(), indent=1) + "\n")
