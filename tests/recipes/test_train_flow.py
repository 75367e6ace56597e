import torch
from recipes.angen_tiny.train_flow import BARE, Told, begin_with

from angen.model.text import TABLE_DIMS, StyleEncoder

COUNT = 20_000


def _drawn(is_real: bool) -> Told:
    return Told.drawn(torch.full((COUNT,), is_real), torch.Generator().manual_seed(3))


def test_many_crops_are_told_nothing_but_their_prompt() -> None:
    told = _drawn(is_real=False)
    bare = ~(told.beats | told.form | told.key | told.tempo)
    assert abs(float(bare.float().mean()) - BARE) < 0.02


def test_most_others_are_told_where_the_beats_are() -> None:
    told = _drawn(is_real=False)
    assert abs(float(told.beats.float().mean()) - 0.9 * (1 - BARE)) < 0.02


def test_beats_of_recordings_are_told_less_often() -> None:
    composed, recorded = (float(_drawn(is_real).beats.float().mean()) for is_real in (False, True))
    assert abs(recorded / composed - 0.6) < 0.03


def test_each_fact_is_also_left_out_alone() -> None:
    told = _drawn(is_real=False)
    for name in ("beats", "form", "key", "tempo"):
        others = [getattr(told, other) for other in ("beats", "form", "key", "tempo") if other != name]
        assert bool((torch.stack(others).all(0) & ~getattr(told, name)).any()), name


def test_an_encoder_that_knew_shorter_sentences_goes_on_where_it_was():
    torch.manual_seed(0)
    former, parts = StyleEncoder(20), torch.nn.ModuleDict({"style": StyleEncoder(20)})
    with torch.no_grad():
        former.layers[0].weight[:, 128:TABLE_DIMS] = 0
    weights = {f"style.{name}": values.clone() for name, values in former.state_dict().items()}
    first = weights["style.layers.0.weight"]
    weights["style.layers.0.weight"] = torch.cat([first[:, :128], first[:, TABLE_DIMS:]], dim=1)
    begin_with(parts, weights, keep_style=False)
    told = torch.randn(3, TABLE_DIMS), torch.tensor([0.0, 90.0, 120.0]), torch.randint(20, (3, 5))
    assert torch.equal(parts["style"](*told), former(*told))
