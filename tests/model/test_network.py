import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from angen.errors import ModelError
from angen.model.dit import RMSNorm
from angen.model.network import FlowNetwork, load_network, load_weights


@pytest.fixture
def folder(tmp_path, make_network):
    config = {"dim": 32, "depth": 1, "heads": 2, "mel_dim": 4, "text_num_embeds": 30, "use_flex_attn": True}
    (tmp_path / "model.json").write_text(json.dumps(config))
    save_file(make_network(3, **config, ff_mult=4).state_dict(), tmp_path / "model.safetensors")
    return tmp_path


def test_a_loaded_network_is_frozen_still_and_exact(folder):
    network = load_network(folder)
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    for key, value in load_file(folder / "model.safetensors").items():
        assert torch.equal(network.state_dict()[key], value)


def test_the_block_size_is_10_unless_stated(folder):
    assert load_network(folder).block_frames == 10


def test_half_precision_weights_are_widened(folder):
    stored = load_file(folder / "model.safetensors")
    save_file({key: value.half() for key, value in stored.items()}, folder / "model.safetensors")
    network = load_network(folder)
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    for key, value in stored.items():
        assert torch.equal(network.state_dict()[key], value.half().float())


KEY = "transformer.transformer_blocks.0.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: tensors.pop(KEY),
            rf"missing \['{KEY}'\], unknown nothing, of another shape nothing",
        ),
        (lambda tensors: tensors.update(odd=torch.ones(1)), r"missing nothing, unknown \['odd'\]"),
        (
            lambda tensors: tensors.update({KEY: torch.ones(2, 2)}),
            rf"unknown nothing, of another shape \['{KEY}'\]",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(folder, change, message):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match=message):
        load_network(folder)


def test_weights_that_do_not_fit_change_nothing(folder, make_network):
    network = make_network(4)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ModelError):
        load_weights(network, folder / "model.safetensors")
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise", "folder"])
def test_a_missing_or_damaged_file_is_named(folder, name, damage):
    path: Path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"empty": b"", "cut": content[:-20], "noise": bytes(range(256)) * 9}[damage])
    with pytest.raises(ModelError, match=re.escape(str(path))):
        load_network(folder)


def keys(network):
    return set(network.state_dict())


def test_beat_features_add_one_zero_map_and_nothing_else(make_network):
    plain, with_beats = make_network(), make_network(beat_dim=7)
    assert keys(with_beats) - keys(plain) == {"transformer.beat_embed.weight"}
    fresh = FlowNetwork(
        {"dim": 32, "depth": 1, "heads": 2, "mel_dim": 4, "text_num_embeds": 9, "beat_dim": 7}
    )
    assert not fresh.transformer.beat_embed.weight.any()


def test_a_zero_beat_map_changes_nothing(make_network):
    plain, with_beats = make_network(), make_network(beat_dim=7)
    weights = plain.state_dict() | {"transformer.beat_embed.weight": torch.zeros(512, 7)}
    with_beats.load_state_dict(weights)
    latents, beats = torch.randn(2, 6, 4), torch.randn(2, 6, 7)
    asked = {
        "text_ids": torch.ones(2, 3, dtype=torch.int64),
        "text_valid": torch.ones(2, 3, dtype=torch.bool),
        "clean": latents,
        "noisy": latents.flip(1),
        "times": torch.rand(2, 6),
        "style": torch.randn(2, 512),
        "frame_valid": torch.ones(2, 6, dtype=torch.bool),
    }
    assert torch.equal(with_beats(**asked, beats=beats), plain(**asked))
    assert torch.equal(plain(**asked, beats=beats), plain(**asked))


def test_long_skip_and_representation_heads_are_there_only_if_asked_for(make_network):
    full = make_network(long_skip_connection=True, repa_depth=1, repa_dims=[6, 5])
    extra = keys(full) - keys(make_network())
    assert {key.split(".")[1] for key in extra} == {"long_skip_connection", "projectors"}
    assert full.transformer.projectors[1][4].out_features == 5
    assert full.transformer.long_skip_connection.bias is None


def test_root_mean_square_norm_keeps_its_statistics_in_float32():
    norm = RMSNorm(4)
    torch.nn.init.constant_(norm.weight, 2.0)
    x = torch.tensor([[300.0, -300.0, 300.0, 300.0]]).half()  # its square is beyond half precision
    assert norm(x.float()).detach().flatten().tolist() == pytest.approx([2, -2, 2, 2])
    with torch.no_grad():
        norm.half()
        assert norm(x).flatten().tolist() == [2, -2, 2, 2]


def test_the_long_skip_joins_the_blocks_output_to_their_input(make_network):
    transformer = make_network(long_skip_connection=True).transformer
    transformer.long_skip_connection.weight.copy_(torch.cat([torch.eye(32), 3 * torch.eye(32)], dim=1))
    asked = (torch.randn(1, 5, 512), torch.randn(1, 512), torch.rand(1, 5), torch.arange(5))
    first, *_, last = transformer.hidden_states(*asked)
    time = transformer.time_embed(asked[2])
    expected = transformer.proj_out(transformer.norm_out(last + 3 * first, time))
    torch.testing.assert_close(transformer(*asked)[0], expected, rtol=0, atol=1e-5)
