from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.catalogue.archives import list_members, safe_member
from angen.catalogue.unpacking import Limits, unpack
from angen.errors import DamagedArchiveError, DownloadStoppedError, UnsafeArchiveError

from .conftest import tar_gz, zipped

FILES = {
    "top/a.wav": b"a" * 5000,
    "top/sub/歌.txt": "词".encode(),
    "top/.DS_Store": b"x",
    "top/._a.wav": b"y",
}
SMALL = Limits(bytes=1_000_000, files=100, ratio=50.0, ratio_from_bytes=100_000)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def _packed(tmp_path: Path, kind: str, members: dict[str, bytes]) -> Path:
    path = tmp_path / f"archive.{kind}"
    path.write_bytes(zipped(members) if kind == "zip" else tar_gz(members))
    return path


def _is_clean(tmp_path: Path, archive: Path) -> bool:
    return [path for path in tmp_path.iterdir() if path != archive] == []


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_what_was_packed_comes_out_without_clutter(tmp_path: Path, kind: str) -> None:
    archive = _packed(tmp_path, kind, FILES)
    done = unpack(archive, tmp_path / "out", kind=kind)
    kept = {name: data for name, data in FILES.items() if "._" not in name and "DS_Store" not in name}
    assert _files(tmp_path / "out") == kept
    assert (done.files, done.bytes, done.passed_over) == (2, sum(map(len, kept.values())), 2)
    assert list_members(archive, kind) == {name: len(data) for name, data in kept.items()}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_only_what_is_wanted_is_written(tmp_path: Path, kind: str) -> None:
    archive = _packed(tmp_path, kind, FILES)
    unpack(archive, tmp_path / "out", kind=kind, wanted=lambda name: name.endswith(".txt"))
    assert set(_files(tmp_path / "out")) == {"top/sub/歌.txt"}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "a\\..\\evil", "C:/evil"])
def test_a_name_that_leaves_the_folder_refuses_the_whole(tmp_path: Path, kind: str, name: str) -> None:
    archive = _packed(tmp_path, kind, {"first": b"fine", name: b"evil"})
    with pytest.raises(UnsafeArchiveError, match="leaves its folder"):
        unpack(archive, tmp_path / "out", kind=kind)
    assert _is_clean(tmp_path, archive)


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b.wav", "…"]), max_size=6).map("/".join))
def test_a_safe_member_is_always_inside(name: str) -> None:
    parts = safe_member(name)
    if parts is not None:
        assert Path("/root").joinpath(*parts).resolve().is_relative_to("/root")
        assert ".." not in name.split("/")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_refuse_it(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(UnsafeArchiveError, match="link or a device"):
        unpack(archive, tmp_path / "out", kind="tar.gz")
    assert _is_clean(tmp_path, archive)


def test_a_link_in_a_zip_refuses_it(tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeArchiveError, match="link or a device"):
        unpack(archive, tmp_path / "out", kind="zip")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize(
    "members",
    [
        {"zeros": bytes(900_000)},  # by ratio
        {f"{number}": bytes([number]) * 90_000 for number in range(20)},  # by ratio, in many
        {f"f{number}": b"" for number in range(101)},  # by count
    ],
)
def test_bombs_are_refused_and_leave_nothing(tmp_path: Path, kind: str, members: dict[str, bytes]) -> None:
    archive = _packed(tmp_path, kind, members)
    with pytest.raises(UnsafeArchiveError):
        unpack(archive, tmp_path / "out", kind=kind, limits=SMALL)
    assert _is_clean(tmp_path, archive)


def test_a_tar_bomb_that_is_not_wanted_is_refused_too(tmp_path: Path) -> None:
    archive = _packed(tmp_path, "tar.gz", {"zeros": bytes(900_000)})
    with pytest.raises(UnsafeArchiveError):
        unpack(archive, tmp_path / "out", kind="tar.gz", wanted=lambda _: False, limits=SMALL)


def test_a_zip_that_lies_about_its_sizes_is_damaged(tmp_path: Path) -> None:
    data = bytearray(zipped({"zeros": bytes(90_000)}))
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = (10).to_bytes(4, "little")  # declares 10 bytes in the directory
    archive = tmp_path / "archive.zip"
    archive.write_bytes(data)
    with pytest.raises(DamagedArchiveError):
        unpack(archive, tmp_path / "out", kind="zip", limits=SMALL)
    assert _is_clean(tmp_path, archive)


def test_members_that_share_their_bytes_are_a_bomb(tmp_path: Path) -> None:
    data = zipped({"a": bytes(range(256)) * 40})
    place, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    entry = data[place:end]
    many = 300
    tail = bytearray(data[end:])
    tail[8:12] = many.to_bytes(2, "little") * 2
    tail[12:16] = (many * len(entry)).to_bytes(4, "little")
    archive = tmp_path / "archive.zip"
    archive.write_bytes(data[:place] + entry * many + tail)
    with pytest.raises(UnsafeArchiveError, match="overlap"):
        unpack(archive, tmp_path / "out", kind="zip")


def test_a_header_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    handle = io.BytesIO()
    with tarfile.open(fileobj=handle, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("a"))
        info = tarfile.TarInfo("b")
        info.pax_headers = {"comment": "x" * 20_000_000}
        tar.addfile(info)
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(handle.getvalue())
    with pytest.raises(UnsafeArchiveError):
        unpack(archive, tmp_path / "out", kind="tar.gz")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, kind: str) -> None:
    noise = bytes(range(256)) * 400
    archive = _packed(tmp_path, kind, {"a": noise[::3], "b": noise})
    data = bytearray(archive.read_bytes())
    data[len(data) // 3] ^= 0xFF
    archive.write_bytes(data)
    with pytest.raises(DamagedArchiveError):
        unpack(archive, tmp_path / "out", kind=kind)
    archive.write_bytes(bytes(data[: len(data) // 2]))
    with pytest.raises(DamagedArchiveError):
        unpack(archive, tmp_path / "out", kind=kind)
    assert _is_clean(tmp_path, archive)


def test_stopping_leaves_what_was_there_before(tmp_path: Path) -> None:
    archive = _packed(tmp_path, "zip", FILES)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with pytest.raises(DownloadStoppedError):
        unpack(archive, tmp_path / "out", kind="zip", should_stop=lambda: True)
    assert _files(tmp_path / "out") == {"old": b"old"}


def test_a_debian_package_gives_its_files_and_none_of_its_links(tmp_path: Path) -> None:
    archive = tmp_path / "font.deb"
    archive.write_bytes(
        debian_package({"./usr/share/font.sf2": b"sound"}, links={"./usr/share/alias": "font.sf2"})
    )
    done = unpack(archive, tmp_path / "out", kind="deb")
    assert _files(tmp_path / "out") == {"usr/share/font.sf2": b"sound"}
    assert done.passed_over == 1


def debian_package(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    handle = io.BytesIO()
    with tarfile.open(fileobj=handle, mode="w:xz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": handle.getvalue()}
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        + data
        + b"\n" * (len(data) % 2)
        for name, data in parts.items()
    )
