"""Who may use the server: where it listens, the names it answers to, and the token beyond this machine.

On loopback whoever can open a connection is the user of this machine, and no token is asked for. Beyond it, API and
page want the same token: as `Authorization: Bearer …`, or as the cookie that `/login` gives a browser. The cookie holds
a code made of the token, not the token.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import HTTPConnection

from angen.errors import SettingsError
from angen.settings import Settings

__all__ = ["COOKIE", "TOKEN_FILE", "Access", "is_loopback", "read_token"]

COOKIE = "angen_session"
TOKEN_FILE = "api_token"
DEFAULT_PORT = 7860
OWNER = "owner"
_LEAST_TOKEN = 16


@dataclass(frozen=True)
class Access:
    """Where a server listens and whom it lets in.

    Args:
        host: Address to listen at.
        port: Port to listen at; 0 for any that is free.
        token: What everybody has to show; None for nobody, which only loopback may have.
        names: Further names of this machine that requests may be addressed to.
        origins: Further origins ("https://studio.example") whose pages may use the API.

    Raises:
        SettingsError: If it listens beyond loopback without a token, or the token is too short.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    token: str | None = None
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an open door."""
        if self.token is None and not is_loopback(self.host):
            raise SettingsError(
                f"{self.host!r} can be reached from other machines, and there is no token.",
                remedy="Listen at 127.0.0.1, or give a token file.",
            )
        if self.token is not None and (len(self.token) < _LEAST_TOKEN or not self.token.isascii()):
            raise SettingsError(
                f"The token has {len(self.token)} characters; at least {_LEAST_TOKEN} of ASCII are expected.",
                remedy="Delete its file, and a new one is made.",
            )

    @classmethod
    def of(
        cls,
        settings: Settings,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        token_file: Path | None = None,
        names: tuple[str, ...] = (),
        origins: tuple[str, ...] = (),
    ) -> Access:
        """Access with the token of a file, made if it is needed and not there.

        Args:
            settings: The workspace; its `api_token` is the file where none is named.
            host: Address to listen at.
            port: Port to listen at.
            token_file: File of the token; on loopback no token is asked for unless one is named.
            names: As above.
            origins: As above.

        Raises:
            SettingsError: If the file cannot be used, or other users may read it.
        """
        token = None
        if token_file is not None or not is_loopback(host):
            token = read_token(token_file or settings.home / TOKEN_FILE)
        return cls(host, port, token, names, origins)

    def user_of(self, request: HTTPConnection) -> str | None:
        """Who sends a request, or None for a stranger. Gradio's `auth_dependency` too."""
        if self.token is None:
            return OWNER
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(shown.strip()):
            return OWNER
        cookie = request.cookies.get(COOKIE, "")
        return OWNER if _same(cookie, self.session) else None

    def is_token(self, shown: str) -> bool:
        """Whether this is the token; it takes the same time whatever is shown."""
        return self.token is not None and _same(shown, self.token)

    @property
    def session(self) -> str:
        """What the cookie holds."""
        return hmac.new((self.token or "").encode(), b"angen session", hashlib.sha256).hexdigest()

    def answers_to(self, host: str) -> bool:
        """Whether a Host header names this server: a page of another name cannot lead a browser here.

        An address, `localhost`, what it listens at, this machine's own name, and further `names` do.
        """
        name = _host_name(host)
        if name is None:
            return False
        known = {"localhost", self.host, *self.names}
        if not is_loopback(self.host):
            known |= {socket.gethostname(), socket.getfqdn()}
        return _is_address(name) or name.lower() in {one.lower() for one in known}

    def is_same_origin(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may change something here: our own, or one of `origins`."""
        return origin in self.origins or origin.partition("://")[2].lower() == host.lower()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_token(path: Path) -> str:
    """The token in a file that only its owner can read; a new one where there is no file.

    Raises:
        SettingsError: If it cannot be read or written, or others may read it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingsError(
                f"The token file {str(path)!r} can be read by other users of this machine.",
                remedy=f"Protect it: chmod 600 {path}",
            )
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The token file {str(path)!r} cannot be used: {error}.", remedy="Name another file."
        ) from error


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _host_name(host: str) -> str | None:
    """The name in a Host header, without port and brackets; None where it is malformed."""
    if host.startswith("["):
        name, closing, port = host[1:].partition("]")
        port = port.removeprefix(":")
        is_whole = bool(closing)
    else:
        name, _, port = host.partition(":")
        is_whole = bool(name)
    return name if is_whole and (not port or port.isdecimal()) else None
