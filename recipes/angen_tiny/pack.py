"""Pack what was trained into the package: fp16 safetensors, configuration, style space, hashes.

python -m recipes.angen_tiny.pack --codec work/codec --flow work/flow2 --text work/text --corpus work/val \
        --real work/real_train
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from angen.analysis import StyleSpace, style_features
from angen.audio import Audio
from angen.files import content_hash, write_json
from recipes.angen_tiny.corpus import load_corpus
from recipes.angen_tiny.train_flow import CROP_BLOCKS, NETWORK

WEIGHTS = Path("src/angen/model/weights/angen-tiny")
# Chosen with `evaluate`, which reads them from model.json. Prompts are obeyed more with more guidance, at the price of
# level and of Fréchet distance to real music; with less noise, or more rescaling, diversity falls and pieces come
# nearer to training windows.
GUIDANCE, NOISE_SCALE = 8.0, 1.1
GUIDANCE_INTERVAL, GUIDANCE_RESCALE = (0.1, 0.8), 0.4
KEY_CONTRAST = 0.75  # of the opposite of a stated key in what guidance leads away from
LICENCE = "CC-BY-SA-4.0"  # what it learnt from includes works under CC BY-SA
STYLE_SPACE = Path("src/angen/analysis/style_space.npz")


def pack_weights(codec: Path, flow: Path, text: Path, out: Path = WEIGHTS) -> None:
    """Write the weights of codec, network and style encoder (their running means) in half precision."""
    out.mkdir(parents=True, exist_ok=True)
    mean = torch.load(flow / "state.pt", weights_only=True)["mean"]
    _save(torch.load(codec / "decoder.pt", weights_only=True)["codec"], out / "codec.safetensors")
    _save(
        {f"transformer.{k.removeprefix('network.')}": v for k, v in mean.items() if k.startswith("network.")},
        out / "model.safetensors",
    )
    _save(
        {k.removeprefix("style."): v for k, v in mean.items() if k.startswith("style.")},
        out / "style.safetensors",
    )
    shutil.copyfile(text / "table.safetensors", out / "table.safetensors")
    shutil.copyfile(text / "tokenizer.json", out / "tokenizer.json")
    shutil.copyfile(text / "words.json", out / "words.json")
    facts = {
        "crop_blocks": CROP_BLOCKS,
        "noise_scale": NOISE_SCALE,
        "guidance": GUIDANCE,
        "guidance_interval": GUIDANCE_INTERVAL,
        "guidance_rescale": GUIDANCE_RESCALE,
        "key_contrast": KEY_CONTRAST,
        "licence": LICENCE,
    }
    write_json(out / "model.json", {**NETWORK, **facts})


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    save_file({key: value.half().contiguous() for key, value in tensors.items()}, str(path))
    path.chmod(0o644)


def fit_style_space(corpora: Sequence[Path]) -> None:
    """Axes of style from composed clips and recordings, as many of each as the smaller corpus has."""
    opened = [load_corpus(corpus) for corpus in corpora]
    most = min(len(data) for data in opened)
    features = [
        style_features(Audio(data.audio(int(i))[None], 24_000))
        for data in opened
        for i in np.linspace(0, len(data) - 1, most)
    ]
    StyleSpace.fit(np.concatenate(features), dims=8).save(STYLE_SPACE)


def main() -> None:
    """Pack everything and write the hashes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("codec", "flow", "text"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--real", type=Path, help="corpus of recordings, whose attribution goes along")
    parser.add_argument("--real-validation", type=Path, nargs="*", default=[])
    parser.add_argument(
        "--corpus", type=Path, help="composed clips to fit the style space to; without it, it stays"
    )
    options = parser.parse_args()
    pack_weights(options.codec, options.flow, options.text)
    if options.real:
        works = json.loads((options.real / "attribution.json").read_text())
        write_json(WEIGHTS / "ATTRIBUTION.json", works)
    if options.corpus:
        fit_style_space([options.corpus, *options.real_validation])
    names = sorted(path.name for path in WEIGHTS.iterdir() if path.suffix in (".safetensors", ".json"))
    hashes = {name: content_hash(WEIGHTS / name) for name in names if name != "hashes.json"}
    write_json(WEIGHTS / "hashes.json", hashes)
    total = sum((WEIGHTS / name).stat().st_size for name in names)
    print(f"{len(hashes)} files, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
