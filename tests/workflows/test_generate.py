from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from angen.audio import Audio, read_audio
from angen.errors import AdapterError, GenerationError
from angen.generation import GenerationRequest
from angen.settings import Settings
from angen.workflows.generate import (
    PEAK,
    SUFFIXES,
    AdapterChoice,
    GeneratedMusic,
    generate_music,
    peak_limited,
    with_adapter_defaults,
)

MakeAdapter = Callable[..., Path]
REQUEST = GenerationRequest("happy calypso", 1.5, seed=3, steps=2)


@pytest.fixture
def play(settings: Settings, small: Any, tmp_path: Path) -> Callable[..., GeneratedMusic]:
    """`play(name of the file, *choices, request=...)`."""

    def start(name: str, *choices: str, request: GenerationRequest = REQUEST) -> GeneratedMusic:
        adapters = [AdapterChoice.parse(choice) for choice in choices]
        return generate_music(settings, small, request, adapters, out=tmp_path / "music" / name)

    return start


Play = Callable[..., GeneratedMusic]


class TestChoice:
    @pytest.mark.parametrize(
        ("text", "name", "strength"),
        [
            ("calypso", "calypso", 1.0),
            ("calypso:0.7", "calypso", 0.7),
            ("calypso:0", "calypso", 0.0),
            (" calypso:2 ", "calypso", 2.0),
            ("my-songs_2:-0.5", "my-songs_2", -0.5),
            ("été:1.5", "été", 1.5),
        ],
    )
    def test_it_is_read(self, text: str, name: str, strength: float) -> None:
        assert AdapterChoice.parse(text) == AdapterChoice(name, strength)

    @pytest.mark.parametrize(
        "text", ["", ":", ":1", "calypso:", "calypso:much", "a:1:2", "a:nan", "a:1e9", "a:--1"]
    )
    def test_what_is_no_choice_is_refused(self, text: str) -> None:
        with pytest.raises(AdapterError, match=r"NAME:STRENGTH"):
            AdapterChoice.parse(text)

    @pytest.mark.parametrize("text", ["calypso:2.1", "calypso:-3"])
    def test_a_strength_beyond_2_is_refused(self, text: str) -> None:
        with pytest.raises(AdapterError, match="out of range"):
            AdapterChoice.parse(text)


class TestFiles:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_a_sound_and_how_it_was_made_are_written(
        self, play: Play, small: Any, make_adapter: MakeAdapter, suffix: str
    ) -> None:
        make_adapter(small, "mine")
        made = play(f"song{suffix}", "mine:0.5")
        assert sorted(path.name for path in made.path.parent.iterdir()) == [
            f"song{suffix}",
            f"song{suffix}.json",
        ]
        written = read_audio(made.path)
        assert written.duration_s == pytest.approx(1.5, abs=0.1)
        if suffix in (".wav", ".flac"):
            assert written.samples.shape == made.audio.samples.shape == (1, 36_000)
            np.testing.assert_allclose(written.samples, made.audio.samples, atol=2e-4)
        told = json.loads(made.path.with_name(f"song{suffix}.json").read_text())
        assert told["model"] == small.facts.id
        assert told["base_hash"] == small.facts.base_hash
        assert told["adapters"] == [{"name": "mine", "strength": 0.5}]
        assert GenerationRequest(**told["request"]) == made.request

    def test_the_json_makes_the_same_music_again(
        self, play: Play, small: Any, make_adapter: MakeAdapter
    ) -> None:
        make_adapter(small, "mine")
        first = play("first.wav", "mine")
        told = json.loads(first.path.with_name("first.wav.json").read_text())
        choices = [f"{adapter['name']}:{adapter['strength']}" for adapter in told["adapters"]]
        again = play("again.wav", *choices, request=GenerationRequest(**told["request"]))
        assert again.path.read_bytes() == first.path.read_bytes()

    @pytest.mark.parametrize("name", ["song", "song.aiff", "song.wav.txt", ".wav"])
    def test_a_name_without_a_known_suffix_is_refused_before_anything(
        self, play: Play, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(GenerationError, match="does not say its format"):
            play(name)
        assert not (tmp_path / "music").exists()

    def test_without_a_name_each_gets_a_new_one_in_outputs(self, settings: Settings, small: Any) -> None:
        one, two = (generate_music(settings, small, REQUEST) for _ in range(2))
        assert one.path != two.path
        assert one.path.parent.parent == settings.outputs
        assert one.path.is_file()
        assert two.path.is_file()

    def test_loud_music_is_turned_down_and_quiet_left_alone(self) -> None:
        loud = Audio(np.array([[0.5, -2.0, 1.0]], np.float32), 24_000)
        np.testing.assert_allclose(peak_limited(loud).samples, [[PEAK / 4, -PEAK, PEAK / 2]], rtol=1e-6)
        quiet = Audio(np.array([[0.1, -0.96]], np.float32), 24_000)
        assert peak_limited(quiet) is quiet
        silent = Audio(np.zeros((1, 3), np.float32), 24_000)
        assert peak_limited(silent) is silent


class TestAdapters:
    def test_one_acts_by_its_strength_and_0_is_the_base(
        self, play: Play, small: Any, make_adapter: MakeAdapter
    ) -> None:
        make_adapter(small, "mine", noise_scale=small.facts.noise_scale, tempo_bpm=None)
        base = play("base.wav").path.read_bytes()
        assert play("none.wav", "mine:0").path.read_bytes() == base
        sounds = {
            play(f"{choice[-1]}.wav", choice).path.read_bytes() for choice in ("mine", "mine:0.5", "mine:-1")
        }
        assert len(sounds | {base}) == 4

    def test_several_act_together(self, play: Play, small: Any, make_adapter: MakeAdapter) -> None:
        for name in ("one", "other"):
            make_adapter(small, name)
        alone = play("alone.wav", "one").audio.samples
        both = play("both.wav", "one", "other").audio.samples
        assert not np.array_equal(alone, both)
        assert np.array_equal(play("zero.wav", "one", "other:0").audio.samples, alone)

    @pytest.mark.parametrize("foreign", [{"base": "another"}, {"base_hash": "f" * 64}], ids=str)
    @pytest.mark.parametrize("choice", ["mine", "mine:0"])
    def test_one_of_another_base_is_refused(
        self, play: Play, small: Any, make_adapter: MakeAdapter, foreign: dict[str, str], choice: str
    ) -> None:
        make_adapter(small, "mine", **foreign)
        with pytest.raises(AdapterError, match="'mine' was trained on"):
            play("song.wav", choice)

    @pytest.mark.parametrize("name", ["nobody", "../outside", ".."])
    def test_one_that_is_not_there_is_refused(self, play: Play, tmp_path: Path, name: str) -> None:
        with pytest.raises(AdapterError):
            play("song.wav", name)
        assert not (tmp_path / "music").exists()

    def test_one_without_its_weights_is_refused(
        self, play: Play, small: Any, make_adapter: MakeAdapter
    ) -> None:
        (make_adapter(small, "mine") / "best" / "adapter_model.safetensors").unlink()
        with pytest.raises(AdapterError, match=r"adapter_model\.safetensors is missing"):
            play("song.wav", "mine")


class TestDefaults:
    def test_an_unstated_tempo_and_noise_level_are_the_adapters(
        self, play: Play, small: Any, make_adapter: MakeAdapter
    ) -> None:
        make_adapter(small, "mine", tempo_bpm=97.0, noise_scale=1.1)
        assert play("a.wav", "mine").request.tempo_bpm == 97.0
        assert play("b.wav", "mine").request.noise_scale == 1.1
        bare = play("c.wav", "mine:0").request  # one that does not act decides nothing
        assert (bare.tempo_bpm, bare.noise_scale) == (None, None)

    def test_an_unstated_guidance_is_that_of_the_first_adapter_that_has_one(
        self, settings: Settings, small: Any, make_adapter: MakeAdapter
    ) -> None:
        from angen.adapters import read_info

        older, none, strong = (
            read_info(make_adapter(small, name, guidance=guidance))
            for name, guidance in (("older", None), ("none", 0.0), ("strong", 2.5))
        )
        for infos, expected in (
            ([older, none, strong], 0.0),
            ([strong, none], 2.5),
            ([older], None),
            ([], None),
        ):
            assert with_adapter_defaults(REQUEST, infos).guidance == expected
        for said in (0.0, 1.0):
            given = GenerationRequest("calypso", guidance=said)
            assert with_adapter_defaults(given, [strong]).guidance == said

    def test_a_form_and_an_ending_are_kept_beside_the_music(self, play: Play) -> None:
        request = GenerationRequest("calypso", 1.5, steps=1, form="verse 1, chorus 1", ending=True)
        made = play("a.wav", request=request)
        told = json.loads(made.path.with_name("a.wav.json").read_text())["request"]
        assert (told["form"], told["ending"]) == ("verse 1, chorus 1", True)
        assert GenerationRequest(**told) == made.request

    def test_what_is_said_wins(self, play: Play, small: Any, make_adapter: MakeAdapter) -> None:
        make_adapter(small, "mine", tempo_bpm=97.0, noise_scale=1.1)
        given = GenerationRequest("calypso, 140 bpm", 1.0, tempo_bpm=60.0, noise_scale=0.9, steps=1)
        assert play("a.wav", "mine", request=given).request == given
        stated = GenerationRequest("calypso, 140 bpm", 1.0, steps=1)
        assert play("b.wav", "mine", request=stated).request.tempo_bpm == 140.0

    def test_the_first_adapter_that_has_a_tempo_gives_it(
        self, settings: Settings, small: Any, make_adapter: MakeAdapter
    ) -> None:
        from angen.adapters import read_info

        infos = [
            read_info(make_adapter(small, "none", tempo_bpm=None, noise_scale=0.9)),
            read_info(make_adapter(small, "slow", tempo_bpm=60.0, noise_scale=1.0)),
            read_info(make_adapter(small, "fast", tempo_bpm=160.0, noise_scale=1.2)),
        ]
        request = with_adapter_defaults(REQUEST, infos)
        assert (request.tempo_bpm, request.noise_scale) == (60.0, 0.9)
