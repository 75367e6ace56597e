"""The page as other programs see it: Gradio's own client needs the token, and finds nothing to call."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from .conftest import served

pytestmark = pytest.mark.slow


def test_gradios_client_comes_in_with_the_token_alone_and_finds_no_endpoint(tmp_path: Path) -> None:
    from gradio_client import Client
    from gradio_client.exceptions import AuthenticationError

    token = "a token of at least sixteen letters"
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o600)
    with served(tmp_path / "workspace", "--token-file", str(tmp_path / "token")) as studio:
        with pytest.raises((AuthenticationError, ValueError, httpx.HTTPError)):
            Client(f"{studio.url}/ui/", verbose=False)
        client = Client(f"{studio.url}/ui/", headers={"Authorization": f"Bearer {token}"}, verbose=False)
        told = client.view_api(return_format="dict", print_info=False)
        assert told["named_endpoints"] == {}
        assert len(client.config["components"]) > 100
        client.close()
