"""A real web server with bad manners to order, miniature collections in their true layouts, and a small soundfont."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import soundfile

from angen.catalogue.retrying import Patience
from angen.settings import Settings

IMPATIENT = Patience(attempts=4, first_wait_s=0.01, longest_wait_s=0.3, timeout_s=3.0)


@dataclass
class Page:
    """What the server does for one path.

    `drops` are byte counts of the body after which successive connections break; `refusals` are statuses that
    successive requests get first.
    """

    body: bytes = b""
    content_type: str = "application/octet-stream"
    etag: str | None = '"v1"'
    ranges: bool = True
    drops: list[int] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    retry_after: str | None = None
    length: int | None = None
    chunked: bool = False
    pause_s: float = 0.0
    redirect: str | None = None
    change_after: bytes | None = None


class Server:
    """Pages by path, and a log of what was asked: (path, Range, Referer)."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.log: list[tuple[str, str | None, str | None]] = []
        self.dynamic: Callable[[str], Page | None] = lambda _: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.log.append((self.path, self.headers["Range"], self.headers["Referer"]))
                page = outer.pages.get(self.path.partition("?")[0]) or outer.dynamic(self.path)
                try:
                    _answer(self, page)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def ranges_of(self, path: str) -> list[str | None]:
        return [wanted for each, wanted, _ in self.log if each == path]


def _answer(handler: BaseHTTPRequestHandler, page: Page | None) -> None:
    if page is None:
        handler.send_error(404)
    elif page.refusals:
        _refuse(handler, page.refusals.pop(0), {"Retry-After": page.retry_after})
    elif page.redirect:
        _refuse(handler, 302, {"Location": page.redirect})
    else:
        start = _start(handler, page)
        if start is None:
            _refuse(handler, 416, {"Content-Range": f"bytes */{len(page.body)}"})
        else:
            _serve(handler, page, start)


def _refuse(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str | None]) -> None:
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": "0"}.items():
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()


def _start(handler: BaseHTTPRequestHandler, page: Page) -> int | None:
    """The byte to begin at, the response's first line sent; None beyond the end."""
    wanted, condition = handler.headers["Range"], handler.headers["If-Range"]
    if not wanted or not page.ranges or condition not in (None, page.etag):
        handler.send_response(200)
        return 0
    start = int(wanted.removeprefix("bytes=").rstrip("-"))
    if start >= len(page.body):
        return None
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
    return start


def _serve(handler: BaseHTTPRequestHandler, page: Page, start: int) -> None:
    if page.etag:
        handler.send_header("ETag", page.etag)
    handler.send_header("Content-Type", page.content_type)
    rest = page.body[start:]
    if page.chunked:
        handler.send_header("Transfer-Encoding", "chunked")
    else:
        handler.send_header("Content-Length", str(len(rest) if page.length is None else page.length))
    handler.end_headers()
    drop = page.drops.pop(0) if page.drops else None
    _send(handler, page, rest if drop is None else rest[:drop])
    if page.chunked and drop is None:
        handler.wfile.write(b"0\r\n\r\n")
    if drop is not None or page.length not in (None, len(rest)):
        handler.close_connection = True
    if page.change_after is not None:
        page.body, page.etag, page.change_after = page.change_after, '"v2"', None


def _send(handler: BaseHTTPRequestHandler, page: Page, body: bytes) -> None:
    step = 4096 if page.pause_s else 1 << 16
    for at in range(0, len(body), step):
        piece = body[at : at + step]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if page.chunked else piece)
        handler.wfile.flush()
        if page.pause_s:
            time.sleep(page.pause_s)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()
    made.thread.join()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home")


def voice(seconds: float, hz: float, rate_hz: int = 44_100) -> np.ndarray:
    """A tone with vibrato and overtones: short real audio."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * hz * time_s + 0.3 * np.sin(2 * np.pi * 5.5 * time_s)
    return 0.3 * np.sin(phase) + 0.1 * np.sin(2 * phase) + 0.03 * np.sin(3 * phase)


def wav_bytes(samples: np.ndarray, rate_hz: int = 44_100) -> bytes:
    handle = io.BytesIO()
    soundfile.write(handle, samples, rate_hz, format="WAV", subtype="PCM_16")
    return handle.getvalue()


def tar_gz(members: dict[str, bytes]) -> bytes:
    handle = io.BytesIO()
    with tarfile.open(fileobj=handle, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return handle.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return handle.getvalue()


def opensinger(seconds: float = 4.0, rate_hz: int = 44_100) -> dict[str, bytes]:
    """Two men and two women with the number 0 and 1, two songs each, three phrases a song; and clutter."""
    members = {
        "OpenSinger/LICENSE": b"CC BY-NC-SA",
        "OpenSinger/README.md": b"read",
        "OpenSinger/.DS_Store": b"x",
    }
    for place, (folder, singer) in enumerate((f, s) for f in ("ManRaw", "WomanRaw") for s in (0, 1)):
        for song, title in enumerate(("光年之外", f"小幸运{place}")):
            for number in range(3):
                base = f"OpenSinger/{folder}/{singer}_{title}/{singer}_{title}_{number}"
                sound = voice(seconds, 150.0 + 40 * place + 25 * number + 60 * song, rate_hz)
                members[f"{base}.wav"] = wav_bytes(sound, rate_hz)
                members[f"{base}.txt"] = f"第{number}句".encode()
                members[f"{base}.lab"] = b"0 1 a"
    members["OpenSinger/ManRaw/0_光年之外/._0_光年之外_0.wav"] = b"resource fork"
    return members


def m4singer(top: str = "m4singer") -> dict[str, bytes]:
    """Two singers, one song each, three phrases, one of them at 48 kHz; and one whose folder has dashes for spaces."""
    members, meta = {}, []
    for singer, title, folder in (("Alto-1", "美错", "美错"), ("Tenor-2", "Let it", "Let-it")):
        for number in range(3):
            rate_hz = 48_000 if number == 1 else 44_100
            members[f"{top}/{singer}#{folder}/{number:04d}.wav"] = wav_bytes(
                voice(4.0, 200 + 30 * number, rate_hz), rate_hz
            )
            members[f"{top}/{singer}#{folder}/{number:04d}.mid"] = b"MThd"
            meta.append(
                {
                    "item_name": f"{singer}#{title}#{number:04d}",
                    "txt": f"词 {number}",
                    "phs": ["a"],
                    "notes": [60],
                }
            )
    members[f"{top}/meta.json"] = json.dumps(meta[::-1], ensure_ascii=False).encode()
    return members


def tune(
    *, seed: int = 0, bars: int = 12, bpm: float = 120.0, metre: tuple[int, int] = (4, 4), key: str | None = "G",
    program: int = 0, drums: bool = False, ticks: int = 480, transpose: int = 0, velocity: int = 90,
) -> bytes:  # fmt: skip
    """A MIDI file of eighth notes with a bass, two tracks and a conductor's."""
    generator = np.random.default_rng(seed)
    song = mido.MidiFile(ticks_per_beat=ticks)
    conductor, lead, bass = (song.add_track() for _ in range(3))
    conductor.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)))
    conductor.append(mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))
    if key:
        conductor.append(mido.MetaMessage("key_signature", key=key))
    channel = 9 if drums else 0
    step = ticks // 2
    lead.append(mido.Message("program_change", channel=channel, program=program))
    eighths = bars * metre[0] * 8 // metre[1]
    for _ in range(eighths):
        pitch = 60 + transpose + int(generator.choice([0, 2, 4, 5, 7, 9, 11]))
        lead.append(mido.Message("note_on", channel=channel, note=pitch, velocity=velocity))
        lead.append(mido.Message("note_off", channel=channel, note=pitch, time=step))
    if not drums:
        bass.append(mido.Message("program_change", channel=1, program=32))
        for _ in range(eighths // 4):
            pitch = 36 + transpose + int(generator.choice([0, 5, 7]))
            bass.append(mido.Message("note_on", channel=1, note=pitch, velocity=80))
            bass.append(mido.Message("note_off", channel=1, note=pitch, time=4 * step))
    handle = io.BytesIO()
    song.save(file=handle)
    return handle.getvalue()


def soundfont_bytes(quiet_program: int | None = None) -> bytes:
    """An SF2 file: one looped wave as every General MIDI program and as drums, made by the SoundFont 2.01 tables."""
    rate_hz, period = 44_100, 100
    wave = np.round(12_000 * np.sin(2 * np.pi * np.arange(8 * period) / period)).astype("<i2")
    smpl = wave.tobytes() + bytes(46 * 2)

    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    programs = [(0, number) for number in range(128)] + [(128, 0)]
    phdr = b"".join(
        struct.pack("<20sHHHIII", f"P{number}".encode(), number, bank, place, 0, 0, 0)
        for place, (bank, number) in enumerate(programs)
    ) + struct.pack("<20sHHHIII", b"EOP", 0, 0, len(programs), 0, 0, 0)
    pbag = b"".join(struct.pack("<HH", place, 0) for place in range(len(programs) + 1))
    pgen = b"".join(
        struct.pack("<HH", 41, int(number == quiet_program and bank == 0)) for bank, number in programs
    )
    loud = [(54, 1), (53, 0)]
    faint = [(48, 1440), (54, 1), (53, 0)]  # 144 dB down
    igens = loud + faint + [(0, 0)]
    inst = (
        struct.pack("<20sH", b"wave", 0) + struct.pack("<20sH", b"faint", 1) + struct.pack("<20sH", b"EOI", 2)
    )
    ibag = struct.pack("<HHHHHH", 0, 0, len(loud), 0, len(loud) + len(faint), 0)
    shdr = struct.pack("<20sIIIIIBbHH", b"wave", 0, len(wave), 0, len(wave), rate_hz, 69, 0, 0, 1)
    shdr += struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    pdta = b"".join(
        chunk(name, data)
        for name, data in (
            (b"phdr", phdr), (b"pbag", pbag), (b"pmod", bytes(10)), (b"pgen", pgen + bytes(4)), (b"inst", inst),
            (b"ibag", ibag), (b"imod", bytes(10)), (b"igen", b"".join(struct.pack("<HH", *each) for each in igens)),
            (b"shdr", shdr),
        )
    )  # fmt: skip
    info = (
        chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"isng", b"EMU8000\0") + chunk(b"INAM", b"test\0\0")
    )
    lists = (
        chunk(b"LIST", b"INFO" + info)
        + chunk(b"LIST", b"sdta" + chunk(b"smpl", smpl))
        + chunk(b"LIST", b"pdta" + pdta)
    )
    return chunk(b"RIFF", b"sfbk" + lists)


@pytest.fixture(scope="session")
def soundfont(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("font") / "sine.sf2"
    path.write_bytes(soundfont_bytes())
    return path
