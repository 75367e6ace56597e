import os
from pathlib import Path

import pytest

from angen.files import atomic_path, safe_name, write_text


@pytest.mark.parametrize(
    "name", ["plain.txt", "音" * 80 + ".wav", os.fsdecode(b"caf\xe9.txt"), "a" * 251 + ".txt"]
)
def test_any_name_a_disk_can_hold_is_written_whole(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "there")
    assert (tmp_path / name).read_text() == "there"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "kept.txt"
    write_text(target, "old")

    def fail_in_the_middle() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail_in_the_middle()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("text", ["../../etc/passwd", "..", "", "a/b\\c", "\0", ".hidden", "x" * 500, "a\nb"])
def test_a_safe_name_never_leaves_its_folder(tmp_path: Path, text: str) -> None:
    name = safe_name(text)
    assert (tmp_path / name).parent == tmp_path
    assert name
    assert not name.startswith(".")
    assert safe_name(name) == name
