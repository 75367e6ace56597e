import pytest

from angen.errors import ExportError
from angen.export import FORMATS, parse_formats


def test_every_format_says_how_to_be_made_again():
    for kind in FORMATS.values():
        assert parse_formats(kind.spec) == (kind,)
    found = [kind.spec for kind in parse_formats("WAV, mp3:v2,ogg:7.5 ,opus:96")]
    assert found == ["wav24", "mp3:v2", "ogg:7.5", "opus:96"]


@pytest.mark.parametrize(
    "text",
    ["", " , ", "aiff", "mp3:", "mp3:loud", "mp3:321", "mp3:31", "mp3:v10", "ogg:11", "ogg:v2", "opus:5", "flac:8",
     "wav24:1", "opus:9999999", "mp3:-1"],
)  # fmt: skip
def test_what_is_no_format_is_refused_with_all_that_are(text):
    with pytest.raises(ExportError, match="Use wav16"):
        parse_formats(text)


def test_two_formats_of_one_file_are_refused():
    with pytest.raises(ExportError, match="wav16, wav24 would write the same file"):
        parse_formats("wav16,wav24,flac")


@pytest.mark.parametrize(
    ("spec", "rate_hz", "written_hz"),
    [("opus", 44100, 48000), ("opus", 96000, 48000), ("mp3", 24000, 24000), ("mp3", 8000, 16000),
     ("mp3", 88200, 44100), ("mp3", 96000, 48000), ("mp3", 50000, 48000), ("flac", 96000, 96000), ("wav24", 7, 7)],
)  # fmt: skip
def test_a_rate_the_format_lacks_becomes_one_that_loses_least(spec, rate_hz, written_hz):
    assert parse_formats(spec)[0].rate_for(rate_hz) == written_hz
