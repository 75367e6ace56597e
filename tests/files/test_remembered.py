"""A large file's hash is computed once, and again after every change."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from angen.files import remembered
from angen.files.remembered import remembered_hash


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "angen" / "hashes"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which files were read to their end."""
    seen: list[Path] = []
    compute = remembered._computed
    monkeypatch.setattr(remembered, "_computed", lambda path: seen.append(path) or compute(path))
    return seen


def _file(folder: Path, data: bytes, *, age_s: float = 60.0) -> Path:
    path = folder / "weights"
    path.write_bytes(data)
    _set_age(path, age_s)
    return path


def _set_age(path: Path, age_s: float) -> None:
    import time

    at = time.time() - age_s
    os.utime(path, (at, at))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_large_file_is_read_once(tmp_path: Path, cache: Path, reads: list[Path]) -> None:
    path = _file(tmp_path, b"abc")
    link = tmp_path / "link"
    link.symlink_to(path)
    for each in (path, path, link):
        assert remembered_hash(each, large_bytes=1) == _sha256(b"abc")
    assert reads == [path]
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("change", ["bytes", "size", "time", "replaced"])
def test_a_changed_file_is_read_again(tmp_path: Path, cache: Path, reads: list[Path], change: str) -> None:
    path = _file(tmp_path, b"abc")
    remembered_hash(path, large_bytes=1)
    before = path.stat()
    data = b"abcd" if change == "size" else b"abX"
    if change == "replaced":  # by another file of the same size and time
        (tmp_path / "new").write_bytes(data)
        os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
        (tmp_path / "new").replace(path)
    elif change == "time":
        data = b"abc"
        _set_age(path, 30.0)
    else:
        path.write_bytes(data)
        _set_age(path, 40.0)
    assert remembered_hash(path, large_bytes=1) == _sha256(data)
    assert len(reads) == 2


def test_small_and_young_files_are_not_remembered(tmp_path: Path, cache: Path) -> None:
    assert remembered_hash(_file(tmp_path, b"abc"), large_bytes=4) == _sha256(b"abc")
    assert remembered_hash(_file(tmp_path, b"abc", age_s=0.0), large_bytes=1) == _sha256(b"abc")
    assert not cache.exists()


@pytest.mark.parametrize("kept", [b"", b"{}", b"[]", b'{"sha256": "no"}'])
def test_a_damaged_memory_is_none(tmp_path: Path, cache: Path, kept: bytes) -> None:
    path = _file(tmp_path, b"abc")
    remembered_hash(path, large_bytes=1)
    (file,) = cache.iterdir()
    file.write_bytes(kept)
    assert remembered_hash(path, large_bytes=1) == _sha256(b"abc")


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert remembered_hash(_file(tmp_path, b"abc"), large_bytes=1) == _sha256(b"abc")
