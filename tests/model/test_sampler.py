import pytest
import torch

from angen.errors import GenerationError
from angen.model.sampler import SamplerSettings, sample_blocks

PLAIN = SamplerSettings(steps=2, guidance_strength=1.0)


class Asked:
    """Songs to draw: text, style and noise for a batch."""

    def __init__(self, network, batch=2, blocks=3, words=(4, 2), seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.network, self.blocks = network, blocks
        self.valid = torch.arange(max(words)) < torch.tensor(words)[:, None]
        self.ids = torch.randint(1, 31, self.valid.shape, generator=generator) * self.valid
        self.style = torch.randn(batch, 512, generator=generator)
        shape = (blocks, batch, network.block_frames, network.transformer.mel_dim)
        self.noise = torch.randn(shape, generator=generator)

    def draw(self, settings=PLAIN, *, items=slice(None), frames=None, **how):
        return sample_blocks(
            self.network.transformer,
            text_ids=self.ids[items],
            text_valid=self.valid[items],
            style=self.style[items],
            frames=self.blocks * self.network.block_frames if frames is None else frames,
            block_frames=self.network.block_frames,
            settings=settings,
            noise=lambda block: self.noise[block, items],
            **how,
        )


@pytest.fixture
def asked(make_network):
    return Asked(make_network())


def close(ours, theirs, atol=5e-5):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"guidance_strength": -1},
        {"guidance_interval": (0.5, 0.5)},
        {"guidance_interval": (-0.1, 0.5)},
        {"guidance_interval": (0.5, 1.1)},
        {"guidance_rescale": 1.1},
        {"history_blocks": -1},
        {"noise_scale": 0},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(GenerationError, match="out of range"):
        SamplerSettings(**wrong)


def test_songs_of_a_batch_are_what_they_are_alone(asked):
    together = asked.draw()
    for item in range(2):
        close(asked.draw(items=slice(item, item + 1))[0], together[item])


@pytest.mark.parametrize("frames", [1, 3, 4, 8, 9])
def test_a_shorter_song_is_the_start_of_a_longer_one(asked, frames):
    long, short = asked.draw(), asked.draw(frames=frames)
    for one, other in zip(long, short, strict=True):
        assert other.shape == (frames, 4)
        close(other, one[:frames])


def test_one_step_goes_straight_along_the_first_velocity(asked):
    seen = []
    settings = SamplerSettings(steps=1, guidance_strength=0, noise_scale=1.3)
    song = asked.draw(settings, frames=3, on_velocity=lambda block, step, velocity: seen.append(velocity))
    close(torch.stack(song), asked.noise[0] * 1.3 + seen[0])


def test_guidance_pushes_away_from_the_null_velocity(asked):
    seen = []
    settings = SamplerSettings(steps=1, guidance_strength=1.5)
    song = asked.draw(settings, frames=3, on_velocity=lambda block, step, velocity: seen.append(velocity))
    prompted, null = seen[0].chunk(2)
    assert float((prompted - null).abs().max()) > 1e-2
    close(torch.stack(song), asked.noise[0] + 2.5 * prompted - 1.5 * null)


@pytest.mark.parametrize(
    ("interval", "guided"),
    [((0.0, 1.0), [0, 1, 2, 3]), ((0.25, 0.75), [1, 2]), ((0.1, 0.5), [1]), ((0.8, 1.0), [])],
)
def test_guidance_acts_within_its_interval_and_costs_nothing_outside(asked, interval, guided):
    seen = {}
    settings = SamplerSettings(steps=4, guidance_strength=1.5, guidance_interval=interval)
    songs = asked.draw(
        settings, on_velocity=lambda block, step, velocity: seen.update({(block, step): velocity})
    )
    assert sorted({step for (_, step), branches in seen.items() if len(branches) == 4}) == guided
    for block in range(3):
        x = asked.noise[block]
        for step in range(4):
            branches = seen[block, step]
            prompted, null = branches[:2], branches[-2:]  # the same where a step is not guided
            x = x + 0.25 * (prompted + 1.5 * (prompted - null))
        close(torch.stack(songs)[:, 3 * block : 3 * block + 3], x)


@pytest.mark.parametrize("rescale", [0.4, 1.0])
def test_rescaling_brings_guided_music_back_to_the_spread_of_the_prompted(asked, rescale):
    def ends(settings):
        seen = []
        song = asked.draw(settings, frames=3, on_velocity=lambda block, step, velocity: seen.append(velocity))
        return torch.stack(song), asked.noise[0] + seen[0][:2]

    guided, prompted = ends(SamplerSettings(steps=1, guidance_strength=3.0))
    rescaled, _ = ends(SamplerSettings(steps=1, guidance_strength=3.0, guidance_rescale=rescale))
    gain = 1 + rescale * (prompted.std(dim=(1, 2), keepdim=True) / guided.std(dim=(1, 2), keepdim=True) - 1)
    assert float((gain - 1).abs().min()) > 1e-2
    close(rescaled, gain * guided)


def test_rescaling_changes_nothing_where_a_step_is_not_guided(asked):
    plain, rescaled = (
        asked.draw(SamplerSettings(steps=2, guidance_strength=0, guidance_rescale=rescale))
        for rescale in (0, 1)
    )
    assert all(map(torch.equal, plain, rescaled))


def test_the_branches_of_a_song_stay_apart_where_no_step_is_guided(asked):
    """The null branch, which is still kept along, is not heard."""
    unheard = SamplerSettings(steps=2, guidance_strength=3.0, guidance_interval=(0.9, 1.0))
    plain = SamplerSettings(steps=2, guidance_strength=0.0)
    close(torch.stack(asked.draw(unheard)), torch.stack(asked.draw(plain)))


def test_the_null_branch_hears_neither_text_nor_style(asked):
    def null():
        seen = []
        asked.draw(frames=3, on_velocity=lambda block, step, velocity: seen.append(velocity.chunk(2)[1]))
        return seen[0]

    before = null()
    asked.ids, asked.style = asked.ids.flip(0) * asked.valid, asked.style * -2
    close(null(), before)


def test_the_null_branch_may_be_told_less_of_each_frame(make_network):
    asked = Asked(make_network(beat_dim=3))
    with torch.no_grad():
        asked.network.transformer.beat_embed.weight.normal_(std=0.1)
    told = torch.randn(2, 3 * asked.network.block_frames, 3, generator=torch.Generator().manual_seed(1))
    plain = asked.draw(beats=told)
    assert all(map(torch.equal, plain, asked.draw(beats=told, null_beats=told.clone())))
    led = asked.draw(beats=told, null_beats=torch.zeros_like(told))
    assert all(float((ours - theirs).abs().max()) > 1e-3 for ours, theirs in zip(led, plain, strict=True))
    unguided = SamplerSettings(steps=2, guidance_strength=0.0)
    alone = asked.draw(unguided, beats=told)
    assert all(map(torch.equal, alone, asked.draw(unguided, beats=told, null_beats=torch.zeros_like(told))))


def test_a_guidance_too_small_to_matter_costs_no_second_branch(asked):
    sizes = set()
    asked.draw(
        SamplerSettings(steps=1, guidance_strength=1e-6),
        on_velocity=lambda block, step, velocity: sizes.add(len(velocity)),
    )
    assert sizes == {2}


def past_lengths(network, draw):
    """How many keys each pass over a block could look back at."""
    lengths = []
    forward = network.transformer.forward

    def spy(tokens, style, times, positions, mask=None, past=None):
        lengths.append(0 if past is None else past[0][0].shape[2])
        return forward(tokens, style, times, positions, mask, past)

    network.transformer.forward = spy
    try:
        draw()
    finally:
        del network.transformer.forward
    return lengths


@pytest.mark.parametrize(("limit", "blocks_seen"), [(0, 3), (1, 1), (2, 2), (9, 3)])
def test_the_history_limit_bounds_what_a_block_sees(make_network, limit, blocks_seen):
    network = make_network()
    asked = Asked(network, blocks=4)
    settings = SamplerSettings(steps=1, guidance_strength=0, history_blocks=limit)
    assert max(past_lengths(network, lambda: asked.draw(settings))) == 4 + 3 * blocks_seen


def test_a_history_limit_longer_than_the_song_changes_nothing(asked):
    limited = SamplerSettings(steps=2, guidance_strength=1.0, history_blocks=3)
    assert torch.equal(torch.stack(asked.draw(limited)), torch.stack(asked.draw()))


def test_with_a_history_limit_the_latest_blocks_are_kept(make_network):
    network = make_network(depth=1)  # one layer: nothing older comes through the keys themselves
    asked = Asked(network, blocks=3)
    seen = {}
    settings = SamplerSettings(steps=1, guidance_strength=0, history_blocks=1)
    songs = asked.draw(settings, on_velocity=lambda block, step, velocity: seen.__setitem__(block, velocity))
    transformer, size = network.transformer, 3
    middle = torch.stack(songs)[:, size : 2 * size]
    tokens = torch.cat(
        [
            transformer.embed_text(asked.ids),
            transformer.embed_latents(torch.cat([middle, asked.noise[2]], dim=1)),
        ],
        dim=1,
    )
    times = torch.tensor([-1.0] * 4 + [1.0] * size + [0.0] * size).expand(2, -1)
    positions = torch.cat([torch.arange(4), torch.arange(size, 3 * size)])
    mask = torch.cat([asked.valid, torch.ones(2, 2 * size, dtype=torch.bool)], dim=1)[:, None, None]
    velocity, _ = transformer(tokens, asked.style, times, positions, mask)
    close(velocity[:, -size:], seen[2])


def test_progress_is_counted_in_steps_and_may_cancel(asked):
    counts = []
    asked.draw(on_step=lambda done, total: counts.append((done, total)))
    assert counts == [(done, 6) for done in range(1, 7)]

    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked.draw(on_step=cancel)


@pytest.fixture
def still(make_network):
    """A network without any velocity: every block is its noise, so a test can write the end of a song."""
    network = make_network()
    torch.nn.init.zeros_(network.transformer.proj_out.weight)
    torch.nn.init.zeros_(network.transformer.proj_out.bias)
    return Asked(network)


def test_each_song_of_a_batch_ends_at_its_own_end(still):
    still.noise[0, 0, 1:] = 1.0  # two end frames in the first block of the first song
    still.noise[1, 1, 2:] = 1.0
    settings = SamplerSettings(steps=1, guidance_strength=0, stop_at_end=True)
    assert [len(song) for song in still.draw(settings)] == [1, 5]
    dropping = SamplerSettings(steps=1, guidance_strength=0, stop_at_end=True, keep_last_frame=False)
    assert [len(song) for song in still.draw(dropping)] == [0, 4]


def test_drawing_stops_once_all_songs_have_ended(still):
    still.noise[0, :, 1:] = 1.0
    blocks = set()
    settings = SamplerSettings(steps=1, guidance_strength=0, stop_at_end=True)
    still.draw(settings, on_velocity=lambda block, step, velocity: blocks.add(block))
    assert blocks == {0}


def test_end_frames_are_plain_music_where_songs_have_no_end(still):
    still.noise[0, :, 1:] = 1.0
    settings = SamplerSettings(steps=1, guidance_strength=0)
    assert [len(song) for song in still.draw(settings)] == [9, 9]
