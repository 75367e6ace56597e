"""What is unpacked goes on where the package is: the same weights, the same loss."""

import json

import pytest
import torch
from recipes.angen_tiny.pack import WEIGHTS, pack_weights
from recipes.angen_tiny.train_flow import NETWORK, begin_with, build_network
from recipes.angen_tiny.train_style import Reader, begun
from recipes.angen_tiny.unpack import unpack_weights
from safetensors.torch import load_file

from angen.model import AngenTiny
from angen.model.codec import Codec
from angen.model.text import StyleEncoder


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    out = tmp_path_factory.mktemp("unpacked")
    unpack_weights(out)
    return out


def test_packing_what_was_unpacked_gives_the_package_back(work, tmp_path):
    pack_weights(work / "codec", work / "flow", work / "text", tmp_path)
    for name in ("codec", "model", "style", "table"):
        again, packed = (load_file(folder / f"{name}.safetensors") for folder in (tmp_path, WEIGHTS))
        assert set(again) == set(packed)
        assert all(torch.equal(again[key], packed[key]) for key in packed), name
    assert (tmp_path / "words.json").read_bytes() == (WEIGHTS / "words.json").read_bytes()


def test_a_flow_begins_with_every_weight_of_the_package(work):
    parts = torch.nn.ModuleDict(
        {"network": build_network(), "style": StyleEncoder(NETWORK["text_num_embeds"])}
    )
    begin_with(parts, torch.load(work / "flow/state.pt", weights_only=True)["mean"], keep_style=False)
    begun_with = parts["network"].state_dict()
    for name, values in AngenTiny().network.state_dict().items():
        assert torch.equal(begun_with[name.removeprefix("transformer.")], values.float()), name


def test_the_reader_and_the_codec_are_those_of_the_package(work):
    model, prompt = AngenTiny(), "slow reggae with organ, 72 bpm"
    ids, sentences, tempi = Reader(work / "text")([prompt])
    with torch.no_grad():
        vector = begun(work / "flow/state.pt").eval()(sentences, tempi, ids)[0]
    assert torch.allclose(vector, model.conditions(prompt).style, atol=1e-5)
    codec = Codec(channels=json.loads((WEIGHTS / "model.json").read_text())["mel_dim"])
    codec.load_state_dict(load_file(work / "codec/init.safetensors"))
    sound = 0.1 * torch.randn(1, 24_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(codec.encode(sound), model.codec.encode(sound))
