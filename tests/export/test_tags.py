import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.errors import ExportError
from angen.export import AiMark, Tags, TimedLine, licence_flags, lrc_text, parse_lrc, read_lyrics
from angen.export.tags import from_pairs, short_key, to_pairs

from .conftest import full_tags

any_text = st.text(st.characters(), max_size=40)


def tags_of_any_text() -> st.SearchStrategy[Tags]:
    """Tags with whatever text, broken encodings and control characters included."""
    line = st.builds(TimedLine, st.floats(0, 9000), any_text)
    return st.builds(
        Tags,
        title=any_text, artist=any_text, album=any_text, genre=any_text, key=any_text, comment=any_text,
        lyrics=any_text, copyright=any_text, date=any_text, licence=any_text, album_artist=any_text,
        language=st.sampled_from(["", "eng", "zho"]),
        timed_lyrics=st.lists(line, max_size=3).map(tuple),
        bpm=st.none() | st.floats(1, 999),
        track=st.none() | st.integers(1, 9999), tracks=st.none() | st.integers(1, 9999),
        non_commercial=st.booleans(), share_alike=st.booleans(),
        ai=st.none() | st.builds(AiMark, any_text.filter(str.strip), any_text),
        extra=st.dictionaries(st.sampled_from(["SEED", "MOOD", "A B", "X_1"]), any_text, max_size=3),
    )  # fmt: skip


@given(tags=tags_of_any_text())
def test_pairs_give_the_tags_back_and_are_clean(tags):
    pairs = to_pairs(tags)
    assert from_pairs(pairs) == tags
    for key, value in pairs.items():
        value.encode()
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", value)
        assert "\n" not in value or key in ("COMMENT", "LYRICS", "SYNCEDLYRICS", "SEED", "MOOD", "A B", "X_1")


known_keys = st.sampled_from(
    [
        "BPM",
        "TRACKNUMBER",
        "LANGUAGE",
        "REPLAYGAIN_TRACK_GAIN",
        "R128_TRACK_GAIN",
        "SYNCEDLYRICS",
        "AI_GENERATED",
    ]
)


@given(st.dictionaries(any_text, any_text, max_size=6), st.dictionaries(known_keys, any_text))
def test_foreign_pairs_never_fail(strange, known):
    from_pairs(strange | known)


def test_every_field_reaches_the_pairs():
    assert from_pairs(to_pairs(full_tags()), full_tags().cover) == full_tags()
    assert to_pairs(Tags()) == {}


def test_opus_gets_its_own_levels_and_no_others():
    pairs = to_pairs(full_tags(), is_opus=True)
    assert pairs["R128_TRACK_GAIN"] == str(round(256 * (-6.25 - 5)))
    assert pairs["R128_ALBUM_GAIN"] == str(round(256 * (-7.5 - 5)))
    assert not [key for key in pairs if key.startswith("REPLAYGAIN")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bpm": 0.5}, "bpm is 0.5"),
        ({"bpm": float("nan")}, "bpm is nan"),
        ({"track": 0}, "track is 0"),
        ({"language": "english"}, "'english' is no language"),
        ({"extra": {"TITLE": "x"}}, "field of its own"),
        ({"extra": {"A=B": "x"}}, "cannot name a tag"),
        ({"extra": {"ключ": "x"}}, "cannot name a tag"),
    ],
)
def test_impossible_tags_are_refused(wrong, said):
    with pytest.raises(ExportError, match=said):
        Tags(**wrong)


@pytest.mark.parametrize(
    ("given_key", "short"),
    [
        ("F# minor", "F#m"),
        ("C major", "C"),
        ("Bb minor", "Bbm"),
        ("E♭", "Eb"),
        ("am", "Am"),
        ("8A", "8A"),
        ("", ""),
    ],
)
def test_keys_take_the_short_form_of_players(given_key, short):
    assert short_key(given_key) == short


def test_what_is_said_comes_before_what_is_found():
    said, found = (
        Tags(title="said", extra={"A": "1"}),
        Tags(title="found", bpm=90, extra={"A": "0", "B": "2"}),
    )
    assert said.over(found) == Tags(title="said", bpm=90, extra={"A": "1", "B": "2"})


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
        max_size=5,
    )
)
def test_timed_lyrics_survive_their_text_form(lines):
    timed = tuple(sorted((TimedLine(ms / 1000, text) for ms, text in lines), key=lambda line: line.start_s))
    assert parse_lrc(lrc_text(timed)) == timed


def test_an_lrc_file_with_all_its_forms(tmp_path):
    path = tmp_path / "a.lrc"
    path.write_text(
        "\ufeff[ti:Song]\n[offset:+500]\n[00:02.50][01:00.5]twice\n[00:00.1]first\nno time\n", "utf-8"
    )
    words, timed = read_lyrics(path)
    assert timed == (TimedLine(0, "first"), TimedLine(2, "twice"), TimedLine(60, "twice"))
    assert words == "first\ntwice\ntwice"
    (tmp_path / "b.txt").write_text("[verse]\nplain\n", "utf-8")
    assert read_lyrics(tmp_path / "b.txt") == ("[verse]\nplain\n", ())
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("c.txt", "nowhere.txt"):
        with pytest.raises(ExportError, match="cannot be read"):
            read_lyrics(tmp_path / name)


@pytest.mark.parametrize(
    ("licence", "flags"),
    [
        ("CC-BY-NC-SA-4.0", (True, True)), ("CC BY-NC 4.0", (True, False)), ("cc-by-sa-3.0", (False, True)),
        ("CC-BY-4.0", (False, False)), ("Attribution-NonCommercial-ShareAlike", (True, True)),
        ("MIT", (False, False)), ("Sampling Plus", (False, False)), ("", (False, False)),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/", (True, True)),
    ],
)  # fmt: skip
def test_licences_say_what_they_ask_for(licence, flags):
    assert licence_flags(licence) == flags
