from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.model.layout import block_mask, training_forward
from angen.model.sampler import SamplerSettings, sample_blocks


def lengths_mask(lengths, width):
    return torch.arange(width) < torch.tensor(lengths)[:, None]


def question(network, *, batch=2, blocks=3, words=(4, 2), seed=0, beats=False):
    """The arguments of a training pass, all frames music."""
    generator = torch.Generator().manual_seed(seed)
    frames, channels = blocks * network.block_frames, network.transformer.mel_dim
    valid = lengths_mask(words, max(words))

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "text_ids": torch.randint(0, 31, valid.shape, generator=generator) * valid,
        "text_valid": valid,
        "clean": draw(batch, frames, channels),
        "noisy": draw(batch, frames, channels),
        "times": torch.rand(batch, blocks, generator=generator).repeat_interleave(network.block_frames, 1),
        "style": draw(batch, 512),
        "frame_valid": torch.ones(batch, frames, dtype=torch.bool),
        "beats": draw(batch, frames, 7) if beats else None,
    }


def close(ours, theirs, atol=2e-5):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


# The mask


def may_see(row, column, words, frames, block_frames):
    """The rule of the training layout, spelt out for one pair of places."""

    def kind(place):
        if place < words:
            return "text", 0
        place -= words
        return ("clean" if place < frames else "noisy"), place % frames // block_frames

    (one, mine), (other, theirs) = kind(row), kind(column)
    if other == "text":
        return True
    if other == "clean":
        return (one == "clean" and theirs <= mine) or (one == "noisy" and theirs < mine)
    return one == "noisy" and theirs == mine


@given(
    words=st.lists(st.integers(0, 4), min_size=1, max_size=3),
    music=st.data(),
    frames=st.integers(1, 7),
    block_frames=st.integers(1, 4),
)
@settings(max_examples=30)
def test_the_mask_follows_the_rule_hides_padding_and_empties_no_row(words, music, frames, block_frames):
    kept = music.draw(
        st.lists(st.integers(1, frames), min_size=len(words), max_size=len(words)), label="valid frames"
    )
    text_valid, frame_valid = lengths_mask(words, max(words)), lengths_mask(kept, frames)
    mask = block_mask(text_valid, frame_valid, block_frames)
    size = max(words) + 2 * frames
    assert mask.shape == (len(words), 1, size, size)
    assert bool(mask.any(-1).all())
    real = torch.cat([text_valid, frame_valid, frame_valid], dim=1)
    for item, row, column in product(range(len(words)), range(size), range(size)):
        if not real[item, column]:
            assert bool(mask[item, 0, row, column]) <= (row == column)
        else:
            rule = may_see(row, column, max(words), frames, block_frames)
            assert bool(mask[item, 0, row, column]) == rule


# The training pass


@pytest.mark.parametrize("block", [0, 1, 2])
@pytest.mark.parametrize("part", ["clean", "noisy"])
def test_a_change_in_a_block_reaches_only_what_may_see_it(make_network, part, block):
    network = make_network()
    asked = question(network)
    before = network(**asked)
    span = slice(block * network.block_frames, (block + 1) * network.block_frames)
    asked[part] = asked[part].clone()
    asked[part][:, span] += 1.0
    moved = (network(**asked) - before).abs().unflatten(1, (3, -1)).amax((0, 2, 3))
    reached = [at > block if part == "clean" else at == block for at in range(3)]
    assert [float(size) > 1e-2 for size in moved] == reached
    assert all(float(size) <= 1e-6 for size, met in zip(moved, reached, strict=True) if not met)


def test_every_frame_of_a_block_sees_the_others(make_network):
    network = make_network()
    asked = question(network, blocks=1)
    before = network(**asked)
    asked["noisy"] = asked["noisy"].clone()
    asked["noisy"][:, -1] += 1.0
    assert bool(((network(**asked) - before).abs().amax(-1) > 1e-3).all())


@pytest.mark.parametrize("name", ["text_ids", "style", "times", "beats"])
def test_every_condition_is_heard(make_network, name):
    network = make_network(beat_dim=7)
    asked = question(network, beats=True, words=(4, 4))
    before = network(**asked)
    asked[name] = (asked[name] + 1) % 31 if name == "text_ids" else asked[name] * 0.5
    assert float((network(**asked) - before).abs().amax()) > 1e-2


def test_padding_of_the_text_is_not_seen(make_network):
    network = make_network()
    asked = question(network, words=(3, 3))
    before = network(**asked)
    asked["text_ids"] = torch.nn.functional.pad(asked["text_ids"], (0, 4), value=17)
    asked["text_valid"] = torch.nn.functional.pad(asked["text_valid"], (0, 4))
    close(network(**asked), before)


def test_padded_frames_are_not_seen(make_network):
    network = make_network()
    asked = question(network)
    short = {
        key: value[:, :6] if key in ("clean", "noisy", "times") else value for key, value in asked.items()
    }
    short["frame_valid"] = asked["frame_valid"][:, :6]
    asked["frame_valid"] = lengths_mask([6, 6], 9)
    close(network(**asked)[:, :6], network(**short))


def test_items_of_a_batch_do_not_meet(make_network):
    network = make_network(beat_dim=7)
    asked = question(network, batch=3, words=(4, 1, 2), beats=True)
    together = network(**asked)
    for item in range(3):
        close(
            network(**{key: value[item : item + 1] for key, value in asked.items()}),
            together[item : item + 1],
        )


def test_the_first_frame_moves_every_position_of_its_item(make_network):
    network = make_network()
    asked = question(network)
    at_start = network(**asked)
    moved = network(**asked, first_frame=torch.tensor([0, 50]))
    assert torch.equal(moved[0], at_start[0])
    assert float((moved[1] - at_start[1]).abs().amax()) > 1e-3


def test_without_text_only_distances_between_frames_count(make_network):
    network = make_network()
    asked = question(network, words=(0, 0))
    close(network(**asked, first_frame=torch.tensor([40, 7])), network(**asked), atol=2e-4)


# One pass equals the cached sampler


@pytest.mark.parametrize(
    ("words", "blocks", "guidance", "changes"),
    [
        ((4,), 3, 2.0, {}),
        ((4, 2, 1), 3, 1.5, {}),
        ((2, 5), 4, 0.0, {"block_size": 2, "depth": 3}),
        ((3, 6), 2, 2.0, {"beat_dim": 7}),
        ((0,), 3, 2.0, {"heads": 1}),
        ((2, 2), 3, 1.0, {"long_skip_connection": True, "ff_mult": 1, "dim": 48, "heads": 3}),
    ],
)
def test_one_pass_gives_what_the_cached_sampler_gives_block_by_block(
    make_network, words, blocks, guidance, changes
):
    network = make_network(5, **changes)
    size, batch, steps = network.block_frames, len(words), 3
    asked = question(network, batch=batch, blocks=blocks, words=words, beats="beat_dim" in changes)
    noise = asked["noisy"].unflatten(1, (blocks, size))
    velocities = {}
    songs = sample_blocks(
        network.transformer,
        text_ids=asked["text_ids"],
        text_valid=asked["text_valid"],
        style=asked["style"],
        frames=blocks * size,
        block_frames=size,
        settings=SamplerSettings(steps=steps, guidance_strength=guidance),
        noise=lambda block: noise[:, block],
        beats=asked["beats"],
        on_velocity=lambda block, step, velocity: velocities.__setitem__((block, step), velocity),
    )
    asked["clean"] = torch.stack(songs)
    null = {**asked, "text_ids": asked["text_ids"] * 0, "style": asked["style"] * 0}
    branches = [asked, null] if guidance else [asked]
    states = [noise[:, block] for block in range(blocks)]
    for step in range(steps):
        for number, branch in enumerate(branches):
            branch["noisy"] = torch.cat(states, dim=1)
            branch["times"] = torch.full(branch["times"].shape, step / steps)
            whole = network(**branch).unflatten(1, (blocks, size))
            for block in range(blocks):
                close(whole[:, block], velocities[block, step].unflatten(0, (-1, batch))[number], atol=5e-5)
        for block in range(blocks):
            drawn = velocities[block, step].unflatten(0, (-1, batch))
            guided = drawn[0] if not guidance else drawn[0] + guidance * (drawn[0] - drawn[1])
            states[block] = states[block] + guided / steps
    close(torch.cat(states, dim=1), asked["clean"])


def test_the_network_module_passes_its_block_size_on(make_network):
    network = make_network(block_size=2)
    asked = question(network)
    direct = training_forward(network.transformer, block_frames=2, **asked)
    assert torch.equal(network(**asked), direct)
