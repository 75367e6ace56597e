import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from angen.errors import ModelError
from angen.model.flow import draw_times, masked_loss, mix

TIME = st.floats(0, 1, width=32)


def pair(seed, shape=(2, 3, 4)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


@given(seed=st.integers(0, 1000), time=TIME)
def test_walking_along_the_velocity_reaches_the_music_and_back_the_noise(seed, time):
    clean, noise = pair(seed)
    times = torch.full((2, 3), time)
    noisy, velocity = mix(clean, noise, times)
    torch.testing.assert_close(noisy + (1 - times[..., None]) * velocity, clean, rtol=0, atol=1e-5)
    torch.testing.assert_close(noisy - times[..., None] * velocity, noise, rtol=0, atol=1e-5)


def test_time_0_is_noise_and_time_1_is_music():
    clean, noise = pair(0)
    assert torch.equal(mix(clean, noise, torch.zeros(2, 3))[0], noise)
    assert torch.equal(mix(clean, noise, torch.ones(2, 3))[0], clean)


@given(seed=st.integers(0, 1000), one=TIME, other=TIME)
def test_the_velocity_is_the_same_everywhere_on_the_path(seed, one, other):
    clean, noise = pair(seed)
    velocities = [mix(clean, noise, torch.full((2, 3), time))[1] for time in (one, other)]
    assert torch.equal(*velocities)


def test_each_frame_has_its_own_time():
    clean, noise = torch.zeros(1, 2, 1), torch.ones(1, 2, 1)
    assert mix(clean, noise, torch.tensor([[0.25, 0.75]]))[0].flatten().tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    "shapes",
    [((2, 3, 4), (2, 3, 1), (2, 3)), ((2, 3, 4), (2, 3, 4), (2, 1)), ((2, 3, 4), (2, 3, 4), (2, 3, 4))],
)
def test_shapes_that_do_not_agree_are_refused(shapes):
    with pytest.raises(ModelError, match="clean"):
        mix(*(torch.zeros(shape) for shape in shapes))


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_the_loss_is_the_mean_over_valid_frames_alone(lengths, seed):
    predicted, velocity = pair(seed, (len(lengths), 6, 3))
    valid = torch.arange(6) < torch.tensor(lengths)[:, None]
    losses = masked_loss(predicted, velocity, valid)
    assert losses.dtype == torch.float32
    for item, length in enumerate(lengths):
        alone = ((predicted[item, :length] - velocity[item, :length]) ** 2).mean()
        torch.testing.assert_close(losses[item], alone)


def test_padding_has_no_gradient_even_where_it_is_not_a_number():
    predicted, velocity = pair(3, (1, 4, 2))
    velocity[0, 2:] = float("nan")
    predicted.requires_grad_()
    loss = masked_loss(predicted, velocity, torch.tensor([[True, True, False, False]]))
    loss.sum().backward()
    assert bool(torch.isfinite(loss).all())
    assert bool((predicted.grad[0, :2] != 0).all())
    assert bool((predicted.grad[0, 2:] == 0).all())


def test_the_loss_of_half_precision_is_taken_in_float32():
    predicted = torch.full((1, 1, 4096), 300.0, dtype=torch.float16)
    assert masked_loss(predicted, torch.zeros(1, 1, 4096), torch.ones(1, 1, dtype=torch.bool)).item() == 90000


def times(seed=0, count=4000, **how):
    return draw_times(count, 5, torch.Generator().manual_seed(seed), **how)


def test_times_come_from_the_generator_given_and_differ_between_blocks():
    assert torch.equal(times(), times())
    assert not torch.equal(times(), times(seed=1))
    drawn = times()
    assert drawn.shape == (4000, 5)
    assert abs(float(torch.corrcoef(drawn[:, :2].T)[0, 1])) < 0.06


def test_uniform_times_are_uniform():
    drawn = times()
    assert 0 <= float(drawn.min()) < 0.01
    assert 0.99 < float(drawn.max()) <= 1
    for share in (0.1, 0.25, 0.5, 0.9):
        assert float((drawn < share).float().mean()) == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.7])
def test_logit_normal_times_have_a_normal_logit_around_the_shift(shift):
    logits = torch.logit(times(distribution="logit-normal", shift=shift).double())
    assert float(logits.mean()) == pytest.approx(shift, abs=0.03)
    assert float(logits.std()) == pytest.approx(1, abs=0.03)


def test_an_unknown_distribution_is_refused():
    with pytest.raises(ModelError, match="'beta'"):
        times(distribution="beta")
