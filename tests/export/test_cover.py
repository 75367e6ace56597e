import io

import numpy as np
import pytest
from PIL import Image

from angen.errors import ExportError
from angen.export import draw_cover, read_cover
from angen.export.cover import cover_from_bytes, png_bytes


def test_our_png_is_what_another_decoder_sees():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 13, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(png_bytes(pixels))) as image:
        assert np.array_equal(np.asarray(image), pixels)


def test_a_drawn_cover_follows_from_its_text_and_seed():
    first = draw_cover("夜曲", 3, size=100)
    assert draw_cover("夜曲", 3, size=100) == first
    assert len({first.data, draw_cover("夜曲", 4, size=100).data, draw_cover("夜", 3, size=100).data}) == 3
    with Image.open(io.BytesIO(first.data)) as image:
        assert (image.size, image.mode) == ((100, 100), "RGB")
        assert np.asarray(image).std() > 10  # something is drawn
    assert len(draw_cover("Angen").data) < 200_000
    with pytest.raises(ExportError, match="16 to 3000"):
        draw_cover("x", size=5)


@pytest.mark.parametrize(("kind", "mime"), [("JPEG", "image/jpeg"), ("PNG", "image/png")])
def test_pictures_are_known_by_their_bytes(tmp_path, kind, mime):
    path = tmp_path / "cover.bin"
    Image.new("RGB", (31, 17), "red").save(path, kind)
    cover = read_cover(path)
    assert (cover.mime, cover.width, cover.height) == (mime, 31, 17)
    assert cover.data == path.read_bytes()


@pytest.mark.parametrize("length", range(0, 60, 3))
def test_a_cut_picture_is_no_trouble(length):
    memory = io.BytesIO()
    Image.new("RGB", (31, 17)).save(memory, "JPEG")
    cover_from_bytes(memory.getvalue()[:length])
    cover_from_bytes(draw_cover("x", size=16).data[:length])


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    (tmp_path / "big.png").write_bytes(draw_cover("x", size=16).data + bytes(12_000_000))
    for name, said in (
        ("a.png", "neither PNG nor JPEG"),
        ("big.png", "larger"),
        ("gone.png", "cannot be read"),
    ):
        with pytest.raises(ExportError, match=said):
            read_cover(tmp_path / name)
