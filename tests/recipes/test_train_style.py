"""The style encoder's own training: what it must tell from captions, on composed labels without sound."""

import numpy as np
import pytest
import torch
from recipes.angen_tiny.captions import captions
from recipes.angen_tiny.compose import compose
from recipes.angen_tiny.prompts import FREE_FORM
from recipes.angen_tiny.styles import BASE_STYLES
from recipes.angen_tiny.train_style import (
    LENGTH,
    Reader,
    begun,
    bring_to_length,
    read,
    read_right,
    taught,
    train,
)

from angen.model.tiny import packaged_weights


@pytest.fixture(scope="module")
def reader():
    return Reader(packaged_weights())


@pytest.fixture(scope="module")
def known(reader):
    labels = []
    for number in range(108):
        rng = np.random.default_rng([5, number])
        piece = compose(rng, BASE_STYLES[number % 18], 15.36).labels
        labels.append({**piece.as_dict(), "captions": captions(piece, rng, 16)})
    return read(labels, reader)


@pytest.fixture(scope="module")
def trained(known):
    torch.manual_seed(0)
    return train(*known, passes=30)


def test_every_caption_stands_beside_what_is_true_of_its_clip(known):
    data, sizes = known
    assert sizes["style"] == 18
    assert data.ids.shape[0] == len(data.sentences) == len(data.instruments)
    assert torch.equal(data.answers["style"][::16], data.answers["style"][15::16])  # sixteen captions a clip
    assert bool((data.instruments.sum(1) >= 1).all())


def test_the_style_of_prompts_nobody_trained_on_is_told(trained, reader):
    assert read_right(*trained, reader) > 0.4  # chance is 0.06


def test_words_alone_and_the_sentence_alone_each_tell_something(trained, reader):
    encoder, heads = trained
    free = [(style, prompt) for style in BASE_STYLES for prompt in FREE_FORM[style]]
    wanted = torch.tensor([BASE_STYLES.index(style) for style, _ in free])
    ids, sentences, tempi = reader([prompt for _, prompt in free])
    for told in ((0 * sentences, tempi, ids), (sentences, tempi, 0 * ids)):
        said = heads["style"](encoder(*told)).argmax(1)
        assert float((said == wanted).float().mean()) > 0.25


def test_the_vectors_get_their_length_and_no_bias(trained, known):
    encoder, data = trained[0], known[0]
    bring_to_length(encoder, data)
    vectors = encoder(data.sentences[::7], data.tempi[::7], data.ids[::7]).detach()
    assert float(vectors.mean(0).abs().max()) < 1e-3
    assert float(vectors.square().mean().sqrt()) == pytest.approx(LENGTH, rel=1e-3)


def _state_of(encoder, folder):
    """The state of a flow with this encoder."""
    mean = {f"style.{name}": value for name, value in encoder.state_dict().items()}
    torch.save({"mean": mean}, folder / "state.pt")
    return folder / "state.pt"


def test_an_encoder_taught_further_reads_on_and_stays_near_what_a_flow_has_learnt(
    trained, known, reader, tmp_path
):
    former = trained[0]
    start = begun(_state_of(former, tmp_path))
    data, sizes = known
    told = data.sentences[::7], data.tempi[::7], data.ids[::7]
    before = start(*told).detach()
    assert torch.allclose(before, former(*told))
    encoder, heads = taught(start, data, sizes, passes=10)
    moved = (encoder(*told).detach() - before).square().mean() / before.square().mean()
    assert 0 < float(moved) < 0.5
    assert read_right(encoder, heads, reader) > 0.4


def test_words_that_an_encoder_did_not_know_begin_at_zero(tmp_path):
    from angen.model.text import StyleEncoder

    small = StyleEncoder(50)
    grown = begun(_state_of(small, tmp_path))
    assert torch.equal(grown.words.weight[:51], small.words.weight)
    assert not grown.words.weight[51:].any()
