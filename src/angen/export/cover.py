"""Cover pictures: PNG and JPEG from files, and a drawn one for music that has none.

The drawn cover is rings and bands of colour that follow from a text and a seed, the same everywhere. It needs
no font, so it suits titles in any script.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from angen.errors import ExportError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
LARGEST_BYTES = 12_000_000  # base64 of it, and its FLAC block, stay under their limits of 16 MiB


@dataclass(frozen=True)
class Cover:
    """A picture as its file's bytes.

    Attributes:
        data: A whole PNG or JPEG file.
        mime: "image/png" or "image/jpeg".
        width: In pixels; 0 if the file does not tell.
        height: In pixels.
    """

    data: bytes
    mime: str
    width: int
    height: int

    def as_dict(self) -> dict[str, Any]:
        """What the picture is, without its bytes."""
        return {
            "mime": self.mime,
            "width": self.width,
            "height": self.height,
            "bytes": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
        }


def cover_from_bytes(data: bytes) -> Cover | None:
    """A cover from the bytes of a PNG or JPEG file; None if they are neither."""
    if data.startswith(PNG_MAGIC) and len(data) >= 24 and data[12:16] == b"IHDR":
        return Cover(data, "image/png", *struct.unpack(">II", data[16:24]))
    if data.startswith(b"\xff\xd8\xff"):
        return Cover(data, "image/jpeg", *_jpeg_size(data))
    return None


def read_cover(path: str | Path) -> Cover:
    """Read a cover picture.

    Raises:
        ExportError: If it cannot be read, is neither PNG nor JPEG, or is larger than 12 MB.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            data = handle.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ExportError(
            f"The cover {str(path)!r} cannot be read: {error}.", remedy="Check its name."
        ) from error
    cover = cover_from_bytes(data)
    if cover is None or len(data) > LARGEST_BYTES:
        problem = "is neither PNG nor JPEG" if cover is None else "is larger than 12 MB"
        raise ExportError(
            f"The cover {str(path)!r} {problem}.", remedy="Give a PNG or JPEG of about 1000 pixels."
        )
    return cover


def draw_cover(text: str, seed: int = 0, *, size: int = 600) -> Cover:
    """Draw a square cover: the same text, seed and size give the same picture.

    Args:
        text: Usually artist and title.
        seed: Another seed gives another picture.
        size: Its side in pixels, 16 to 3000.

    Raises:
        ExportError: If the size is out of range.
    """
    if not 16 <= size <= 3000:
        raise ExportError(f"A cover of {size} pixels cannot be drawn.", remedy="Use 16 to 3000.")
    digest = hashlib.sha256(f"{seed}\n{text}".encode("utf-8", "replace")).digest()
    random = np.random.default_rng(list(digest))
    across = np.linspace(-1, 1, size)
    x, y = np.meshgrid(across, across)
    angle, hue = random.uniform(0, 2 * np.pi), random.uniform(0, 2 * np.pi)
    light = 0.25 + 0.2 * (np.cos(angle) * x + np.sin(angle) * y)
    for _ in range(4):
        centre, rings = random.uniform(-0.8, 0.8, 2), random.uniform(2, 9)
        distance = np.hypot(x - centre[0], y - centre[1])
        light += 0.16 * np.cos(rings * np.pi * distance) * np.exp(-1.5 * distance)
    bands = np.round(np.clip(light, 0, 1) * 15) / 15  # flat areas: it looks printed, and packs well
    pixels = np.stack([bands**power * (0.6 + 0.4 * np.cos(hue + phase + 2 * bands)) for power, phase in
                       ((0.8, 0.0), (1.1, 2.1), (0.9, 4.2))], axis=2)  # fmt: skip
    data = png_bytes(np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8))
    return Cover(data, "image/png", size, size)


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of pixels (height, width, 3), red, green, blue.

    Source:
        W3C, "Portable Network Graphics (PNG) Specification", second edition, 5 and 11.2.
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter, 0 for none
    rows[:, 1:] = pixels.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return PNG_MAGIC + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height from a JPEG's start-of-frame segment; zeros if there is none."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + max(length, 2)
    return 0, 0
