from __future__ import annotations

import os
from pathlib import Path

import pytest

from angen.errors import SettingsError
from angen.settings import load_settings


def test_the_default_workspace_is_beside_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANGEN_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert load_settings().home == tmp_path / "angen_workspace"
    monkeypatch.setenv("ANGEN_HOME", "")
    assert load_settings().home == tmp_path / "angen_workspace"


def test_the_environment_names_the_workspace_and_an_argument_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANGEN_HOME", str(tmp_path / "named"))
    assert load_settings().home == tmp_path / "named"
    assert load_settings(tmp_path / "given").home == tmp_path / "given"


def test_the_home_sign_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANGEN_HOME", "~/music")
    assert load_settings().home == tmp_path / "music"


def test_folders_are_inside_the_workspace_and_reading_settings_makes_none(tmp_path: Path) -> None:
    home = tmp_path / "new" / "deep"
    settings = load_settings(home)
    assert settings.training_data == home / "training_data"
    assert settings.loras == home / "models" / "loras"
    assert settings.outputs == home / "outputs"
    assert settings.projects == home / "projects"
    assert settings.cache == home / "cache"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "where", ["workspace", "workspace/training_data", "workspace/models", "workspace/projects", "parent"]
)
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path, where: str) -> None:
    in_the_way = tmp_path / where
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("not a folder")
    home = tmp_path / ("parent/workspace" if where == "parent" else "workspace")
    with pytest.raises(SettingsError, match="is not a folder") as caught:
        load_settings(home)
    assert "ANGEN_HOME" in caught.value.remedy


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="is not a folder"):
        load_settings(tmp_path / "link")


def test_a_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may write everywhere
    with pytest.raises(SettingsError, match="cannot be written to"):
        load_settings(tmp_path / "workspace")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "~nobody-of-that-name/x"])
def test_an_impossible_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        load_settings(Path(name))
