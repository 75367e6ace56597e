"""The whole way, over a real server: fetch, verify, unpack, prepare, load; for every collection in its true layout."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from angen.audio import read_audio
from angen.catalogue import mutopia
from angen.catalogue.choosing import Choice
from angen.catalogue.folder import CREDITS, MARKER, is_licence_accepted
from angen.catalogue.records import Collection, collection, collections
from angen.catalogue.space import Need, check_space
from angen.dataset import Dataset, load_dataset
from angen.errors import (
    DamagedArchiveError,
    DatasetError,
    DownloadError,
    DownloadStoppedError,
    LicenceNotAcceptedError,
    UnsafeArchiveError,
    WebPageError,
    WrongFileError,
)
from angen.settings import Settings
from angen.workflows.curated import Downloaded, download_collection
from angen.workflows.curated_gathering import PrepareOptions
from angen.workflows.curated_prepare import prepare_collection

from .conftest import IMPATIENT, Page, Server, m4singer, opensinger, tar_gz, tune, voice, wav_bytes, zipped

HERE = PrepareOptions(workers=0)


def _served(
    server: Server, id_: str, data: bytes, *, hashed: bool = True, subset: str | None = None, **facts: object
) -> Collection:
    """A collection of the catalogue, its archive and hash replaced by a miniature's."""
    original = collection(id_)
    source = original.source(subset)
    server.pages[f"/{source.filename}"] = Page(data)
    digest = hashlib.sha256(data).hexdigest() if hashed else None
    known = {
        "url": f"{server.url}/{source.filename}",
        "sha256": digest,
        "md5": None,
        "bytes": len(data) if hashed else None,
    }
    small = source.model_copy(update={**known, "unpacked_bytes": 1_000_000, "default": True})
    return original.model_copy(update={"sources": [small], "hours": 0.01, **facts})


def _download(
    settings: Settings, chosen: Collection, choice: Choice | None = None, **how: object
) -> Downloaded:
    return download_collection(
        settings, chosen, choice, accepts_licence=True, patience=IMPATIENT, pace_s=0.0, **how
    )  # type: ignore[arg-type]


def _prepare(settings: Settings, chosen: Collection, options: PrepareOptions = HERE) -> Dataset:
    prepared = prepare_collection(settings, chosen, options)
    return load_dataset(prepared.folder)


def test_nothing_is_fetched_before_the_licence_is_accepted(server: Server, settings: Settings) -> None:
    chosen = _served(server, "opensinger", tar_gz(opensinger(0.2)))
    with pytest.raises(LicenceNotAcceptedError, match=r"(?s)CC-BY-NC-SA-4.0.*No commercial use.*Share alike"):
        download_collection(settings, chosen)
    assert server.log == []
    assert not is_licence_accepted(settings.collections, chosen)
    _download(settings, chosen)
    assert is_licence_accepted(settings.collections, chosen)
    download_collection(settings, chosen, patience=IMPATIENT)  # accepted once is enough
    changed = chosen.model_copy(update={"licence_note": "They changed their minds."})
    assert not is_licence_accepted(settings.collections, changed)


def test_opensinger_becomes_clips_with_lyrics_singers_and_a_split_by_title(
    server: Server, settings: Settings
) -> None:
    chosen = _served(server, "opensinger", tar_gz(opensinger()))
    done = _download(settings, chosen)
    assert done.record.is_verified
    assert done.record.files == 2 + 4 * 2 * 3 * 3
    dataset = _prepare(settings, chosen)
    info = dataset.info
    assert (info.type, info.collection, info.licence) == ("vocal", "opensinger", "CC-BY-NC-SA-4.0")
    assert info.non_commercial
    assert info.share_alike
    assert "Huang" in info.attribution[0]
    assert {clip.singer for clip in dataset.clips} == {"man 0", "man 1", "woman 0", "woman 1"}
    assert {clip.language for clip in dataset.clips} == {"cmn"}
    for clip in dataset.clips:
        assert clip.lyrics == "第0句\n第1句\n第2句", "the phrases of one song, in their order"
        assert clip.duration_s == pytest.approx(3 * 4.0 + 2 * 0.3, abs=0.01)
        assert clip.instruments == [f"{'male' if (clip.singer or '').startswith('man') else 'female'} voice"]
        audio = read_audio(dataset.audio_path(clip))
        assert float(np.abs(audio.span(4.05, 4.25).samples).max()) < 1e-3, "a rest between two phrases"
    shared = {clip.split for clip in dataset.clips if "光年之外" in clip.song}
    assert len(shared) == 1, "one title by several singers is on one side"
    assert {clip.split for clip in dataset.clips} == {"train", "validation"}
    assert "sung by woman 1" in (dataset.folder / CREDITS).read_text()


def test_a_choice_of_singers_unpacks_only_theirs_and_says_so(server: Server, settings: Settings) -> None:
    chosen = _served(server, "opensinger", tar_gz(opensinger(0.2)))
    done = _download(settings, chosen, Choice(singers=2, seed=3))
    folders = {path.parent for path in done.folder.rglob("*.wav")}
    assert len({(path.parent.name, path.name.split("_")[0]) for path in folders}) == 2
    assert done.record.choice == "2 singers; seed 3"
    one_song = _download(settings, chosen, Choice(pieces=1))
    assert len({path.parent for path in one_song.folder.rglob("*.wav")}) == 1
    assert len(server.log) == 1, "the archive is kept"


def test_m4singer_is_checked_by_its_count_and_its_hash_is_kept(server: Server, settings: Settings) -> None:
    data = zipped(m4singer("M4Singer_v1"))
    chosen = _served(server, "m4singer", data, hashed=False, files=6)
    done = _download(settings, chosen)
    assert not done.record.is_verified
    assert done.record.sha256 == hashlib.sha256(data).hexdigest()
    assert "No hash is published" in done.notes[0]
    dataset = _prepare(settings, chosen)
    assert {clip.singer for clip in dataset.clips} == {"Alto-1", "Tenor-2"}
    alto = next(clip for clip in dataset.clips if clip.singer == "Alto-1")
    assert (alto.lyrics, alto.instruments) == ("词 0\n词 1\n词 2", ["alto voice"])
    assert read_audio(dataset.audio_path(alto)).rate_hz == 48_000
    short = _served(server, "m4singer", data, hashed=False, files=7)
    shutil.rmtree(settings.collections)
    with pytest.raises(DamagedArchiveError, match="should hold 7 clips, the archive holds 6"):
        _download(settings, short)
    assert not (settings.collections / "m4singer" / "all" / MARKER).exists()


def test_the_corpus_gives_the_part_of_its_songs_that_is_asked_for(server: Server, settings: Settings) -> None:
    members = {}
    for number, name in enumerate(("Ann_-_One_Song", "Bob_-_Other")):
        voices, rest = voice(12.0, 300 + 50 * number), voice(12.0, 90)
        for file, sound in (("source-02", voices), ("source-01", rest), ("mix", (voices + rest) / 2)):
            members[f"ccmixter_corpus/{name}/{file}.wav"] = wav_bytes(np.stack([sound, sound], axis=1))
    chosen = _served(server, "ccmixter_corpus", zipped(members))
    _download(settings, chosen)
    dataset = _prepare(settings, chosen)
    assert dataset.info.non_commercial, "no licence is known, so nothing is promised"
    assert not dataset.info.share_alike
    assert {clip.singer for clip in dataset.clips} == {"Ann", "Bob"}
    assert {clip.credit for clip in dataset.clips} == {"One Song by Ann, ccMixter", "Other by Bob, ccMixter"}


def _upload(server: Server, number: int, licence: str, *, sound: bytes, **more: object) -> dict[str, object]:
    name = f"artist_-_Song {number}.wav"
    server.pages[f"/content/{number}.wav"] = Page(sound)
    digest = base64.b32encode(hashlib.sha1(sound, usedforsecurity=False).digest()).decode()
    return {
        "upload_id": number,
        "upload_name": f"Song {number}",
        "user_real_name": f"Artist {number}",
        "file_page_url": f"http://ccmixter.org/files/a/{number}",
        "license_url": licence,
        "upload_tags": ",acappella,english,female_vocals,",
        "files": [
            {
                "file_name": f"{number}.zip",
                "download_url": f"{server.url}/content/z",
                "file_format_info": {"media-type": "archive"},
            },
            {
                "file_name": name,
                "download_url": f"{server.url}/content/{number}.wav",
                "file_rawsize": len(sound),
                "file_format_info": {"media-type": "audio", "ps": "0:12"},
                "file_extra": {"sha1": digest},
            },
        ],
        **more,
    }


def _ccmixter(server: Server) -> None:
    cc = "http://creativecommons.org/licenses"
    songs = {n: wav_bytes(voice(12.0, 200.0 + 20 * n)) for n in range(1, 6)}
    rows = [
        _upload(server, 1, f"{cc}/by/3.0/", sound=songs[1], upload_extra={"bpm": "X"}),
        _upload(server, 2, f"{cc}/by-nc/3.0/", sound=songs[2]),
        _upload(server, 3, f"{cc}/by/2.5/", sound=songs[3], upload_extra={"bpm": ""}),
        _upload(server, 4, f"{cc}/by-nd/3.0/", sound=songs[4]),
        {
            **_upload(server, 5, f"{cc}/by/3.0/", sound=songs[5]),
            "files": [{"file_name": "a.mp3", "download_url": "http://169.254.1.1/a.mp3"}],
        },
    ]
    server.pages["/content/3.wav"].body = songs[4]  # not the file its row describes, though of the same size

    def answer(path: str) -> Page | None:
        if not path.startswith("/api/query"):
            return None
        offset = int(parse_qs(urlsplit(path).query)["offset"][0])
        text = json.dumps(rows[offset : offset + 2])  # the site caps pages without saying so
        return Page(text.replace('"X"', "098").encode(), content_type="text/plain")

    server.dynamic = answer


def test_ccmixter_takes_only_the_licences_asked_for_and_keeps_every_row(
    server: Server, settings: Settings
) -> None:
    _ccmixter(server)
    chosen = collection("ccmixter")
    done = _download(settings, chosen, mirror=server.url)
    assert done.record.items == ["1"]
    reasons = {each.name: each.reason for each in done.record.left_out}
    assert "not asked for" in reasons["2"]
    assert "sha1" in reasons["3"]
    assert "does not allow" in reasons["4"]
    assert "another host" in reasons["5"]
    assert ("/content/1.wav", None, f"{server.url}/") in server.log, "the Referer that the host asks for"
    row = json.loads((done.folder / "content/items/1/row.json").read_text())
    assert (row["license_url"], row["upload_extra"]["bpm"]) == (
        "http://creativecommons.org/licenses/by/3.0/",
        98,
    )
    dataset = _prepare(settings, chosen)
    clip = dataset.clips[0]
    assert (clip.singer, clip.language, clip.tempo_bpm, clip.instruments) == (
        "Artist 1",
        "en",
        98.0,
        ["female voice"],
    )
    assert clip.licence == "CC-BY-3.0"
    assert clip.sources["tempo_bpm"] == "tagged"
    assert "Artist 1" in (clip.credit or "")
    assert not dataset.info.non_commercial
    before = len(server.log)
    again = _download(settings, chosen, Choice(licences=("by", "by-nc")), mirror=server.url)
    assert again.record.items == ["1", "2"]
    assert not any(path == "/content/1.wav" for path, _, _ in server.log[before:]), "what is there stays"
    info = prepare_collection(settings, chosen, PrepareOptions(workers=0, replace=True)).info
    assert info.non_commercial
    assert info.licence == "CC-BY-3.0 and CC-BY-NC-3.0"


RDF = """<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:mp="http://www.mutopiaproject.org/piece-data/0.1/"><rdf:Description rdf:about=".">
<mp:title>T</mp:title><mp:licence>{licence}</mp:licence><mp:midFile>{midi}</mp:midFile></rdf:Description></rdf:RDF>"""


def _mutopia(server: Server, pieces: list[mutopia.Piece]) -> None:
    """A single file; movements in a zip; no RDF; another licence than listed; missing; a duplicate; drums; broken."""
    for place, piece in enumerate(pieces):
        base = f"/ftp/{piece.path}/{piece.name}"
        midi = tune(seed=place, key="G", bars=24, metre=(3, 4))
        kind = "zip" if place == 1 else "mid"
        name = f"{piece.name}-mids.zip" if kind == "zip" else f"{piece.name}.mid"
        if place == 1:
            midi = zipped(
                {f"{piece.name}-1.mid": tune(seed=51), f"{piece.name}.mid": tune(seed=50), "x/readme": b"x"}
            )
        midi = {
            5: tune(seed=0, bars=24, metre=(3, 4), bpm=100),
            6: tune(drums=True, bars=30),
            7: b"MThd broken",
        }.get(place, midi)
        licence = "Creative Commons Attribution-ShareAlike 4.0" if place == 3 else "Public Domain"
        if place != 2:
            server.pages[f"{base}.rdf"] = Page(RDF.format(licence=licence, midi=name).encode())
        if place != 4:
            server.pages[f"/ftp/{piece.path}/{name}"] = Page(midi)


def test_mutopia_fetches_single_pieces_and_labels_them_from_their_notes(
    server: Server, settings: Settings, soundfont: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tinysoundfont", reason="the extra 'symbolic' is not installed")
    listed = mutopia.chosen_pieces(Choice(pieces=8, seed=1))
    monkeypatch.setattr(mutopia, "all_pieces", lambda: tuple(listed))
    _mutopia(server, listed)
    chosen = collection("mutopia")
    done = _download(settings, chosen, Choice(pieces=8), mirror=f"{server.url}/ftp")
    in_order = sorted(piece.path for piece in listed)
    left_out = {each.name: each.reason for each in done.record.left_out}
    by_place = {place: piece.path for place, piece in enumerate(listed)}
    assert "not asked for" in left_out[by_place[3]]
    assert "404" in left_out[by_place[4]]
    assert sorted({*done.record.items, *left_out}) == in_order
    options = PrepareOptions(workers=0, soundfonts=(soundfont,), clips_a_piece=2)
    dataset = _prepare(settings, chosen, options)
    reasons = sorted(skipped.error["type"] for skipped in dataset.info.skipped)
    assert reasons == ["broken", "drums-only", "duplicate"]
    assert dataset.info.type == "symbolic"
    assert any("timbre" in note for note in dataset.info.notes)
    assert len({clip.song for clip in dataset.clips}) == dataset.info.songs == 3
    zipped_piece = [
        clip
        for clip in dataset.clips
        if clip.song.startswith(listed[1].path.split("/")[0]) and clip.metre == "4/4"
    ]
    assert len({clip.song for clip in zipped_piece}) == 1, "the movements of a piece are one song"
    clip = next(clip for clip in dataset.clips if clip.metre == "3/4")
    assert (clip.tempo_bpm, clip.key) == (pytest.approx(120.0, abs=0.01), "G major")
    assert clip.instruments == ["piano", "acoustic bass"]
    assert np.diff(clip.downbeats_s) == pytest.approx(1.5, abs=0.001)
    assert clip.sources["tempo_bpm"] == clip.sources["key"] == clip.sources["downbeats_s"] == "score"
    assert clip.licence == "Public Domain"
    assert "Mutopia-" in (clip.credit or "")
    assert 10 <= clip.duration_s <= 30
    assert not dataset.info.non_commercial


def test_lakh_keeps_one_version_and_plays_it(server: Server, settings: Settings, soundfont: Path) -> None:
    pytest.importorskip("tinysoundfont", reason="the extra 'symbolic' is not installed")
    songs = {"Ann/One": 1, "Bob/Two": 2, "Bob/Three": 3}
    members = {f"clean_midi/{name}.mid": tune(seed=seed) for name, seed in songs.items()}
    members["clean_midi/Ann/One.1.mid"] = tune(seed=8)
    members["clean_midi/Bob/Copy.mid"] = tune(seed=2, bpm=140)
    members["clean_midi/Bob/notes.txt"] = b"no music"
    chosen = _served(server, "lakh", tar_gz(members))
    _download(settings, chosen)
    dataset = _prepare(settings, chosen, PrepareOptions(workers=0, soundfonts=(soundfont,)))
    assert {clip.song for clip in dataset.clips} <= {"Ann-One", "Bob-Two", "Bob-Three", "Bob-Copy"}
    assert dataset.info.songs == 3
    assert [skipped.error["type"] for skipped in dataset.info.skipped] == ["duplicate"]
    assert dataset.info.licence == "CC-BY-4.0"
    assert all(clip.description == "" for clip in dataset.clips), "no artist's name becomes a prompt"
    full = {
        f"lmd_full/{digest[0]}/{digest}.mid": data
        for seed in (1, 2)
        for data in [tune(seed=seed)]
        for digest in [hashlib.md5(data).hexdigest()]
    }
    wrong = f"lmd_full/0/{'0' * 32}.mid"
    chosen = _served(server, "lakh", tar_gz({**full, wrong: tune(seed=3)}), subset="lmd_full")
    _download(settings, chosen)
    dataset = load_dataset(
        prepare_collection(
            settings, chosen, PrepareOptions(workers=0, soundfonts=(soundfont,)), name="full"
        ).folder
    )
    assert [skipped.error["type"] for skipped in dataset.info.skipped] == ["wrong-md5"]


@pytest.mark.parametrize("fault", ["html", "short", "bomb", "escape", "stop"])
def test_whatever_comes_in_place_of_the_archive_there_is_never_a_marker(
    server: Server, settings: Settings, fault: str
) -> None:
    members = opensinger(0.2)
    expected: type[Exception]
    how: dict[str, object] = {}
    if fault == "html":
        chosen, expected = _served(server, "opensinger", tar_gz(members)), WebPageError
        server.pages["/OpenSinger.tar.gz"] = Page(
            b"<html><title>Quota exceeded</title>", content_type="text/html"
        )
    elif fault == "short":
        chosen, expected = _served(server, "opensinger", tar_gz(members)), WrongFileError
        server.pages["/OpenSinger.tar.gz"].body = b"x" * 99
    elif fault == "bomb":
        bomb = {f"OpenSinger/ManRaw/0_a/0_a_{n}.wav": bytes(26_000_000) for n in range(4)}
        chosen, expected = _served(server, "opensinger", tar_gz(bomb)), UnsafeArchiveError
    elif fault == "escape":
        chosen, expected = _served(server, "opensinger", tar_gz({"../../evil": b"x"})), UnsafeArchiveError
    else:
        chosen, expected = _served(server, "opensinger", tar_gz(members)), DownloadStoppedError
        how["should_stop"] = _after(3)
    with pytest.raises(expected):
        _download(settings, chosen, **how)
    assert list(settings.home.rglob(MARKER)) == []
    with pytest.raises(DatasetError, match="not downloaded"):
        prepare_collection(settings, chosen)
    server.pages["/OpenSinger.tar.gz"] = Page(tar_gz(members))
    _download(settings, _served(server, "opensinger", tar_gz(members)))


def _after(calls: int) -> Callable[[], bool]:
    left = [calls]

    def should_stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    return should_stop


def test_an_archive_given_by_hand_takes_the_same_path_and_stays(
    server: Server, settings: Settings, tmp_path: Path
) -> None:
    data = tar_gz(opensinger(0.2))
    chosen = _served(server, "opensinger", data)
    given = tmp_path / "by hand.tar.gz"
    given.write_bytes(data)
    done = _download(settings, chosen, from_file=given)
    assert (done.record.is_verified, done.record.url) == (True, str(given))
    assert given.read_bytes() == data
    assert server.log == []
    given.write_bytes(data[:-1])
    with pytest.raises(WrongFileError):
        _download(settings, chosen, from_file=given)
    given.write_bytes(b"<!doctype html><title>Sign in</title>")
    with pytest.raises(WebPageError, match="login"):
        _download(settings, chosen, from_file=given)


def test_a_full_disk_is_said_before_anything_is_fetched(server: Server, settings: Settings) -> None:
    chosen = _served(server, "opensinger", tar_gz(opensinger(0.2)))
    huge = chosen.model_copy(
        update={"sources": [chosen.sources[0].model_copy(update={"unpacked_bytes": 10**16})]}
    )
    with pytest.raises(DownloadError, match=r"unpacked 10000000\.00 GB") as caught:
        _download(settings, huge)
    assert "--singers" in caught.value.remedy
    assert server.log == []
    check_space([Need("a", settings.home / "not yet" / "there", 10)])


def test_a_choice_that_a_collection_cannot_make_is_refused(settings: Settings) -> None:
    for id_, choice in (
        ("lakh", Choice(singers=2)),
        ("opensinger", Choice(hours=0)),
        ("mutopia", Choice(licences=("by-nc",))),
    ):
        with pytest.raises(DownloadError):
            _download(settings, collection(id_), choice)
    with pytest.raises(DownloadError, match="no part"):
        _download(settings, collection("lakh"), Choice(subset="lmd_empty"))


def test_the_catalogue_has_the_facts_that_decide() -> None:
    assert list(collections()) == ["opensinger", "m4singer", "ccmixter", "ccmixter_corpus", "lakh", "mutopia"]
    for each in collections().values():
        assert each.consequences
        assert sum(source.default for source in each.sources) == 1
    assert len(mutopia.all_pieces()) == 2116
    assert len(mutopia.chosen_pieces(Choice())) == 1104
    assert collection("lakh").source("lmd_full").md5 == "2536ce3fd2cede53ddaa264f731859ab"


@pytest.mark.slow
def test_an_adapter_trains_on_a_collection_as_it_is(
    server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from angen.model import AngenTiny
    from angen.model.tiny import packaged_weights
    from angen.training import TrainConfig
    from angen.workflows.train import train_adapter

    for name, value in {"PIECES": 2, "GUIDANCES": (1.0,), "NOISE_SCALES": (1.0,)}.items():
        monkeypatch.setattr(
            f"angen.workflows.calibrate.{name}", value
        )  # how it calibrates is not the question
    chosen = _served(server, "opensinger", tar_gz(opensinger(1.2, 24_000)))
    _download(settings, chosen)
    dataset = _prepare(settings, chosen)
    model = AngenTiny(packaged_weights())
    config = TrainConfig(
        epochs=1,
        batch_size=2,
        accumulation=1,
        rank=2,
        alpha=4.0,
        speed_shifts=(),
        warmup_steps=1,
        crop_blocks=2,
    )
    trained = train_adapter(settings, "singers", dataset.info.name, config, model)
    assert trained.info.steps >= 2
    assert trained.result is not None
    assert trained.info.type == "vocal"
    assert trained.info.non_commercial
    assert trained.info.share_alike
    assert trained.info.attribution
