"""`angen export` and `angen tags`: music to files that say what they are, and what files say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import JsonOption, print_json, printable, say, show_progress
from angen.errors import AngenError
from angen.settings import Settings, load_settings

if TYPE_CHECKING:
    from angen.export import Tags
    from angen.export.piece import Signer
    from angen.workflows.export import ExportedPiece

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Recordings.", show_default=False)
]


def export(
    files: FilesArgument,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="With commas between: wav16 wav24 wav32f flac flac16 mp3:32-320 mp3:v0-v9 ogg:0-10 opus:12-510 "
            "m4a:32-400; numbers are kbps or quality and may be left out.",
        ),
    ] = "wav24",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder; for --stems a folder or .zip.", show_default="export/ beside each file"),
    ] = None,
    title: Annotated[str, typer.Option(help="Title.", show_default="the file's own, else its name")] = "",
    artist: Annotated[str, typer.Option(help="Artist.")] = "",
    album: Annotated[str, typer.Option(help="Album.")] = "",
    genre: Annotated[str, typer.Option(help="Genre.")] = "",
    bpm: Annotated[float | None, typer.Option(min=1, max=999, help="Tempo.")] = None,
    key: Annotated[str, typer.Option(help="Musical key: 'F# minor' or F#m.")] = "",
    date: Annotated[str, typer.Option(help="2026, 2026-11 or 2026-11-22.")] = "",
    comment: Annotated[str, typer.Option(help="Comment.", show_default="the prompt")] = "",
    copyright_: Annotated[str, typer.Option("--copyright", help="Copyright notice.")] = "",
    licence: Annotated[str, typer.Option(help="Licence, like CC-BY-4.0.")] = "",
    language: Annotated[str, typer.Option(help="Of the lyrics, three letters: eng.")] = "",
    lyrics: Annotated[Path | None, typer.Option(help="Text file, or LRC with times.")] = None,
    cover: Annotated[Path | None, typer.Option(help="PNG or JPEG.", show_default="one is drawn")] = None,
    no_cover: Annotated[bool, typer.Option("--no-cover", help="Draw no cover.")] = False,
    no_ai_mark: Annotated[
        bool, typer.Option("--no-ai-mark", help="Do not say in the files that a machine made them.")
    ] = False,
    stems: Annotated[bool, typer.Option("--stems", help="The files are stems of one piece.")] = False,
    album_folder: Annotated[
        bool, typer.Option("--album-folder", help="The files are the tracks of an album, in this order.")
    ] = False,
    sign: Annotated[bool, typer.Option("--sign", help="Sign with C2PA; needs angen[provenance].")] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM chain to sign with.", show_default="an own, untrusted one")
    ] = None,
    private_key: Annotated[Path | None, typer.Option(help="PEM key of the certificate.")] = None,
    dither_seed: Annotated[int, typer.Option(min=0, help="Of the dither of 16-bit files.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of earlier exports.")] = False,
    json: JsonOption = False,
) -> None:
    """Write music in the formats of the world, with tags, levels, a cover and a side-car.

    A recording is never changed. With --json, one record a line for each piece: its files and tags, or
    "error". A bad recording does not stop the others; the exit code is 1 if any failed.
    """
    _check_use(
        files, out, title, stems=stems, album_folder=album_folder, sign=sign, pair=(certificate, private_key)
    )
    settings = load_settings()
    from angen.export import Tags, parse_formats, read_cover, read_lyrics
    from angen.workflows.export import ExportOptions

    words, timed = read_lyrics(lyrics) if lyrics else ("", ())
    tags = Tags(
        title=title, artist=artist, album=album, genre=genre, bpm=bpm, key=key, date=date, comment=comment,
        copyright=copyright_, licence=licence, language=language, lyrics=words, timed_lyrics=timed,
        cover=read_cover(cover) if cover else None,
    )  # fmt: skip
    options = ExportOptions(
        parse_formats(formats), tags, ai_mark=not no_ai_mark, draws_cover=not no_cover, dither_seed=dither_seed,
        overwrite=overwrite, signer=_signer(settings, certificate, private_key) if sign else None,
    )  # fmt: skip
    results = _exported(settings, files, out, options, stems=stems, album_folder=album_folder)
    for result in results:
        _show(result, json=json)
    if any(isinstance(result, tuple) for result in results):
        raise typer.Exit(1)


def tags(files: FilesArgument, json: JsonOption = False) -> None:
    """Show what files say of themselves.

    With --json, one record a line for each file; lyrics are whole there. The exit code is 1 if any file
    cannot be read.
    """
    from angen.export import read_tags

    failed = False
    for path in files:
        try:
            found = read_tags(path)
        except AngenError as error:
            failed = True
            _show((path, error), json=json)
            continue
        if json:
            print_json({"path": printable(str(path)), **found.as_dict()})
            continue
        typer.echo(printable(f"{path} ({found.container})"))
        _print_tags(found.tags)
        say(*(f"Damaged: {problem}." for problem in found.problems))
    if failed:
        raise typer.Exit(1)


def _check_use(
    files: list[Path], out: Path | None, title: str, *, stems: bool, album_folder: bool, sign: bool,
    pair: tuple[Path | None, Path | None],
) -> None:  # fmt: skip
    """Refuse options that do not go together."""
    if stems and album_folder:
        raise typer.BadParameter("files are stems or tracks, not both.", param_hint="--stems")
    if (stems or album_folder) and out is None:
        raise typer.BadParameter(
            "say where to with --out.", param_hint="--stems" if stems else "--album-folder"
        )
    if title and len(files) > 1 and not stems:
        raise typer.BadParameter("one title cannot name several pieces.", param_hint="--title")
    if (pair[0] is None) != (pair[1] is None) or (pair[0] and not sign):
        raise typer.BadParameter(
            "--sign, --certificate and --private-key go together.", param_hint="--certificate"
        )
    if stems and sign:
        raise typer.BadParameter("stems are not signed.", param_hint="--sign")


def _exported(
    settings: Settings, files: list[Path], out: Path | None, options: Any, *, stems: bool, album_folder: bool
) -> list[ExportedPiece | tuple[Path, AngenError]]:
    from angen.workflows import export as workflow

    with show_progress() as on_progress:
        if stems and out:
            return [workflow.export_stem_files(files, out, options, on_progress=on_progress)]
        if album_folder and out:
            return [*workflow.export_album_folder(settings, files, out, options, on_progress=on_progress)]
        return workflow.export_pieces(settings, files, out, options, on_progress=on_progress)


def _signer(settings: Settings, certificate: Path | None, private_key: Path | None) -> Signer:
    from angen.export.provenance import UNTRUSTED, c2pa_signer, local_identity, read_identity

    if certificate and private_key:
        return c2pa_signer(read_identity(certificate, private_key))
    say(f"Note: the files are {UNTRUSTED}.")
    return c2pa_signer(local_identity(settings.home / "signing"))


def _show(result: ExportedPiece | tuple[Path, AngenError], *, json: bool) -> None:
    if isinstance(result, tuple):
        path, error = result
        say(f"Error: {error.message}", f"  {error.remedy}")
        if json:
            print_json({"source": printable(str(path)), "error": error.as_dict()})
        return
    if json:
        print_json(result.as_dict())
    else:
        for file in result.files:
            typer.echo(printable(str(file.path)))
    say(*(f"Warning: {result.source.name}: {warning}" for warning in result.warnings))


def _print_tags(tags: Tags) -> None:
    for name, value in tags.as_dict().items():
        if isinstance(value, dict):
            text = ", ".join(f"{key} {inner}" for key, inner in value.items() if inner is not None)
        elif isinstance(value, list):
            text = f"{len(value)} lines"
        else:
            text = f"{value:g}" if isinstance(value, float) else str(value)
        first, *more = text.split("\n")
        rest = f" … ({len(more)} more lines)" if more else ""
        typer.echo(printable(f"  {name.replace('_', ' ')}: {first}{rest}"))
