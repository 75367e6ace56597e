import torch
from recipes.angen_tiny.train_flow import BARE, Told

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
