import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from angen.analysis.key import PITCH_CLASSES
from angen.model.text import (
    MAX_WORDS,
    START_ID,
    StyleEncoder,
    Vocabulary,
    WordTable,
    stated_tempo,
    tempo_features,
    words_of,
)
from angen.model.tiny import packaged_weights


@pytest.mark.parametrize(
    ("prompt", "tempo"),
    [
        ("calypso, 112 BPM", 112),
        ("112bpm", 112),
        ("96.5 bpm waltz", 96.5),
        ("110 bpm, then 140 bpm", 110),
        ("(30 Bpm)", 30),
        ("300 bpm", 300),
        ("29 bpm", None),
        ("301 bpm", None),
        ("1112 bpm", None),
        ("0.112 bpm", None),
        ("112 bpms", None),
        ("112", None),
        ("bpm", None),
        ("", None),
    ],
)
def test_a_tempo_is_read_where_one_is_stated(prompt, tempo):
    assert stated_tempo(prompt) == tempo


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Happy CALYPSO, with steel-drums!", ["happy", "calypso", "with", "steel-drums"]),
        ("drum-and-bass & rock'n'roll", ["drum-and-bass", "rock'n'roll"]),
        ("8-bit chiptune", ["8-bit", "chiptune"]),
        ("112 bpm", ["bpm"]),
        ("— 123 ♪ 歌 —", []),
        ("-dashed- 'quoted'", ["dashed", "quoted"]),
        ("", []),
    ],
)
def test_words_are_lower_case_and_keep_their_hyphens(prompt, words):
    assert words_of(prompt) == words


@pytest.mark.parametrize(
    ("prompt", "key"),
    [
        ("calypso in Bb minor", "a#-minor"),
        ("C# minor", "c#-minor"),
        ("C♯ minor, 90 bpm", "c#-minor"),
        ("A-flat major", "g#-major"),
        ("f sharp minor", "f#-minor"),
        ("F#-minor", "f#-minor"),
        ("E# major", "f-major"),
        ("Cb major", "b-major"),
        ("in A minor", "a-minor"),
        ("in F minor key", "f-minor"),
        ("in F#m", "f#-minor"),
        ("In Em, slow", "e-minor"),
        ("in F#", "f#-major"),
        ("in B♭, 90 bpm", "a#-major"),
        ("key of C", "c-major"),
        ("in Ab", "g#-major"),
    ],
)
def test_a_key_is_one_word_spelt_with_sharps(prompt, key):
    assert [word for word in words_of(prompt) if ":" in word] == [f"key:{key}"]


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", PITCH_CLASSES)
def test_every_key_of_an_analysis_is_a_word_of_its_own_however_it_is_said(tonic, mode):
    word = f"key:{tonic.lower()}-{mode}"
    short = tonic + ("m" if mode == "minor" else "")
    for said in (
        f"{tonic} {mode}",
        f"in {tonic} {mode}",
        f"key of {tonic} {mode}",
        f"in {short}",
        f"in {short}.",
    ):
        assert words_of(f"calypso, {said}")[-1] == word, said


@pytest.mark.parametrize(
    "prompt",
    [
        "in a minor key",
        "a major mood and a minor feel",
        "a minor scale",
        "in Dm7",
        "play it in A-list clubs",
        "a sad song",
        "in d",
        "C",
        "in H minor",
        "club minor",
    ],
)
def test_what_names_no_key_is_none(prompt):
    assert not [word for word in words_of(prompt) if ":" in word]


def test_no_user_writes_the_word_of_a_key_by_other_characters():
    assert words_of("key: c major") == ["key", "key:c-major"]
    assert words_of("a:b key:z-minor") == ["a", "b", "key", "z-minor"]


@given(st.text(max_size=80))
def test_any_text_can_be_read(prompt):
    assert all(word == word.lower() and word for word in words_of(prompt))
    tempo = stated_tempo(prompt)
    assert tempo is None or 30 <= tempo <= 300


@pytest.fixture
def vocabulary():
    return Vocabulary(["calypso", "slow", "drums"])


def test_known_words_have_the_ids_of_their_order_and_unknown_ones_none(vocabulary):
    assert vocabulary.ids("Slow zither drums, slow") == [START_ID, 3, 4, 3]


@pytest.mark.parametrize("prompt", ["", "zither", "112"])
def test_a_prompt_without_known_words_still_has_a_start(vocabulary, prompt):
    assert vocabulary.ids(prompt) == [START_ID]


def test_a_long_prompt_is_cut_after_31_known_words(vocabulary):
    ids = vocabulary.ids("zither " + "drums " * 40 + "slow")
    assert ids == [START_ID] + [4] * MAX_WORDS


def test_no_word_has_the_id_of_the_filler(vocabulary):
    assert 0 not in vocabulary.ids("calypso slow drums")


@pytest.fixture(scope="module")
def table():
    folder = packaged_weights()
    return WordTable(load_file(folder / "table.safetensors"), folder / "tokenizer.json")


@pytest.mark.parametrize("prompt", ["calypso", "a very long prompt " * 50, "été ♪ 歌", "112"])
def test_the_vector_of_a_prompt_has_length_1(table, prompt):
    vector = table.vector(prompt)
    assert vector.shape == (256,)
    assert vector.dtype == torch.float32
    assert float(vector.norm()) == pytest.approx(1, abs=1e-5)


def test_the_vector_of_nothing_is_zero(table):
    assert torch.equal(table.vector(""), torch.zeros(256))


def test_like_words_are_nearer_than_unlike_ones(table):
    slow, calm, metal = (
        table.vector(prompt) for prompt in ("slow and quiet", "calm and gentle", "aggressive heavy metal")
    )
    assert float(slow @ calm) > float(slow @ metal)


def test_an_unknown_tempo_has_no_features_and_known_ones_differ():
    features = tempo_features(torch.tensor([0.0, 60.0, 90.0, 120.0, 121.0]))
    assert features.shape == (5, 12)
    assert bool((features[0] == 0).all())
    assert bool((features[1:, -1] == 1).all())
    distances = torch.cdist(features[1:], features[1:]) + 10 * torch.eye(4)
    assert float(distances.min()) > 0.05


def test_the_style_depends_on_the_words_and_on_the_tempo(table):
    torch.manual_seed(0)
    encoder = StyleEncoder(9)
    sentence = torch.stack([table.vector("calypso"), table.vector("metal"), *2 * [table.vector("calypso")]])
    tempi = torch.tensor([112.0, 112.0, 0.0, 112.0])
    style = encoder(sentence, tempi, torch.tensor([[1, 2], [1, 2], [1, 2], [1, 3]])).detach()
    assert style.shape == (4, 512)
    assert float(torch.pdist(style).min()) > 1e-2


def test_padding_and_the_start_say_nothing_to_the_style(table):
    torch.manual_seed(0)
    encoder = StyleEncoder(9)
    sentence, tempi = table.vector("calypso")[None], torch.tensor([112.0])
    bare = encoder(sentence, tempi, torch.tensor([[5]]))
    assert torch.equal(bare, encoder(sentence, tempi, torch.tensor([[1, 5, 0, 0]])))
