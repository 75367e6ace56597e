"""A small real program as plug-in, well behaved and not."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from angen.audio import Audio
from angen.enhancement import (
    PluginError,
    PluginOutputError,
    PluginTimeoutError,
    PluginUpscaler,
    StoppedError,
    upscale,
)
from angen.errors import EnhancementError

PROGRAM = """
import os, subprocess, sys, time
how, source, target, rate = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
if how == "fails":
    sys.exit("no such model")
if how == "sleeps":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open(sys.argv[5], "w").write(str(child.pid))
    time.sleep(60)
if how == "environment":
    assert not any(name in os.environ for name in ("PYTHONPATH", "VIRTUAL_ENV")), "not ours"
import numpy as np, soundfile, soxr
sound, given = soundfile.read(source, dtype="float32", always_2d=True)
made = soxr.resample(sound, given, rate)
if how == "short":
    made = made[: len(made) // 2]
if how == "a little short":
    made = made[:-100]
if how == "mono":
    made = made[:, :1]
if how == "nan":
    made[5] = np.nan
if how == "silent":
    made[:] = 0
if how == "rate":
    rate = given
if how == "text":
    open(target, "w").write("no sound at all")
elif how != "nothing":
    soundfile.write(target, made, rate, subtype="FLOAT")
"""


@pytest.fixture
def audio():
    time_s = np.arange(22_050) / 22_050
    tones = [np.sin(2 * np.pi * hz * time_s) for hz in (440, 660)]
    return Audio((0.5 * np.stack(tones)).astype(np.float32), 22_050)


@pytest.fixture
def plugin(tmp_path):
    program = tmp_path / "a program.py"
    program.write_text(PROGRAM)

    def make(how, timeout_s=60.0, more=""):
        words = f'"{sys.executable}" "{program}" "{how}" {{input}} {{output}} {{rate}} {more}'
        return PluginUpscaler(words, timeout_s)

    return make


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_does_the_work(audio, plugin):
    made = upscale(audio, 44_100, upscaler=plugin("works"))
    assert made.method == f"upscaled by {Path(sys.executable).name}"
    assert made.audio.samples.shape == (2, 44_100)
    expected = audio.resampled(44_100).samples
    np.testing.assert_allclose(made.audio.samples, expected, atol=1e-4)


def test_its_environment_is_its_own(audio, plugin, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere/of/ours")
    monkeypatch.setenv("VIRTUAL_ENV", "/ours")
    assert plugin("environment").upscale(audio, 44_100).rate_hz == 44_100


def test_a_little_too_short_is_filled_with_silence(audio, plugin):
    made = plugin("a little short").upscale(audio, 44_100)
    assert made.samples.shape == (2, 44_100)
    assert not made.samples[:, -100:].any()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("rate", "has 22050 Hz instead of 44100"),
        ("short", "lasts 0.50 s instead of 1.00"),
        ("mono", "has 1 channels instead of 2"),
        ("nan", "not numbers"),
        ("silent", "is silent"),
        ("text", "not readable as sound"),
        ("nothing", "no such file"),
    ],
)
def test_its_result_is_checked(audio, plugin, how, told):
    with pytest.raises(PluginOutputError, match=told) as caught:
        plugin(how).upscale(audio, 44_100)
    assert caught.value.code == "plugin-output"
    assert caught.value.remedy


def test_a_program_that_fails_is_quoted(audio, plugin):
    with pytest.raises(PluginError, match=r"ended with 1: no such model"):
        plugin("fails").upscale(audio, 44_100)


def test_a_program_that_is_not_there(audio):
    with pytest.raises(PluginError, match="cannot be started"):
        PluginUpscaler("/nowhere/program {input} {output}").upscale(audio, 44_100)


@pytest.mark.parametrize("end", ["timeout", "stop"])
def test_time_out_and_stopping_end_it_and_its_children(audio, plugin, tmp_path, end):
    note = tmp_path / "child"
    start_s = time.monotonic()

    def stop():
        return end == "stop" and note.exists() and note.read_text() != ""

    error = PluginTimeoutError if end == "timeout" else StoppedError
    upscaler = plugin("sleeps", 2.0 if end == "timeout" else 60.0, f'"{note}"')
    with pytest.raises(error):
        upscaler.upscale(audio, 44_100, stop)
    assert time.monotonic() - start_s < 20
    child = int(note.read_text())
    for _ in range(100):
        if not is_alive(child):
            break
        time.sleep(0.05)
    assert not is_alive(child)


@pytest.mark.parametrize("command", ["", "run {input}", "run {output}", 'run "{input} {output}'])
def test_a_command_without_its_places_is_refused(command):
    with pytest.raises(EnhancementError, match="plug-in"):
        PluginUpscaler(command)


def test_no_shell_reads_the_command(audio, plugin, tmp_path):
    with pytest.raises(PluginError):
        PluginUpscaler(f"true {{input}} {{output}} ; touch {tmp_path}/made").upscale(audio, 44_100)
    assert not (tmp_path / "made").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a program.py"]
