"""From recordings to a mastered piece over HTTP: uploads, trains, follows events, generates, masters, downloads.

    angen serve &                                          # or another machine's, with its token in ANGEN_TOKEN
    python examples/api_client.py http://127.0.0.1:7860 song1.wav song2.wav song3.wav --name calypso

It needs httpx and nothing of Angen: a client for any language does the same requests.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx


class JobFailedError(Exception):
    """A job ended in another way than well."""


class Studio:
    """A server of Angen.

    Args:
        url: Its address.
        token: Its token, if it wants one.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=300)

    def ask(self, method: str, path: str, **how: Any) -> Any:
        """A request and its answer; what is refused is told with its remedy."""
        answer = self.http.request(method, path, **how)
        if answer.is_error:
            problem = answer.json()
            raise JobFailedError(f"{problem['status']} {problem['detail']} {problem['remedy']}".strip())
        return answer.json() if answer.content else None

    def upload(self, path: str, file: Path, name: str) -> Any:
        """Send a file as it is read, so that one of any length takes no memory."""
        with file.open("rb") as handle:
            return self.ask("POST", path, params={name: file.name}, content=handle)

    def events(self, job: str) -> Iterator[dict[str, Any]]:
        """All that happens to a job until it ends. A line that breaks is taken up where it broke."""
        seen = "0"
        while True:
            try:
                with self.http.stream(
                    "GET", f"/jobs/{job}/events", headers={"Last-Event-ID": seen}, timeout=30
                ) as answer:
                    answer.raise_for_status()
                    kind = ""
                    for line in answer.iter_lines():
                        field, _, value = line.partition(": ")
                        if field == "id":
                            seen = value
                        elif field == "event":
                            kind = value
                        elif field == "data" and kind == "end":
                            return
                        elif field == "data":
                            yield json.loads(value)
            except httpx.TransportError:
                time.sleep(1)

    def done(self, job: dict[str, Any]) -> dict[str, Any]:
        """A job once it has ended, its events told meanwhile."""
        for event in self.events(job["id"]):
            _tell(job["title"], event)
        ended: dict[str, Any] = self.ask("GET", f"/jobs/{job['id']}")
        if ended["state"] != "succeeded":
            raise JobFailedError(f"{ended['title']}: {ended['state']}, {ended['error']}")
        return ended

    def download(self, asset: dict[str, Any], folder: Path) -> Path:
        """Write an asset to a folder, piece by piece."""
        target = folder / Path(asset["name"]).name
        with self.http.stream("GET", f"/assets/{asset['id']}/content") as answer, target.open("wb") as file:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                file.write(piece)
        return target


def make_music(
    studio: Studio, songs: list[Path], name: str, folder: Path, config: dict[str, Any], prompt: str
) -> list[Path]:
    """The whole way: what was downloaded.

    Args:
        studio: The server.
        songs: Recordings to learn from.
        name: Of the set, the dataset and the adapter.
        folder: Where the music goes.
        config: Settings of the training.
        prompt: What the new piece should be.
    """
    studio.ask("POST", "/recordings", json={"name": name})
    for song in songs:
        studio.upload(f"/recordings/{name}/files", song, "file")
    studio.done(studio.ask("POST", f"/recordings/{name}/analysis", json={}))
    studio.done(studio.ask("POST", "/datasets", json={"name": name, "recordings": name, "style": name}))
    run = {"name": name, "dataset": name, "config": config, "report": False}
    print("Estimated:", studio.ask("POST", "/training/estimates", json={"dataset": name, "config": config}))
    key = {"Idempotency-Key": f"train-{name}"}  # asked again after a broken line, it is the same run
    studio.done(studio.ask("POST", "/training", json=run, headers=key))
    piece = {
        "request": {"prompt": prompt, "seconds": 8.0, "seed": 1},
        "adapters": [{"name": name, "strength": 1.0}],
    }
    made = studio.done(studio.ask("POST", "/generation", json=piece))
    music = next(asset["id"] for asset in made["assets"] if asset["name"].endswith(".wav"))
    mastered = studio.done(studio.ask("POST", "/mastering", json={"assets": [music], "preset": "streaming"}))
    return [studio.download(asset, folder) for asset in mastered["assets"]]


def main() -> None:
    """Read the words of the command line and make music."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("url")
    words.add_argument("songs", type=Path, nargs="+")
    words.add_argument("--name", default="mine", help="of the set, the dataset and the adapter")
    words.add_argument("--out", type=Path, default=Path.cwd(), help="folder for the music")
    words.add_argument("--config", type=json.loads, default={}, help="settings of the training as JSON")
    words.add_argument("--prompt", default="happy calypso, steel drums, 112 bpm")
    given = words.parse_args()
    studio = Studio(given.url, os.environ.get("ANGEN_TOKEN"))
    for path in make_music(studio, given.songs, given.name, given.out, given.config, given.prompt):
        print(path)


def _tell(title: str, event: dict[str, Any]) -> None:
    data = event["data"]
    if event["kind"] == "progress" and data["total"]:
        print(f"{title}: {data['stage']} {data['done'] / data['total']:.0%}", file=sys.stderr)
    elif event["kind"] == "state":
        print(f"{title}: {data['state']}", file=sys.stderr)


if __name__ == "__main__":
    main()
