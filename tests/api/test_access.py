"""Who may come in: where a server may listen, and what a token is."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from typer.testing import CliRunner

from angen.api.access import COOKIE, Access, read_token
from angen.cli import app
from angen.errors import SettingsError
from angen.settings import Settings

TOKEN = "a-token-that-is-long-enough"


def _request(**headers: str) -> Request:
    raw = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "studio.example", ""])
def test_beyond_this_machine_a_token_is_needed(host: str) -> None:
    with pytest.raises(SettingsError, match="no token"):
        Access(host)
    assert Access(host, token=TOKEN).user_of(_request()) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_on_this_machine_none_is(host: str) -> None:
    assert Access(host).user_of(_request()) == "owner"


def test_a_token_is_shown_in_a_header_or_a_cookie() -> None:
    access = Access(token=TOKEN)
    assert access.user_of(_request(authorization=f"Bearer {TOKEN}")) == "owner"
    assert access.user_of(_request(authorization=f"bearer  {TOKEN} ")) == "owner"
    assert access.user_of(_request(cookie=f"{COOKIE}={access.session}")) == "owner"
    assert access.user_of(_request(cookie=f"{COOKIE}={TOKEN}")) is None
    assert access.user_of(_request(authorization=f"Basic {TOKEN}")) is None
    assert TOKEN not in access.session


@given(st.text())
def test_nothing_else_is_the_token(shown: str) -> None:
    assert Access(token=TOKEN).is_token(shown) == (shown == TOKEN)


def test_a_token_file_is_made_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "home" / "api_token"
    token = read_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token) >= 40
    assert read_token(path) == token
    assert read_token(tmp_path / "other") != token
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="other users"):
        read_token(path)


def test_a_token_that_is_too_short_or_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("short\n")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="5 characters"):
        Access.of(Settings(tmp_path), token_file=path)
    with pytest.raises(SettingsError, match="cannot be used"):
        read_token(tmp_path)


def test_a_host_header_must_name_this_server() -> None:
    access = Access(names=("studio.example",))
    for host in (
        "localhost:7860",
        "127.0.0.1",
        "[::1]:80",
        "192.0.2.7:1",
        "Studio.Example",
        "studio.example:443",
    ):
        assert access.answers_to(host), host
    for host in (
        "evil.example",
        "localhost.evil.example",
        "",
        ":80",
        "[::1",
        "localhost:80:80",
        "studio.example:x",
    ):
        assert not access.answers_to(host), host


def test_only_our_own_pages_and_named_ones_are_of_the_same_origin() -> None:
    access = Access(origins=("https://page.example",))
    assert access.is_same_origin("http://127.0.0.1:7860", "127.0.0.1:7860")
    assert access.is_same_origin("https://page.example", "127.0.0.1:7860")
    for origin in ("http://127.0.0.1:7861", "null", "http://page.example", "https://page.example.evil", ""):
        assert not access.is_same_origin(origin, "127.0.0.1:7860"), origin


def test_the_command_refuses_an_open_token_file_and_a_taken_port(workspace: Path, server: object) -> None:
    workspace.mkdir()
    token = workspace / "api_token"
    token.write_text("x" * 40)
    token.chmod(0o644)
    told = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0", "--port", "0"])
    assert told.exit_code == 1
    assert "chmod 600" in told.stderr
    port = server.url.rpartition(":")[2]  # type: ignore[attr-defined]
    told = CliRunner().invoke(app, ["serve", "--port", port])
    assert told.exit_code == 1
    assert "--port 0" in told.stderr
