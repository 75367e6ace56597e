"""Loading: what is checked, what is read when, what is refused, and the hub behind a local address."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from angen.errors import ModelError
from angen.model import AngenTiny, load_model
from angen.model.diffrhythm2 import FILES, DiffRhythm2
from angen.model.loading import (
    count_of,
    expect_shapes,
    fitting_dtype,
    free_memory,
    on_meta,
    shapes_of,
    size_bytes,
    stored_shapes,
)
from angen.model.network import FlowNetwork

FIXTURE = Path(__file__).parent / "fixture"
CPU = torch.device("cpu")
RELEASED = {
    "dim": 2048, "depth": 16, "heads": 16, "ff_mult": 4, "mel_dim": 64, "text_num_embeds": 1000,
    "block_size": 10,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        shutil.copy(FIXTURE / name, tmp_path / name)
    return tmp_path


def change_weights(folder, change):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def test_a_folder_of_the_release_is_a_model(folder):
    assert isinstance(load_model(str(folder)), DiffRhythm2)


def test_nothing_large_is_read_until_it_is_used(folder):
    model = DiffRhythm2(folder)
    assert not {"network", "decoder", "facts"} & vars(model).keys()
    (folder / "decoder.bin").unlink()
    assert len(list(model.network.parameters())) > 10  # it needs no decoder
    with pytest.raises(ModelError, match=r"decoder\.bin"):
        model.decode(torch.zeros(3, 8))


def test_the_weights_are_those_of_the_file(folder):
    network = DiffRhythm2(folder, dtype=torch.float32).network
    stored = load_file(folder / "model.safetensors")
    ours = network.state_dict()
    assert ours.keys() == {key for key in stored if ".projectors." not in key}
    assert all(torch.equal(ours[key], stored[key].float()) for key in ours)
    assert not any(weight.requires_grad for weight in network.parameters())


def test_heads_of_pre_training_are_not_read(folder):
    change_weights(folder, lambda x: [x.pop(key) for key in list(x) if ".projectors." in key])
    assert DiffRhythm2(folder).network.transformer.projectors is None


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}"):
        DiffRhythm2(folder)


def test_a_missing_weight_is_named(folder):
    change_weights(folder, lambda x: x.pop("transformer.proj_out.bias"))
    with pytest.raises(ModelError, match=r"1 missing \(transformer\.proj_out\.bias\)"):
        DiffRhythm2(folder)


def test_a_weight_too_many_is_named(folder):
    change_weights(folder, lambda x: x.update({"transformer.extra": torch.zeros(1)}))
    with pytest.raises(ModelError, match=r"1 unknown \(transformer\.extra\)"):
        DiffRhythm2(folder)


def test_a_weight_of_another_shape_is_named_with_both(folder):
    change_weights(folder, lambda x: x.update({"transformer.proj_out.bias": torch.zeros(9)}))
    with pytest.raises(ModelError, match=r"transformer\.proj_out\.bias \[9\] instead of \[8\]"):
        DiffRhythm2(folder)


def test_a_file_cut_off_is_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        DiffRhythm2(folder)


def test_a_decoder_of_another_shape_is_refused(folder):
    whole = torch.load(folder / "decoder.bin", weights_only=True)
    del whole["generator"]["conv_pre.bias"]
    torch.save(whole, folder / "decoder.bin")
    with pytest.raises(ModelError, match=r"1 missing \(conv_pre\.bias\)"):
        _ = DiffRhythm2(folder).decoder


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"dim": 97}, "dim 97"),
        ({"dim": "96"}, "dim"),
        ({"text_num_embeds": 100}, "text_embed"),
        ({"mel_dim": 9}, "channels"),
    ],
)
def test_a_configuration_that_makes_no_network_is_refused(folder, values, named):
    config = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(config | values))
    with pytest.raises(ModelError, match=named):
        DiffRhythm2(folder)


def test_unknown_settings_are_ignored(folder):
    config = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(config | {"colour": "green"}))
    assert DiffRhythm2(folder).network.block_frames == config["block_size"]


def test_the_released_size_without_a_byte_of_memory():
    shapes = shapes_of(on_meta(lambda: FlowNetwork(RELEASED)))
    assert count_of(shapes) == 1_078_559_808  # SPEC of the release, without the heads
    assert size_bytes(shapes, torch.bfloat16) == 2 * 1_078_559_808


def test_the_format_is_the_widest_that_fits():
    shapes = {"a": (1000, 1000)}

    def chosen(free, **how):
        return fitting_dtype(shapes, CPU, free_bytes=free, **{"prefers_half": False} | how)

    assert chosen(10_000_000) == torch.float32
    assert chosen(None) == torch.float32
    assert chosen(4_100_000) == torch.bfloat16
    assert chosen(10_000_000, prefers_half=True) == torch.bfloat16
    assert chosen(10_000_000, extra_bytes=6_000_000) == torch.bfloat16


def test_a_model_that_does_not_fit_is_refused_with_what_would():
    shapes = shapes_of(on_meta(lambda: FlowNetwork(RELEASED)))
    with pytest.raises(ModelError, match=r"needs 3\.0 GB .* 1\.0 GB are free") as refused:
        fitting_dtype(shapes, CPU, free_bytes=10**9, prefers_half=False, extra_bytes=523_000_000)
    assert "angen-tiny" in refused.value.remedy


def test_memory_is_stated_before_it_is_taken(folder):
    model = DiffRhythm2(folder, dtype=torch.bfloat16)
    stored = stored_shapes(folder / "model.safetensors")
    heads = {key: shape for key, shape in stored.items() if ".projectors." in key}
    assert model.memory.network == 2 * (count_of(stored) - count_of(heads))
    assert "network" not in vars(model)
    assert "bfloat16" in str(model.memory)


def test_free_memory_is_known_here():
    free = free_memory(CPU)
    assert free is not None
    assert 10**8 < free < 10**13


def test_shapes_are_compared_both_ways():
    expect_shapes({"a": (1,)}, {"a": (1,)}, "x")
    with pytest.raises(ModelError, match=r"1 missing .* 1 unknown"):
        expect_shapes({"a": (1,)}, {"b": (1,)}, "x")


def test_a_copy_of_the_embedded_model_is_still_one(small_model_folder):
    assert isinstance(load_model(str(small_model_folder)), AngenTiny)


class _Hub(http.server.BaseHTTPRequestHandler):
    """Speaks as much of the hub's language as a download needs, ranges included."""

    asked: list[str]
    missing: set[str]

    def log_message(self, *_args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        type(self).asked.append(f"{self.command} {self.path}")
        if "/api/models/" in self.path:
            return self.say_json()
        name = self.path.rsplit("/", 1)[-1]
        if name not in FILES or name in self.missing:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return None
        data = (FIXTURE / name).read_bytes()
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", "c" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[start:])
        return None

    def say_json(self):
        files = [
            {"rfilename": name, "size": (FIXTURE / name).stat().st_size}
            for name in FILES
            if name not in self.missing
        ]
        body = json.dumps({"id": "ASLP-lab/DiffRhythm2", "sha": "c" * 40, "siblings": files}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub():
    handler = type("Handler", (_Hub,), {"asked": [], "missing": set()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()
    thread.join()


def angen(tmp_path, endpoint, *words):
    """Angen in a process of its own, where the hub is another: the address is read when its client is imported."""
    place = {
        "HF_ENDPOINT": endpoint,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "hf"),
        "ANGEN_HOME": str(tmp_path / "home"),
    }
    return subprocess.run(
        [sys.executable, "-c", "from angen.cli import main; main()", *words],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, **place, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "*"},
    )  # fmt: skip


@pytest.mark.slow
def test_a_release_is_fetched_from_the_hub_once(tmp_path, hub):
    endpoint, handler = hub
    before = angen(tmp_path, endpoint, "model", "info", "diffrhythm2", "--json")
    assert json.loads(before.stdout)["is_ready"] is False
    assert handler.asked == []  # looking downloads nothing
    made = angen(tmp_path, endpoint, "model", "fetch", "diffrhythm2", "--json")
    assert made.returncode == 0, made.stderr
    folder = Path(json.loads(made.stdout)["folder"])
    for name in FILES:
        assert (folder / name).read_bytes() == (FIXTURE / name).read_bytes()
    assert sum(line.startswith("GET") and "/resolve/" in line for line in handler.asked) == len(FILES)
    assert DiffRhythm2(folder).network.block_frames == 5
    after = angen(tmp_path, endpoint, "model", "info", "diffrhythm2", "--json")
    assert json.loads(after.stdout)["folder"] == str(folder)


@pytest.mark.slow
def test_a_hub_that_lacks_a_file_or_is_not_there_is_an_error_with_a_remedy(tmp_path, hub):
    endpoint, handler = hub
    handler.missing.add("decoder.bin")
    for address, said in ((endpoint, "has no decoder.bin"), ("http://127.0.0.1:9", "could not be fetched")):
        failed = angen(tmp_path, address, "model", "fetch", "diffrhythm2", "--json")
        assert failed.returncode == 1
        assert said in json.loads(failed.stdout)["error"]["message"], failed.stdout


@pytest.mark.slow
def test_a_model_that_was_not_fetched_says_how(tmp_path):
    failed = angen(
        tmp_path, "http://127.0.0.1:9", "generate", "--model", "diffrhythm2", "--prompt", "pop", "--json"
    )
    error = json.loads(failed.stdout)["error"]
    assert (failed.returncode, error["type"]) == (1, "model")
    assert "angen model fetch diffrhythm2" in error["remedy"]
