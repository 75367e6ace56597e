"""The packed weights, held to what a judge says of their music: slow, and run by CI."""

from dataclasses import replace

import numpy as np
import pytest
from recipes.angen_tiny.evaluate import BARS_S, CHORUS_S, FORM, novelty_at, plain_requests
from recipes.angen_tiny.judges import key_is_near, load_judge, tempo_is_close
from recipes.angen_tiny.prompts import FREE_FORM
from recipes.angen_tiny.styles import BASE_STYLES
from recipes.angen_tiny.theory import PITCH_NAMES

from angen.analysis import analyze_audio
from angen.audio import Audio
from angen.generation import GenerationRequest, generate, sample_latents
from angen.model import load_model

SECONDS = 7.68
PLAIN, FREE, TEMPO, KEY = 0.85, 0.75, 0.8, 0.6  # chance is 0.06; docs/experiments.md has what was measured


def _share_right(prompts: list[str]) -> float:
    requests = [GenerationRequest(text, SECONDS, seed) for seed, text in enumerate(prompts)]
    said = load_judge().styles(generate(load_model("angen-tiny"), requests))
    return float(np.mean([a == b for a, b in zip(said, BASE_STYLES, strict=True)]))


@pytest.mark.slow
def test_a_judge_tells_the_styles_that_were_asked_for() -> None:
    assert _share_right([f"{style} music" for style in BASE_STYLES]) >= PLAIN


@pytest.mark.slow
def test_a_piece_ends_when_asked() -> None:
    model = load_model("angen-tiny")
    plain = [
        GenerationRequest(f"{style} music", SECONDS, seed, tempo_bpm=120.0)
        for seed, style in enumerate(BASE_STYLES)
    ]
    ended = generate(model, [replace(request, ending=True) for request in plain])
    cut_off = generate(model, plain)
    assert float(np.median([_last_db(audio) for audio in ended])) < -15
    assert float(np.median([_last_db(audio) for audio in cut_off])) > -6


def _last_db(audio: Audio) -> float:
    """Level of the last half second against the whole."""
    last = audio.samples[:, -audio.rate_hz // 2 :]
    return float(10 * np.log10((np.mean(last**2) + 1e-9) / (np.mean(audio.samples**2) + 1e-9)))


@pytest.mark.slow
def test_stated_tempi_and_keys_are_heard_in_the_music() -> None:
    model, rng = load_model("angen-tiny"), np.random.default_rng(3)
    tempi = [float(rng.integers(84, 150)) for _ in BASE_STYLES]
    keys = [
        f"{PITCH_NAMES[int(rng.integers(12))]} {('major', 'minor')[int(rng.integers(2))]}"
        for _ in BASE_STYLES
    ]
    requests = [
        GenerationRequest(f"{style} in {key}", 2 * SECONDS, seed, tempo_bpm=tempo)
        for seed, (style, tempo, key) in enumerate(zip(BASE_STYLES, tempi, keys, strict=True))
    ]
    heard = [analyze_audio(audio) for audio in generate(model, requests)]
    kept = [tempo_is_close(one.tempo_bpm or 1.0, tempo) for one, tempo in zip(heard, tempi, strict=True)]
    near = [bool(one.key) and key_is_near(one.key or "", key) for one, key in zip(heard, keys, strict=True)]
    assert np.mean(kept) >= TEMPO
    assert np.mean(near) >= KEY


@pytest.mark.slow
def test_music_changes_where_a_chorus_follows_a_verse() -> None:
    model, plain = load_model("angen-tiny"), plain_requests()
    formed, loose = (
        np.mean([novelty_at(piece, BARS_S, CHORUS_S) for piece in sample_latents(model, requests)])
        for requests in ([replace(request, form=FORM) for request in plain], plain)
    )
    assert formed > 1.1 > loose


@pytest.mark.slow
def test_and_some_of_those_asked_for_in_free_words() -> None:
    assert _share_right([FREE_FORM[style][n % 8] for n, style in enumerate(BASE_STYLES)]) >= FREE
