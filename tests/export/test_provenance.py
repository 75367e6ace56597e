"""C2PA, signed and read back by its own library; skipped where the extra is not installed."""

import dataclasses
import stat

import pytest

from angen.audio import read_audio
from angen.errors import ExportError
from angen.export import export_audio, parse_formats, read_tags
from angen.export import tagging as export_room
from angen.export.provenance import (
    UNTRUSTED,
    c2pa_signer,
    local_identity,
    manifest,
    read_identity,
    read_provenance,
)

from .conftest import full_tags, needs, noise

NO_EXTRA = "the extra angen[provenance] is not installed"


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    pytest.importorskip("c2pa", reason=NO_EXTRA)
    pytest.importorskip("cryptography", reason=NO_EXTRA)
    return local_identity(tmp_path_factory.mktemp("signing"))


def test_without_the_extra_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    for call in (lambda: local_identity(tmp_path), lambda: read_provenance(tmp_path / "a.wav")):
        with pytest.raises(ExportError, match=r"pip install 'angen\[provenance\]'"):
            call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spec", ["wav16", "wav24", "flac", "mp3", "m4a"])
def test_a_signed_file_says_who_made_it_and_keeps_tags_and_sound(identity, tmp_path, spec):
    if spec == "m4a":
        needs("ffmpeg")
    kind = parse_formats(spec)[0]
    path = tmp_path / f"a{kind.suffix}"
    plain = export_audio(tmp_path / f"plain{kind.suffix}", noise(), kind, full_tags())
    made = export_audio(path, noise(), kind, full_tags(), sign=c2pa_signer(identity))
    assert made.provenance == UNTRUSTED
    assert read_tags(path).tags == full_tags()
    if spec != "m4a":
        assert (read_audio(path).samples == read_audio(plain.path).samples).all()
    report = read_provenance(path)
    assert report["validation_state"] == "Valid"
    assert {one["code"] for one in report["validation_status"]} == {"signingCredential.untrusted"}
    assertions = {
        one["label"]: one["data"] for one in report["manifests"][report["active_manifest"]]["assertions"]
    }
    stated = assertions["c2pa.actions.v2"]["actions"][0]
    assert stated["action"] == "c2pa.created"
    assert stated["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert read_provenance(plain.path) is None


def test_a_changed_sound_breaks_the_seal(identity, tmp_path):
    kind = parse_formats("wav16")[0]
    export_audio(tmp_path / "a.wav", noise(), kind, full_tags(), sign=c2pa_signer(identity))
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[data.index(b"data") + 1000] ^= 1
    (tmp_path / "a.wav").write_bytes(data)
    report = read_provenance(tmp_path / "a.wav")
    assert report["validation_state"] == "Invalid"
    assert "assertion.dataHash.mismatch" in {one["code"] for one in report["validation_status"]}


def test_ogg_is_left_as_it_is_and_says_so(identity, tmp_path):
    kind = parse_formats("opus")[0]
    made = export_audio(tmp_path / "a.opus", noise(), kind, full_tags(), sign=c2pa_signer(identity))
    assert made.provenance.startswith("not signed")
    assert read_provenance(tmp_path / "a.opus") is None


def test_only_machine_made_music_is_stated_to_be(identity):
    with pytest.raises(ExportError, match="no such mark"):
        manifest(parse_formats("wav16")[0], dataclasses.replace(full_tags(), ai=None))


def test_our_identity_is_kept_and_private(identity, tmp_path):
    first = local_identity(tmp_path / "s")
    assert local_identity(tmp_path / "s") == first
    assert first.is_local
    assert stat.S_IMODE((tmp_path / "s" / "key.pem").stat().st_mode) == 0o600
    given = read_identity(tmp_path / "s" / "certificates.pem", tmp_path / "s" / "key.pem")
    assert not given.is_local
    local_identity(tmp_path / "other")
    with pytest.raises(ExportError, match="not that of the certificate"):
        read_identity(tmp_path / "s" / "certificates.pem", tmp_path / "other" / "key.pem")
    (tmp_path / "bad.pem").write_text("no key")
    for certificate, key in (
        ("bad.pem", "s/key.pem"),
        ("s/certificates.pem", "bad.pem"),
        ("gone.pem", "bad.pem"),
    ):
        with pytest.raises(ExportError, match="cannot be read"):
            read_identity(tmp_path / certificate, tmp_path / key)


def test_a_signature_that_would_cost_the_tags_is_refused(tmp_path):
    def careless(data, kind, tags):
        return export_room.tagged(data, dataclasses.replace(tags, title="")), "signed"

    with pytest.raises(ExportError, match="would damage the tags"):
        export_audio(tmp_path / "a.flac", noise(), parse_formats("flac")[0], full_tags(), sign=careless)
    assert list(tmp_path.iterdir()) == []
