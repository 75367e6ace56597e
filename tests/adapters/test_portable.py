"""An adapter as one file: out and in again bit for bit, other programs' names, and files that mean harm."""

import json
import struct
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from angen.adapters.catalogue import AdapterInfo
from angen.adapters.inspection import inspect_part
from angen.adapters.portable import read_portable, tensors_sha256, write_portable
from angen.adapters.weights import linear_layers, read_weights, write_weights
from angen.errors import AdapterError

KINDS = [{}, {"rslora": True}, {"dora": True}, {"rank": 5, "alpha": 7.3, "rslora": True}]
INFO = AdapterInfo(
    name="calypso", state="finished", created="2026-01-02T03:04:05", base="angen-tiny", base_hash="a" * 64,
    dataset="songs", dataset_hash="b" * 64, style="calypso — été", licence="CC-BY-NC-4.0", config={"rank": 3},
    versions={"python": "3.11"}, steps=100, best_step=80, validation_loss_base=1.5, validation_loss_best=1.2,
    seconds=12.5, type="vocal", trigger_words=("calypso — été", "steel"), non_commercial=True, share_alike=False,
    attribution=("A. Singer",), songs=3, clips=20, audio_seconds=400.0,
)  # fmt: skip


@pytest.fixture
def layers(network):
    return linear_layers(network)


def header(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


@pytest.mark.parametrize("layout", ["peft", "kohya"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_out_and_in_again_is_bit_for_bit(tmp_path, make_adapter, spec, layers, layout, kind):
    folder = make_adapter(spec=replace(spec, **kind))
    write_portable(tmp_path / "one.safetensors", INFO, folder, layout=layout)
    back = read_portable(tmp_path / "one.safetensors", layers)
    assert back.info == INFO
    (tmp_path / "back").mkdir()
    write_weights(tmp_path / "back", back.weights.tensors, back.weights.raw)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()


def test_the_header_says_who_it_is_as_modelspec_has_it(tmp_path, make_adapter):
    path = tmp_path / "one.safetensors"
    write_portable(path, INFO, make_adapter(), author="Me")
    told = header(path)
    wanted = {
        "sai_model_spec": "1.0.1",
        "architecture": "angen-tiny/lora",
        "implementation": "angen",
        "title": "calypso",
        "author": "Me",
        "date": INFO.created,
        "trigger_phrase": "calypso — été, steel",
        "license": "CC-BY-NC-4.0; no commercial use; A. Singer",
        "hash_sha256": "0x" + tensors_sha256(path),
    }
    assert {key: told[f"modelspec.{key}"] for key in wanted} == wanted
    assert "20.0% below the base" in told["modelspec.description"]
    assert told["angen.base_hash"] == INFO.base_hash
    assert AdapterInfo.model_validate_json(told["angen.info"]) == INFO


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_kohya_names_carry_the_scale_that_a_reader_needs(tmp_path, make_adapter, spec, layers, kind):
    folder = make_adapter(spec=replace(spec, **kind))
    write_portable(tmp_path / "one.safetensors", INFO, folder, layout="kohya")
    tensors = load_file(tmp_path / "one.safetensors")
    for layer, pair in read_weights(folder).pairs.items():
        name = "lora_unet_" + layer.replace(".", "_")
        down, up = tensors.pop(f"{name}.lora_down.weight"), tensors.pop(f"{name}.lora_up.weight")
        scale = float(tensors.pop(f"{name}.alpha")) / down.shape[0]  # what every reader of this layout does
        torch.testing.assert_close(scale * up @ down, pair.scale * pair.up @ pair.down)
        if pair.magnitude is not None:
            assert torch.equal(tensors.pop(f"{name}.dora_scale"), pair.magnitude[:, None])
    assert not tensors


@pytest.mark.parametrize("prefix", ["", "base_model.model.", "diffusion_model.", "model.", "lora_unet_"])
@pytest.mark.parametrize("names", [("lora_A", "lora_B"), ("lora_down", "lora_up")])
@pytest.mark.parametrize("alpha", [None, 1.5])
def test_files_of_other_trainers_without_our_header(tmp_path, make_adapter, layers, prefix, names, alpha):
    known = read_weights(make_adapter())
    tensors = {}
    for layer, pair in known.pairs.items():
        name = prefix + (layer.replace(".", "_") if prefix == "lora_unet_" else layer)
        tensors |= {f"{name}.{names[0]}.weight": pair.down, f"{name}.{names[1]}.weight": pair.up}
        if alpha:
            tensors[f"{name}.alpha"] = torch.tensor(alpha)
    save_file(tensors, tmp_path / "foreign.safetensors")
    read = read_portable(tmp_path / "foreign.safetensors", layers)
    assert read.info is None
    assert read.weights.pairs.keys() == known.pairs.keys()
    for layer, pair in read.weights.pairs.items():
        assert torch.equal(pair.down, known.pairs[layer].down)
        assert torch.equal(pair.up, known.pairs[layer].up)
        assert pair.scale == (alpha / 3 if alpha else 1.0)


def test_a_peft_folder_is_read_and_a_pickle_is_not(tmp_path, make_adapter, layers):
    folder = make_adapter()
    known = read_weights(folder)
    assert read_portable(folder, layers).weights.raw == known.raw
    torch.save(known.tensors, folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(AdapterError, match="pickle"):
        read_portable(folder, layers)
    torch.save(known.tensors, tmp_path / "one.pt")
    with pytest.raises(AdapterError, match="run code"):
        read_portable(tmp_path / "one.pt", layers)
    (tmp_path / "one.pt").rename(tmp_path / "one.safetensors")
    with pytest.raises(AdapterError, match="cannot be read"):
        read_portable(tmp_path / "one.safetensors", layers)


def changed(tensors, metadata, how):  # noqa: C901 - one case for each kind of harm
    """A file's contents with one thing wrong."""
    first = next(iter(tensors))
    raw = json.loads(metadata["angen.adapter_config"])
    match how:
        case "nan":
            tensors[first][0, 0] = float("nan")
        case "infinity":
            tensors[first][0, 0] = float("inf")
        case "integers":
            tensors[first] = tensors[first].to(torch.int32)
        case "doubles":
            tensors[first] = tensors[first].double()
        case "one more tensor":
            tensors["base_model.model.extra.weight"] = torch.zeros(2)
        case "one more layer":
            tensors["base_model.model.nowhere.lora_A.weight"] = torch.zeros(3, 2)
        case "one less":
            del tensors[first]
        case "another shape":
            tensors[first] = torch.zeros(3, 7)
        case "another rank":
            tensors[first] = torch.zeros(2, tensors[first].shape[1])
        case "not LoRA":
            raw["peft_type"] = "IA3"
        case "trained biases":
            raw["bias"] = "all"
        case "an expression for a target":
            raw["target_modules"] = ["(a+)+$"]
        case "an expression for a rank":
            raw["rank_pattern"] = {"(a+)+$": 3}
        case "a base that changes":
            raw["init_lora_weights"] = "pissa"
        case "something new":
            raw["layer_replication"] = [[0, 4]]
        case "another alpha":
            raw["lora_alpha"] = "6"
        case "no alpha":
            del raw["lora_alpha"]
        case "not JSON":
            metadata["angen.adapter_config"] = "[" * 100_000
            return
        case "info that is none":
            metadata["angen.info"] = '{"name": "x"}'
        case "info from a newer Angen":
            metadata["angen.info"] = json.dumps(json.loads(metadata["angen.info"]) | {"format_version": 99})
        case "infinite info":
            metadata["angen.info"] = metadata["angen.info"].replace('"seconds":12.5', '"seconds":1e999')
    metadata["angen.adapter_config"] = json.dumps(raw)


HARM = [
    "nan", "infinity", "integers", "doubles", "one more tensor", "one more layer", "one less", "another shape",
    "another rank", "not LoRA", "trained biases", "an expression for a target", "an expression for a rank",
    "a base that changes", "something new", "another alpha", "no alpha", "not JSON", "info that is none",
    "info from a newer Angen", "infinite info",
]  # fmt: skip


@pytest.mark.parametrize("how", HARM)
def test_a_file_with_something_wrong_is_refused(tmp_path, make_adapter, layers, how):
    path = tmp_path / "one.safetensors"
    write_portable(path, INFO, make_adapter())
    tensors, metadata = load_file(path), header(path)
    read_portable(path, layers)
    del metadata["modelspec.hash_sha256"]  # a stranger can leave it out
    changed(tensors, metadata, how)
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(AdapterError) as refusal:
        read_portable(path, layers)
    assert refusal.value.remedy
    assert len(refusal.value.message) < 1000


def test_weights_that_are_not_those_of_the_hash_are_refused(tmp_path, make_adapter, layers):
    path = tmp_path / "one.safetensors"
    write_portable(path, INFO, make_adapter())
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(AdapterError, match="hash"):
        read_portable(path, layers)


def test_a_configuration_that_contradicts_the_alphas_is_refused(tmp_path, make_adapter, layers):
    path = tmp_path / "one.safetensors"
    write_portable(path, INFO, make_adapter(), layout="kohya")
    tensors, metadata = load_file(path), header(path)
    raw = json.loads(metadata["angen.adapter_config"])
    del metadata["modelspec.hash_sha256"]
    metadata["angen.adapter_config"] = json.dumps(raw | {"lora_alpha": 2 * raw["lora_alpha"]})
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(AdapterError, match="alpha of"):
        read_portable(path, layers)


def test_a_header_larger_than_any_adapter_needs_is_not_read(tmp_path, layers):
    path = tmp_path / "one.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(AdapterError, match="header claims"):
        read_portable(path, layers)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 9 * 2**20))
        file.truncate(10 * 2**20)
    with pytest.raises(AdapterError, match="header claims"):
        read_portable(path, layers)


@pytest.fixture(scope="module")
def sound_file(tmp_path_factory, make_network, spec, fill):
    from angen.adapters.lora import attach, save_adapter

    folder = tmp_path_factory.mktemp("portable")
    network = make_network(depth=1)
    layers = linear_layers(network)
    wrapped = attach(network, replace(spec, rank=1), seed=0)
    fill(wrapped, 1)
    save_adapter(wrapped, folder)
    write_portable(folder / "one.safetensors", INFO, folder)
    return (folder / "one.safetensors").read_bytes(), layers, folder / "fuzzed.safetensors"


def survives(sound_file, content):
    """That a file is read or refused, and nothing else happens."""
    _, layers, path = sound_file
    path.write_bytes(content)
    try:
        read_portable(path, layers)
    except AdapterError:
        return False
    return True


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_an_error_of_ours_or_harmless(sound_file, data):
    content = bytearray(sound_file[0])
    end = 8 + int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, end - 1) | st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    survives(sound_file, bytes(content))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_file_is_refused(sound_file, data):
    assert survives(sound_file, sound_file[0])
    assert not survives(sound_file, sound_file[0][: data.draw(st.integers(0, len(sound_file[0]) - 1))])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(["r", "lora_alpha", "target_modules", "rank_pattern", "alpha_pattern", "use_dora", "x"]),
       value=JSON)  # fmt: skip
def test_any_configuration_is_understood_or_refused(sound_file, key, value):
    content, _, path = sound_file
    path.write_bytes(content)
    tensors, metadata = load_file(path), header(path)
    raw = json.loads(metadata["angen.adapter_config"]) | {key: value}
    save_file(tensors, path, metadata={**metadata, "angen.adapter_config": json.dumps(raw)})
    survives(sound_file, path.read_bytes())


# Looking into one


def test_an_inspection_tells_how_much_each_target_changes(make_adapter, spec):
    folder = make_adapter(spec=replace(spec, rslora=True))
    seen = inspect_part(folder)
    assert (seen.rank, seen.alpha, seen.rslora, seen.dora, seen.is_trained) == (3, 6.0, True, False, True)
    assert seen.bytes == sum(path.stat().st_size for path in folder.iterdir())
    by_name = {target.target: target for target in seen.targets}
    assert len(by_name) == 7
    pairs = [pair for layer, pair in read_weights(folder).pairs.items() if layer.endswith(".q_proj")]
    norms = [float((pair.scale * pair.up @ pair.down).norm()) for pair in pairs]
    q = by_name["q_proj"]
    assert (q.layers, q.values) == (2, sum(pair.up.numel() + pair.down.numel() for pair in pairs))
    assert q.largest == pytest.approx(max(norms), rel=1e-5)
    assert q.norm == pytest.approx(sum(norm**2 for norm in norms) ** 0.5, rel=1e-5)


def test_an_inspection_tells_of_an_untrained_and_of_a_broken_adapter(make_adapter):
    folder = make_adapter()
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    save_file({k: v.zero_() if "lora_B" in k else v for k, v in tensors.items()}, path)
    assert not inspect_part(folder).is_trained
    next(iter(tensors.values()))[0, 0] = float("nan")
    save_file(tensors, path)
    assert "NaN" in inspect_part(folder).problem
