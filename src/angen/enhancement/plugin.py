"""A program of its own environment as upscaler, such as AudioSR, which cannot live in ours.

It is given a WAV file (32-bit floating point) and the name of one to write, through a command line without a
shell. What it writes is believed only after it was read and checked.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from angen.audio import Audio, read_audio, write_audio
from angen.enhancement.knobs import check_range
from angen.enhancement.stopping import StoppedError
from angen.errors import AudioError, EnhancementError, SilentAudioError

POLL_S = 0.05
GRACE_S = 2.0
LENGTH_TOLERANCE_S = 0.1
TOLD = 600  # characters of the program's own words in an error
NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP")
"""Variables of our environment that would mislead a Python of another."""


class PluginError(EnhancementError):
    """The program could not be started, or ended with an error."""

    code = "plugin"


class PluginTimeoutError(PluginError):
    """The program took longer than it may."""

    code = "plugin-timeout"


class PluginOutputError(PluginError):
    """What the program wrote is not what it was asked for."""

    code = "plugin-output"


@dataclass(frozen=True)
class PluginUpscaler:
    """A command that upscales a file.

    Attributes:
        command: The command line, split as a shell would, but run without one. `{input}` and `{output}` are
            replaced by WAV files and have to be there; `{rate}` by the rate asked for, in Hz.
        timeout_s: How long it may take, 1 to 86,400.

    Raises:
        EnhancementError: If the command cannot be split, or lacks `{input}` or `{output}`.
    """

    command: str
    timeout_s: float = 3600.0

    def __post_init__(self) -> None:
        check_range(self, timeout_s=(1, 86_400))
        words = self._words()
        for place in ("{input}", "{output}"):
            if not any(place in word for word in words):
                raise EnhancementError(
                    f"The plug-in command {self.command!r} lacks {place}.",
                    remedy="Write it like: /opt/audiosr/bin/python upscale.py {input} {output} --rate {rate}",
                )

    @property
    def name(self) -> str:
        """The program's file name."""
        return Path(self._words()[0]).name

    def upscale(self, audio: Audio, rate_hz: int, should_stop: Callable[[], bool] = lambda: False) -> Audio:
        """Run the program on a recording.

        Returns:
            Its result, exactly as long as the recording: up to 0.1 s too much is cut, as much missing is silent.

        Raises:
            PluginError: If it cannot be started or ends with an error.
            PluginTimeoutError: If it takes longer than `timeout_s`.
            StoppedError: If `should_stop` says so meanwhile.
            PluginOutputError: If its result is missing, unreadable, not finite, or of another rate, length or
                number of channels.
        """
        with tempfile.TemporaryDirectory(prefix="angen-plugin-") as folder:
            source, target = Path(folder) / "input.wav", Path(folder) / "output.wav"
            write_audio(source, audio, bit_depth=32)
            places = {"{input}": str(source), "{output}": str(target), "{rate}": str(rate_hz)}
            self._run([_filled(word, places) for word in self._words()], Path(folder), should_stop)
            return self._checked(target, audio, rate_hz)

    def _words(self) -> list[str]:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise EnhancementError(
                f"The plug-in command {self.command!r} cannot be split: {error}.",
                remedy="Close its quotation marks.",
            ) from error
        if not words:
            raise EnhancementError("The plug-in command is empty.", remedy="Name a program.")
        return words

    def _run(self, words: list[str], folder: Path, should_stop: Callable[[], bool]) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        said = folder / "said.txt"
        with said.open("wb") as words_said:
            try:
                # A group of its own, so that its children end with it. Relative paths are the caller's.
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=words_said,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise PluginError(
                    f"The plug-in {words[0]!r} cannot be started: {error.strerror or error}.",
                    remedy="Check the path of the program and that it may be executed.",
                ) from error
            try:
                self._wait(process, should_stop)
            finally:
                _end(process)
        if process.returncode:
            told = said.read_bytes()[-4 * TOLD :].decode(errors="replace").strip()[-TOLD:]
            raise PluginError(
                f"The plug-in {self.name!r} ended with {process.returncode}: {told or 'it said nothing'}",
                remedy="Run its command by hand to see what it needs.",
            )

    def _wait(self, process: subprocess.Popen[bytes], should_stop: Callable[[], bool]) -> None:
        end_s = time.monotonic() + self.timeout_s
        while process.poll() is None:
            if should_stop():
                raise StoppedError(f"The plug-in {self.name!r}")
            if time.monotonic() > end_s:
                raise PluginTimeoutError(
                    f"The plug-in {self.name!r} took longer than {self.timeout_s:g} s.",
                    remedy="Allow more time, or give a shorter recording.",
                )
            try:
                process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                continue

    def _checked(self, target: Path, audio: Audio, rate_hz: int) -> Audio:
        wanted = round(audio.samples.shape[1] * rate_hz / audio.rate_hz)
        try:
            made = read_audio(target)
        except SilentAudioError as error:
            if audio.samples.any():
                raise self._refused("is silent") from error
            return Audio(np.zeros((audio.channels, wanted), np.float32), rate_hz)
        except AudioError as error:
            raise self._refused(f"cannot be used: {error.message}") from error
        if made.rate_hz != rate_hz:
            raise self._refused(f"has {made.rate_hz} Hz instead of {rate_hz}")
        if made.channels != audio.channels:
            raise self._refused(f"has {made.channels} channels instead of {audio.channels}")
        excess = made.samples.shape[1] - wanted
        if abs(excess) > LENGTH_TOLERANCE_S * rate_hz:
            raise self._refused(f"lasts {made.duration_s:.2f} s instead of {audio.duration_s:.2f}")
        padded = np.pad(made.samples[:, :wanted], ((0, 0), (0, max(0, -excess))))
        return Audio(np.ascontiguousarray(padded), rate_hz)

    def _refused(self, fault: str) -> PluginOutputError:
        return PluginOutputError(
            f"The result of the plug-in {self.name!r} {fault}.",
            remedy="Check its options: it has to keep length and channels, and write the rate {rate}.",
        )


def _filled(word: str, places: dict[str, str]) -> str:
    for place, value in places.items():
        word = word.replace(place, value)
    return word


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and its children, if it still runs: politely first."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its group lives on while a child does
    process.wait()
