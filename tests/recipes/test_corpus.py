"""The folder a corpus is written to; clips are stand-ins but for the slow test."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recipes.angen_tiny import corpus
from recipes.angen_tiny.compose import compose
from recipes.angen_tiny.corpus import (
    CLIP_S,
    CLIP_SAMPLES,
    RATE_HZ,
    SHARD_CLIPS,
    CorpusConfig,
    load_corpus,
    make_clip,
    make_wild,
    write_corpus,
)
from recipes.angen_tiny.instruments import HELD_OUT_PROGRAMS
from recipes.angen_tiny.soundfonts import find_soundfonts
from recipes.angen_tiny.styles import BASE_STYLES

CONFIG = CorpusConfig(clips=130, seed=4, styles=("jazz", "rock"))


def _stand_in(config: CorpusConfig, number: int, soundfonts: Any) -> tuple[np.ndarray, dict[str, Any]]:
    return np.full(16, number, dtype=np.int16), {"number": number, "seed": [config.seed, number]}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(corpus, "make_clip", _stand_in)
    corpus._claim(CONFIG, tmp_path)
    for shard in (0, 1):
        corpus._write_shard((CONFIG, tmp_path, shard, ()))
    return tmp_path


def test_a_clip_is_a_whole_number_of_samples() -> None:
    assert CLIP_S * RATE_HZ == CLIP_SAMPLES


def test_a_corpus_reads_back_in_order(written: Path) -> None:
    loaded = load_corpus(written)
    assert len(loaded) == 130
    assert [labels["number"] for labels in loaded.labels] == list(range(130))
    assert [len(shard) for shard in loaded.shards] == [SHARD_CLIPS, 30]
    assert loaded.audio(117) == pytest.approx(117 / 32_767)
    assert not list(written.glob("*.partial"))


def test_a_shard_whose_labels_are_missing_or_short_is_not_complete(written: Path) -> None:
    assert corpus._is_complete(CONFIG, written, 0)
    labels = written / "00001.jsonl"
    labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:-1]))
    assert not corpus._is_complete(CONFIG, written, 1)
    labels.unlink()
    assert not corpus._is_complete(CONFIG, written, 1)
    assert len(load_corpus(written)) == SHARD_CLIPS


def test_a_longer_corpus_keeps_its_beginning_but_remakes_its_last_shard(written: Path) -> None:
    longer = CorpusConfig(clips=200, seed=4, styles=("jazz", "rock"))
    corpus._claim(longer, written)
    assert corpus._is_complete(longer, written, 0)
    assert not corpus._is_complete(longer, written, 1)


def test_another_corpus_in_the_same_folder_is_refused(written: Path) -> None:
    with pytest.raises(ValueError, match="another corpus"):
        corpus._claim(CorpusConfig(clips=130, seed=5, styles=("jazz", "rock")), written)


def test_an_empty_folder_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no complete shard"):
        load_corpus(tmp_path)


def test_unknown_styles_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="gamelan"):
        CorpusConfig(clips=1, seed=0, styles=("gamelan",))


def test_wild_pieces_keep_their_notes_and_avoid_held_out_programs() -> None:
    rng = np.random.default_rng(0)
    piece = compose(rng, "rock", 15.36)
    for _ in range(50):
        wild = make_wild(piece, rng)
        assert wild.labels.wild
        assert wild.notes == piece.notes
        assert not HELD_OUT_PROGRAMS & set(wild.programs.values())
        assert max(wild.programs.values()) < 112


def test_missing_soundfonts_name_the_packages_to_install() -> None:
    with pytest.raises(FileNotFoundError, match="fluid-soundfont-gm and musescore-general-soundfont-small"):
        find_soundfonts({"ANGEN_SOUNDFONTS": "/nowhere/a.sf2"})


def test_soundfonts_can_be_named_by_the_environment(tmp_path: Path) -> None:
    font = tmp_path / "a.sf2"
    font.touch()
    assert find_soundfonts({"ANGEN_SOUNDFONTS": str(font)}) == (font,)


@pytest.mark.soundfonts
def test_clips_depend_on_seed_and_number_alone(tmp_path: Path) -> None:
    config = CorpusConfig(clips=3, seed=1, styles=BASE_STYLES)
    write_corpus(config, tmp_path, jobs=1)
    loaded, fonts = load_corpus(tmp_path), find_soundfonts()
    for number in (2, 0, 1, 2):
        audio, labels = make_clip(config, number, fonts)
        assert np.array_equal(audio, loaded.shards[0][number])
        assert json.loads(json.dumps(labels)) == loaded.labels[number]
