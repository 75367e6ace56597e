"""The packed weights as the stages of the recipe know them, to go on from where they are.

    python -m recipes.angen_tiny.unpack --out work/packed

Nobody needs the work folders of those who made them: `train_flow encode --codec work/packed/codec`, `--text
work/packed/text`, and `--start work/packed/flow/state.pt` of `train_flow` and `train_style` go on from the package.
What is not in it (the fast weights and the optimiser beside the running means) begins anew.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recipes.angen_tiny.pack import WEIGHTS


def unpack_weights(out: Path, packed: Path = WEIGHTS) -> None:
    """Write `codec/`, `flow/state.pt` and `text/` into a folder: the reverse of `pack.pack_weights`."""
    for part in ("codec", "flow", "text"):
        (out / part).mkdir(parents=True, exist_ok=True)
    codec = _single(packed / "codec.safetensors")
    save_file(codec, str(out / "codec" / "init.safetensors"))
    torch.save({"codec": codec}, out / "codec" / "decoder.pt")
    network, style = _single(packed / "model.safetensors"), _single(packed / "style.safetensors")
    mean = {f"network.{name.removeprefix('transformer.')}": values for name, values in network.items()}
    mean |= {f"style.{name}": values for name, values in style.items()}
    torch.save({"mean": mean}, out / "flow" / "state.pt")
    for name in ("table.safetensors", "tokenizer.json", "words.json"):
        shutil.copyfile(packed / name, out / "text" / name)


def _single(path: Path) -> dict[str, Tensor]:
    """Tensors of a file in single precision."""
    return {name: values.float() for name, values in load_file(str(path)).items()}


def main() -> None:
    """Unpack the package."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    unpack_weights(parser.parse_args().out)


if __name__ == "__main__":
    main()
