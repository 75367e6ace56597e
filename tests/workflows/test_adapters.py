"""Adapters of a workspace, merged, combined, sent out and taken in, with a real small model."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from angen.adapters import held, list_adapters, read_info
from angen.adapters.lora import AppliedAdapter, LoraSpec, applied, attach, detach
from angen.errors import AdapterError
from angen.generation import GenerationRequest, sample_latents
from angen.model import load_model
from angen.workflows.adapters import (
    combine_adapters,
    export_adapter,
    import_adapter,
    inspect_adapter,
    merge_into_base,
)
from angen.workflows.generate import AdapterChoice, find_adapter, generate_music

REQUEST = GenerationRequest("calypso, 112 bpm", seconds=1.0, steps=2, guidance=1.0, noise_scale=1.0)


def drawn(model, adapters=()):
    with applied(model.network, adapters):
        return sample_latents(model, [REQUEST])[0]


def best(settings, name, strength=1.0):
    return AppliedAdapter(settings.loras / name / "best", strength)


@pytest.fixture
def two(small, make_adapter):
    make_adapter(small, "one", licence="CC-BY-SA-4.0", share_alike=True, non_commercial=False,
                 trigger_words=("steel",), attribution=("A",), type="vocal")  # fmt: skip
    make_adapter(small, "twice", licence="CC-BY-NC-4.0", share_alike=False, non_commercial=True,
                 attribution=("A", "B"), type="vocal")  # fmt: skip
    return [AdapterChoice("one", 0.8), AdapterChoice("twice", -0.5)]


def test_a_merged_base_is_a_model_that_sounds_as_the_adapters_do(small, settings, two, tmp_path):
    out = tmp_path / "steel-base"
    weights = {name: weight.clone() for name, weight in small.network.state_dict().items()}
    made = merge_into_base(settings, small, two, out)
    assert all(torch.equal(weight, weights[name]) for name, weight in small.network.state_dict().items())
    model = load_model(str(out))
    assert (made.id, made.base_hash, made.licence) == (
        model.facts.id,
        model.facts.base_hash,
        model.facts.licence,
    )
    assert made.id == "steel-base"
    assert made.base_hash != small.facts.base_hash
    assert made.licence == f"{small.facts.licence} AND CC-BY-NC-4.0" or "CC-BY-NC-4.0" in made.licence
    assert model.facts.codec_hash == small.facts.codec_hash  # latents of the base serve it too
    heard = drawn(small, [best(settings, "one", 0.8), best(settings, "twice", -0.5)])
    torch.testing.assert_close(drawn(model), heard, rtol=0, atol=2e-3)
    assert float((drawn(small) - heard).abs().max()) > 0.05
    told = json.loads((out / "MERGED.json").read_text())
    assert told["base_hash"] == small.facts.base_hash
    assert (told["non_commercial"], told["share_alike"], told["attribution"]) == (True, True, ["A", "B"])
    assert [(parent["name"], parent["strength"]) for parent in told["adapters"]] == [
        ("one", 0.8),
        ("twice", -0.5),
    ]
    hashes = json.loads((out / "hashes.json").read_text())
    assert hashes.keys() == {path.name for path in out.iterdir()} - {"hashes.json"}


def test_a_merged_base_takes_adapters_of_its_own_and_refuses_those_it_is_made_of(
    small, settings, two, tmp_path
):
    merge_into_base(settings, small, two, tmp_path / "steel-base")
    model = load_model(str(tmp_path / "steel-base"))
    with pytest.raises(AdapterError, match="was trained on"):
        find_adapter(settings, "one", model)
    before = drawn(model)
    wrapped = attach(model.network, LoraSpec(2, 4.0, 0.0, model.facts.lora_targets), seed=0)
    assert torch.equal(drawn_with_attached(model), before)
    detach(wrapped)
    generate_music(settings, model, REQUEST, out=tmp_path / "song.wav")
    assert json.loads((tmp_path / "song.wav.json").read_text())["model"] == "steel-base"


def drawn_with_attached(model):
    model.network.eval()
    return sample_latents(model, [REQUEST])[0]


@pytest.mark.parametrize("wrong", ["nothing", "strength 0", "taken", "unknown"])
def test_a_merge_that_cannot_be_leaves_nothing(small, settings, two, tmp_path, wrong):
    out = tmp_path / "merged" / "base"
    if wrong == "taken":
        out.mkdir(parents=True)
    choices = {"nothing": [], "strength 0": [AdapterChoice("one", 0.0)], "taken": two,
               "unknown": [AdapterChoice("one"), AdapterChoice("nobody")]}  # fmt: skip
    with pytest.raises(AdapterError) as refusal:
        merge_into_base(settings, small, choices[wrong], out)
    assert refusal.value.remedy
    assert not out.exists() or not list(out.iterdir())


def test_a_combination_is_an_adapter_that_names_its_parents(small, settings, two):
    made = combine_adapters(settings, small, two, "both")
    info = read_info(made.folder)
    assert (info.origin, info.state, info.base_hash) == ("combined", "finished", small.facts.base_hash)
    assert [(parent.name, parent.strength) for parent in info.parents] == [("one", 0.8), ("twice", -0.5)]
    assert (info.non_commercial, info.share_alike, info.attribution) == (True, True, ("A", "B"))
    assert (info.licence, info.type) == ("CC-BY-NC-4.0 AND CC-BY-SA-4.0", "vocal")
    assert (info.validation_loss_base, info.validation_gain) == (None, None)
    both = [best(settings, "one", 0.8), best(settings, "twice", -0.5)]
    torch.testing.assert_close(drawn(small, [best(settings, "both")]), drawn(small, both), rtol=0, atol=2e-3)
    with pytest.raises(AdapterError, match="already"):
        combine_adapters(settings, small, two, "both")
    with pytest.raises(AdapterError, match="no adapter"):
        combine_adapters(settings, small, [AdapterChoice("nobody")], "third")
    assert sorted(info.name for info in list_adapters(settings.loras)) == ["both", "one", "twice"]
    assert combine_adapters(settings, small, two, "small", rank=1).combined.rank == 1


@pytest.mark.parametrize("layout", ["peft", "kohya"])
def test_an_adapter_travels_to_another_workspace_and_sounds_the_same(small, settings, two, tmp_path, layout):
    from angen.settings import Settings

    file = export_adapter(settings, "one", tmp_path / "sent.safetensors", layout=layout)
    other = Settings(tmp_path / "elsewhere")
    info = import_adapter(other, small, file)
    there = read_info(settings.loras / "one")
    assert info == there.model_copy(update={"origin": "imported"})
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (other.loras / "one" / "best" / name).read_bytes() == (
            settings.loras / "one" / "best" / name
        ).read_bytes()
    assert torch.equal(drawn(small, [best(other, "one")]), drawn(small, [best(settings, "one")]))
    with pytest.raises(AdapterError, match="already"):
        import_adapter(other, small, file)
    assert import_adapter(other, small, file, rename=True).name == "one-2"
    assert import_adapter(other, small, file, name="mine").name == "mine"
    with pytest.raises(AdapterError, match="cannot name"):
        import_adapter(other, small, file, name="../mine")


def test_a_wrong_base_is_refused_with_the_reason(small, settings, make_adapter, tmp_path):
    make_adapter(small, "old", base_hash="f" * 64)
    file = export_adapter(settings, "old", tmp_path / "old.safetensors")
    for assume in (False, True):  # what it says is not overruled
        with pytest.raises(AdapterError, match=r"trained on angen-tiny ffffffffffff, and this is angen-tiny"):
            import_adapter(settings, small, file, name="new", assume_base=assume)
    make_adapter(small, "foreign", base="diffrhythm2")
    export_adapter(settings, "foreign", file)
    with pytest.raises(AdapterError, match="trained on diffrhythm2"):
        import_adapter(settings, small, file, name="new")
    with pytest.raises(AdapterError, match="trained on diffrhythm2"):
        find_adapter(settings, "foreign", small)
    assert not (settings.loras / "new").exists()


def test_a_strangers_adapter_comes_in_only_if_its_base_is_vouched_for(small, settings, two, tmp_path):
    folder = settings.loras / "one" / "best"
    with pytest.raises(AdapterError, match="does not say which base"):
        import_adapter(settings, small, folder, name="new")
    info = import_adapter(settings, small, folder, name="new", assume_base=True)
    assert (info.origin, info.validation_gain, info.base_hash) == ("imported", None, small.facts.base_hash)
    assert torch.equal(drawn(small, [best(settings, "new")]), drawn(small, [best(settings, "one")]))


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "..", "", "con\x1b[31m", "a" * 5000])
def test_a_name_inside_a_file_never_is_a_path(small, settings, two, tmp_path, name):
    file = export_adapter(settings, "one", tmp_path / "one.safetensors")
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    metadata["angen.info"] = json.dumps(json.loads(metadata["angen.info"]) | {"name": name})
    save_file(load_file(file), file, metadata=metadata)
    before = sorted(path.name for path in tmp_path.iterdir())
    info = import_adapter(settings, small, file)
    assert (settings.loras / info.name).parent == settings.loras
    assert (settings.loras / info.name / "best").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_refused_import_leaves_nothing(small, settings, two, tmp_path):
    file = export_adapter(settings, "one", tmp_path / "one.safetensors")
    file.write_bytes(file.read_bytes()[:-50])
    before = sorted(settings.loras.rglob("*"))
    with pytest.raises(AdapterError, match="cannot be read"):
        import_adapter(settings, small, file, name="new")
    assert sorted(settings.loras.rglob("*")) == before


def test_an_inspection_says_everything_and_json_can_hold_it(small, settings, two):
    (settings.loras / "one" / "checkpoints" / "step_000001").mkdir(parents=True)
    (settings.loras / "one" / "report").mkdir()
    (settings.loras / "one" / "report" / "index.html").touch()
    known = json.loads(json.dumps(inspect_adapter(settings, "one"), allow_nan=False))
    assert (known["validation_gain"], known["in_use"]) == (0.5, False)
    assert (known["checkpoints"], known["reports"]) == (["step_000001"], ["report/index.html"])
    (part,) = known["parts"]
    assert (part["part"], part["rank"], part["is_trained"], len(part["targets"])) == ("best", 2, True, 7)
    with held(settings.loras, "one", "generation"):
        assert inspect_adapter(settings, "one")["in_use"]
