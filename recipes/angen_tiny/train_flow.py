"""Encode the corpus and train the flow of `angen-tiny` on it, together with its style encoder.

    python -m recipes.angen_tiny.train_flow encode --corpus work/base --codec work/codec --out work/base.pt
    python -m recipes.angen_tiny.train_flow words --corpus work/base --text work/text
    python -m recipes.angen_tiny.train_flow train --data work/base.pt --validation work/val.pt --text work/text \
        --style work/style.safetensors --out work/flow --minutes 50
    python -m recipes.angen_tiny.train_flow train --data work/base.pt --real work/real_train.pt \
        --validation work/val.pt --real-validation work/real_val.pt --text work/text \
        --start work/flow/state.pt --out work/flow2 --minutes 110

`train` resumes from `OUT/state.pt`; the schedule runs on the minutes of training done; `--start` begins with the
running means of another run. Crops of four blocks at random places of a clip and random rotary positions; a time
for each block, logit-normal; the past is slightly noised; words, style, both, tempo, beats, form and key are
each dropped now and then, the last four often together. With `--real`, three crops of eight are real recordings.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from angen.model.beats import BEAT_DIM, beat_features
from angen.model.codec import LATENT_RATE_HZ, Codec
from angen.model.dit import DiT
from angen.model.flow import draw_times, masked_loss, mix
from angen.model.form import FORM_DIM, form_features
from angen.model.keys import KEY_DIM, key_features
from angen.model.layout import training_forward
from angen.model.text import TABLE_DIMS, TEMPO_DIMS, WORD_DIMS, StyleEncoder, Vocabulary, WordTable, words_of
from recipes.angen_tiny.corpus import load_corpus
from recipes.angen_tiny.forms import SECTION_TAGS

NETWORK: dict[str, Any] = {
    "dim": 256, "depth": 6, "heads": 4, "ff_mult": 3, "mel_dim": 96, "text_num_embeds": 2600,
    "beat_dim": BEAT_DIM + FORM_DIM + KEY_DIM, "block_size": 24,
}  # fmt: skip
BLOCK = 24
CROP_BLOCKS = 4
FRAMES = BLOCK * CROP_BLOCKS
WORD_LIMIT = 32
BATCH = 8
REAL_SHARE = 3  # crops of a batch that are real recordings, where there are any
WORD_SCALE = (
    2.4  # of word vectors at the start: they stand beside a time embedding of 3.8 in every text token
)
BARE = 0.35  # share of crops told nothing but a prompt
RATE = 1.2e-3
EMA = 0.999
_KEPT = ("style", "tempo_bpm", "beats_s", "downbeats_s", "sections", "ends_s", "captions", "key")


def build_network() -> DiT:
    """The network of `NETWORK`, its last layer at zero and its residual layers scaled down by depth."""
    network = DiT(**{key: value for key, value in NETWORK.items() if key != "block_size"})
    torch.nn.init.zeros_(network.proj_out.weight)
    torch.nn.init.zeros_(network.proj_out.bias)
    torch.nn.init.normal_(network.text_embed.text_embed.weight, std=WORD_SCALE)
    for name, weight in network.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.data.mul_((2 * NETWORK["depth"]) ** -0.5)
    return network


def encode(corpus: Path, codec_folder: Path, out: Path) -> None:
    """Latents and labels of every clip that is not wild."""
    data = load_corpus(corpus)
    codec = Codec(channels=NETWORK["mel_dim"])
    codec.load_state_dict(load_file(codec_folder / "init.safetensors"))
    latents, labels = [], []
    start = time.monotonic()
    for i, line in enumerate(data.labels):
        if line.get("wild"):
            continue
        latents.append(codec.encode(torch.from_numpy(data.audio(i))[None])[0].half())
        labels.append({name: line.get(name) for name in _KEPT})
        if len(labels) % 500 == 0:
            print(f"{len(labels)} clips, {time.monotonic() - start:.0f} s", flush=True)
    torch.save({"latents": torch.stack(latents), "labels": labels}, out)


def choose_words(corpus: Path, text: Path, keep: Path | None = None) -> None:
    """The words of the captions that occur in at least ten of them: keys first, then the most frequent.

    With `keep`, a former list comes first as it is, so that what was learnt of its words stays true.
    """
    counts: Counter[str] = Counter()
    for line in load_corpus(corpus).labels:
        for caption in line["captions"]:
            counts.update(set(words_of(caption)))
    former = json.loads(keep.read_text()) if keep else []
    fresh = [word for word, count in counts.most_common() if count >= 10 and word not in former]
    fresh.sort(key=lambda word: not word.startswith("key:"))
    words = [*former, *fresh][: NETWORK["text_num_embeds"] - 2]
    text.mkdir(parents=True, exist_ok=True)
    (text / "words.json").write_text(json.dumps(words))
    print(f"{len(words)} words, {len(former) + len(fresh) - len(words)} left out")


@dataclass
class Corpus:
    """What training reads: everything about a clip as tensors, captions ready.

    Args:
        latents: (clips, frames, channels), fp16.
        beats: Beat features (clips, frames, 7).
        form: Form features (clips, frames, 10).
        keys: Key features (clips, 24).
        tempi: (clips,).
        ids: Word ids of each clip's captions, (clips, captions, 32), 0 for padding.
        sentences: Sentence vectors, (clips, captions, 256).
    """

    latents: Tensor
    beats: Tensor
    form: Tensor
    keys: Tensor
    tempi: Tensor
    ids: Tensor
    sentences: Tensor


def load(file: Path, text: Path) -> Corpus:
    """Read what `encode` wrote and prepare its captions."""
    stored = torch.load(file, weights_only=True)
    latents, labels = stored["latents"], stored["labels"]
    vocabulary = Vocabulary(json.loads((text / "words.json").read_text()))
    table = WordTable(load_file(text / "table.safetensors"), text / "tokenizer.json")
    beats = np.stack(
        [beat_features(x["beats_s"], x["downbeats_s"], latents.shape[1], LATENT_RATE_HZ) for x in labels]
    )
    form = np.stack([_form_of(x, latents.shape[1]) for x in labels])
    ids = torch.zeros(len(labels), len(labels[0]["captions"]), WORD_LIMIT, dtype=torch.long)
    sentences = torch.zeros(*ids.shape[:2], TABLE_DIMS)
    for i, line in enumerate(labels):
        for j, caption in enumerate(line["captions"]):
            known = vocabulary.ids(caption)
            ids[i, j, : len(known)] = torch.tensor(known)
            sentences[i, j] = table.vector(caption)
    return Corpus(
        latents,
        torch.from_numpy(beats),
        torch.from_numpy(form),
        torch.from_numpy(np.stack([key_features(x["key"]) for x in labels])),
        torch.tensor([float(x["tempo_bpm"]) for x in labels]),
        ids,
        sentences,
    )


def _form_of(labels: dict[str, Any], frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Form features of a clip; zeros for a recording, whose form nobody wrote down."""
    spans = [(SECTION_TAGS[span["name"]], float(span["start_s"])) for span in labels["sections"] or []]
    return form_features(spans, frames, LATENT_RATE_HZ, ends_s=labels["ends_s"])


def joined(first: Corpus, second: Corpus) -> Corpus:
    """Two corpora as one, the first's clips first."""
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return Corpus(*(torch.cat(pair) for pair in pairs))


@dataclass
class Told:
    """What each crop of a batch is told beside its prompt: booleans, (crops,).

    Most people give a prompt and nothing else. Were all of this left out one by one, that case would come once in two
    hundred crops, and the null branch that guidance then leads away from ten times less often.
    """

    beats: Tensor
    form: Tensor
    key: Tensor
    tempo: Tensor

    @classmethod
    def drawn(cls, is_real: Tensor, generator: torch.Generator) -> Told:
        """Draw it for crops of which some are recordings, whose beats are heard and not known."""

        def chance(share: float) -> Tensor:
            return torch.rand(len(is_real), generator=generator) < share

        bare = chance(BARE)
        beats, form, key, tempo = (~(bare | chance(share)) for share in (0.1, 0.3, 0.3, 0.2))
        return cls(beats & ~(is_real & chance(0.4)), form, key, tempo)


def batch_loss(
    network: DiT,
    style: StyleEncoder,
    data: Corpus,
    generator: torch.Generator,
    *,
    evaluating: int | None = None,
    composed: int | None = None,
    blocks: int = CROP_BLOCKS,
) -> Tensor:
    """Flow loss of a random batch; when evaluating, of fixed crops without dropout, starting at clip number.

    With `composed`, clips from that number on are real recordings and make up their share of a batch. Crops of fewer
    `blocks` are as many more; those of one block have no past, and nothing but the prompt says what they are.
    """
    count, frames = BATCH * CROP_BLOCKS // blocks, blocks * BLOCK

    def chance(share: float) -> Tensor:
        return torch.rand(count, generator=generator) < share

    training = evaluating is None
    clips = torch.randint(composed or len(data.latents), (count,), generator=generator)
    if composed:
        real = torch.randint(
            composed, len(data.latents), (REAL_SHARE * CROP_BLOCKS // blocks,), generator=generator
        )
        clips = torch.cat([clips[len(real) :], real])
    if evaluating is not None:
        clips = torch.arange(evaluating, evaluating + count) % len(data.latents)
    starts = torch.randint(data.latents.shape[1] - frames + 1, (count,), generator=generator)
    captions = torch.randint(data.ids.shape[1], (count,), generator=generator)
    rows = starts[:, None] + torch.arange(frames)
    clean = data.latents[clips[:, None], rows].float()
    beats, form = data.beats[clips[:, None], rows], data.form[clips[:, None], rows]
    keys = data.keys[clips]
    ids, sentences, tempi = data.ids[clips, captions], data.sentences[clips, captions], data.tempi[clips]
    valid = ids > 0
    context = clean
    drop_words = drop_style = torch.zeros(count, dtype=torch.bool)
    if training:
        told = Told.drawn(clips >= (composed or len(data.latents)), generator)
        beats, form = beats * told.beats[:, None, None], form * told.form[:, None, None]
        keys, tempi = keys * told.key[:, None], tempi * told.tempo
        sentences = sentences + 0.15 * torch.randn(sentences.shape, generator=generator) / TABLE_DIMS**0.5
        both = chance(0.1)
        drop_words, drop_style = both | chance(0.1), both | chance(0.1)
        level = 0.1 * torch.rand(count, 1, 1, generator=generator)
        context = clean + level * torch.randn(clean.shape, generator=generator)
    times = draw_times(count, blocks, generator, distribution="logit-normal").repeat_interleave(BLOCK, 1)
    noise = torch.randn(clean.shape, generator=generator)
    noisy, velocity = mix(clean, noise, times)
    with torch.autocast("cpu", torch.bfloat16):
        vectors = style(sentences, tempi, ids) * (~drop_style)[:, None]
        predicted = training_forward(
            network,
            text_ids=ids * ~drop_words[:, None],
            text_valid=valid,
            clean=context,
            noisy=noisy,
            times=times,
            style=vectors,
            frame_valid=torch.ones(count, frames, dtype=torch.bool),
            block_frames=BLOCK,
            beats=torch.cat([beats, form, keys[:, None].expand(-1, frames, -1)], dim=-1),
            first_frame=BLOCK * torch.randint(64, (count,), generator=generator),
        )
    return masked_loss(predicted, velocity, torch.ones(count, frames, dtype=torch.bool)).mean()


@torch.no_grad()
def validate(network: DiT, style: StyleEncoder, data: Corpus, batches: int = 12) -> float:
    """Loss on fixed crops, noise and times."""
    losses = [
        batch_loss(network, style, data, torch.Generator().manual_seed(100 + i), evaluating=i * BATCH)
        for i in range(batches)
    ]
    return float(torch.stack(losses).mean())


def train(options: argparse.Namespace) -> None:
    """Train until the minutes are used."""
    torch.set_num_threads(options.threads)
    data, held = load(options.data, options.text), [load(options.validation, options.text)]
    composed = None
    if options.real:
        composed = len(data.latents)
        data = joined(data, load(options.real, options.text))
        held.append(load(options.real_validation, options.text))
    torch.manual_seed(0)
    network, style = build_network(), StyleEncoder(NETWORK["text_num_embeds"])
    parts = torch.nn.ModuleDict({"network": network, "style": style})
    if options.start:
        begin_with(
            parts, torch.load(options.start, weights_only=True)["mean"], keep_style=bool(options.style)
        )
    if options.style:
        style.load_state_dict(load_file(options.style))
    mean = copy.deepcopy(parts).requires_grad_(False)
    matrices = [p for p in parts.parameters() if p.ndim > 1]
    others = [p for p in parts.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
        lr=options.rate, betas=(0.9, 0.98), fused=True,
    )  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    state_file, used_s, step = options.out / "state.pt", 0.0, 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        parts.load_state_dict(state["parts"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        used_s, step = state["used_s"], state["step"]
    generator = torch.Generator().manual_seed(1000 + step)
    mark = saved = time.monotonic()
    running, limit_s = 0.0, options.minutes * 60
    while used_s < limit_s:
        rate = min(1.0, (step + 1) / 100) * (
            options.rate * (0.5 + 0.5 * math.cos(math.pi * used_s / limit_s)) + 1e-6
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        blocks = 1 if options.prompts and step % 3 else CROP_BLOCKS
        loss = batch_loss(network, style, data, generator, composed=composed, blocks=blocks)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
        optimiser.step()
        step, running = step + 1, running + float(loss.detach())
        with torch.no_grad():
            share = 1 - min(EMA, (step + 1) / (step + 20))
            torch._foreach_lerp_(list(mean.parameters()), list(parts.parameters()), share)
        now = time.monotonic()
        used_s, mark = used_s + now - mark, now
        if step % 100 == 0:
            print(f"step {step}, {used_s / 60:.1f} min, loss {running / 100:.4f}", flush=True)
            running = 0.0
        if now - saved > 180 or used_s >= limit_s:
            torch.save(
                {"parts": parts.state_dict(), "mean": mean.state_dict(), "optimiser": optimiser.state_dict(),
                 "used_s": used_s, "step": step}, state_file.with_suffix(".part"),
            )  # fmt: skip
            state_file.with_suffix(".part").replace(state_file)
            losses = [validate(mean["network"], mean["style"], corpus) for corpus in held]  # type: ignore[arg-type]
            shown = ", ".join(f"{loss:.4f}" for loss in losses)
            print(f"  held-out loss of the mean weights {shown}", flush=True)
            saved = mark = time.monotonic()


def begin_with(parts: torch.nn.Module, former: dict[str, Tensor], keep_style: bool) -> None:
    """Fill in weights of a former run; frame features and words it did not have keep their first values."""
    filled = parts.state_dict()
    for name, values in former.items():
        if keep_style and name.startswith("style."):
            continue
        grown = tuple(slice(size) for size in values.shape)
        if name == "style.layers.0.weight":  # a sentence may have grown: words and tempo come after it
            filled[name].zero_()
            filled[name][:, TABLE_DIMS:] = values[:, -(WORD_DIMS + TEMPO_DIMS) :]
            values = values[:, : -(WORD_DIMS + TEMPO_DIMS)]
            grown = (slice(None), slice(values.shape[1]))
        filled[name][grown] = values
    parts.load_state_dict(filled)


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["encode", "words", "train"])
    for name in (
        "corpus", "codec", "text", "data", "validation", "real", "real-validation", "start", "style", "keep", "out",
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument(
        "--prompts",
        action="store_true",
        help="two steps of three on crops of one block: learn to obey prompts",
    )
    parser.add_argument("--minutes", type=float, default=50.0)
    parser.add_argument(
        "--rate", type=float, default=RATE, help="the highest learning rate; half of it to go on"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.stage == "encode":
        encode(options.corpus, options.codec, options.out)
    elif options.stage == "words":
        choose_words(options.corpus, options.text, options.keep)
    else:
        train(options)


if __name__ == "__main__":
    main()
