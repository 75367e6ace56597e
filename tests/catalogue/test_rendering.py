"""Rendering through a soundfont made here: one sine wave, so what must sound is known."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from angen.catalogue.symbolic.reading import parse_midi
from angen.catalogue.symbolic.rendering import can_play, render, soundfont_names, soundfonts_for
from angen.errors import DatasetError, ScoreError

from .conftest import soundfont_bytes, tune

pytest.importorskip("tinysoundfont", reason="the extra 'symbolic' is not installed")


def _one_note(*, pedal: bool = False, pitch: int = 69) -> bytes:
    import io

    song = mido.MidiFile(ticks_per_beat=480)
    track = song.add_track()
    if pedal:
        track.append(mido.Message("control_change", control=64, value=127))
    track.append(mido.Message("note_on", note=pitch, velocity=100, time=480))  # at 0.5 s
    track.append(mido.Message("note_off", note=pitch, time=480))
    track.append(mido.Message("control_change", control=64, value=0, time=960))  # at 2 s
    track.append(mido.MetaMessage("end_of_track", time=960))
    handle = io.BytesIO()
    song.save(file=handle)
    return handle.getvalue()


def _level(samples: np.ndarray, start_s: float, end_s: float) -> float:
    return float(np.sqrt(np.mean(samples[:, round(start_s * 44_100) : round(end_s * 44_100)] ** 2)))


def test_a_note_sounds_when_and_how_high_it_is_written(soundfont: Path) -> None:
    audio = render(parse_midi(_one_note()), soundfont, until_s=3.0)
    assert (audio.channels, audio.rate_hz, audio.duration_s) == (2, 44_100, 3.0)
    assert _level(audio.samples, 0, 0.49) < 1e-4 < 0.05 < _level(audio.samples, 0.55, 0.95)
    assert _level(audio.samples, 1.6, 3.0) < 1e-3
    tone = audio.samples[0, 22_050 + 4410 : 22_050 + 4410 + 16_384]
    hz = np.argmax(np.abs(np.fft.rfft(tone * np.hanning(len(tone))))) * 44_100 / len(tone)
    assert hz == pytest.approx(441, abs=4), "the wave has a period of 100 samples at A4"


def test_a_pedal_holds_the_note_until_it_is_let_go(soundfont: Path) -> None:
    audio = render(parse_midi(_one_note(pedal=True)), soundfont, until_s=3.0)
    assert _level(audio.samples, 1.2, 1.9) > 0.05
    assert _level(audio.samples, 2.6, 3.0) < 1e-3


def test_rendering_twice_is_the_same_and_hears_nothing_of_before(soundfont: Path) -> None:
    score = parse_midi(tune())
    first = render(score, soundfont, until_s=5.0)
    render(parse_midi(tune(seed=9)), soundfont, until_s=2.0)
    again = render(score, soundfont, until_s=5.0)
    assert np.abs(first.samples - again.samples).max() < 1e-3
    assert float(np.abs(first.samples).max()) <= 0.971
    assert _level(first.samples, 0, 5) <= 0.1001


def test_a_soundfont_that_cannot_be_heard_is_passed_over(soundfont: Path, tmp_path: Path) -> None:
    faint = tmp_path / "faint.sf2"
    faint.write_bytes(soundfont_bytes(quiet_program=73))
    flute, piano = parse_midi(tune(program=73)), parse_midi(tune())
    assert (can_play(flute, soundfont), can_play(flute, faint), can_play(piano, faint)) == (True, False, True)
    assert soundfonts_for(flute, [faint, soundfont]) == [soundfont]
    assert soundfonts_for(piano, [faint, soundfont]) == [faint, soundfont]


def test_only_the_instrument_that_cannot_be_heard_is_played_by_another(
    soundfont: Path, tmp_path: Path
) -> None:
    no_flute, no_bass = tmp_path / "no flute.sf2", tmp_path / "no bass.sf2"
    no_flute.write_bytes(soundfont_bytes(quiet_program=73))
    no_bass.write_bytes(soundfont_bytes(quiet_program=32))
    duet = parse_midi(tune(program=73))  # a flute and an acoustic bass: no font has both
    assert not can_play(duet, no_flute)
    assert not can_play(duet, no_bass)
    assert soundfonts_for(duet, [no_flute, no_bass]) == [no_flute, no_bass]
    assert soundfont_names(duet, no_flute, no_bass) == ["no bass.sf2", "no flute.sf2"]
    assert soundfont_names(duet, no_flute, soundfont) == ["no flute.sf2", soundfont.name]
    assert soundfont_names(duet, soundfont, no_bass) == [soundfont.name]
    whole = render(duet, soundfont, until_s=5.0)  # the same wave everywhere, so nothing may differ
    for other in (no_bass, soundfont):
        shared = render(duet, no_flute, other, until_s=5.0)
        assert np.abs(shared.samples - whole.samples).max() < 1e-3


def test_silence_and_files_that_are_no_soundfonts_are_typed_errors(soundfont: Path, tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="Nothing of it"):
        render(parse_midi(_one_note()), soundfont, until_s=0.3)
    wrong = tmp_path / "wrong.sf2"
    wrong.write_bytes(b"RIFF no font")
    with pytest.raises(DatasetError, match="no soundfont"):
        render(parse_midi(_one_note()), wrong, until_s=1.0)
