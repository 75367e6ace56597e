"""What the tab "Dataset training" shows and asks: the collections of the catalogue, their licences and sizes."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from angen.catalogue.choosing import Choice
from angen.catalogue.folder import is_licence_accepted
from angen.catalogue.records import Collection, collection, collections
from angen.errors import DownloadError, LicenceNotAcceptedError
from angen.settings import Settings
from angen.workflows.curated import catalogue, needs

__all__ = ["LICENCES", "Wish", "choices", "collect_params", "facts_html", "is_accepted", "overview_html"]

LICENCES = {
    "pd": "public domain", "by": "by", "by-sa": "by-sa", "by-nc": "by-nc (non-commercial)",
    "by-nc-sa": "by-nc-sa (non-commercial)",
}  # fmt: skip
"""Families of licences that can be chosen where each item has its own."""
_TYPES = {"vocal": "Vocal", "symbolic": "Symbolic"}


@dataclass(frozen=True)
class Wish:
    """What the page asks for, unchecked.

    Attributes:
        collection: Its id.
        accepts: Whether its licence is accepted.
        dataset: Name of the dataset; empty for the collection's id.
        hours: About so many; empty or 0 for all.
        pieces: At most so many.
        singers: At most so many.
        licences: Families of licences.
        replace: Whether to take the place of a dataset of that name.
    """

    collection: str
    accepts: bool = False
    dataset: str = ""
    hours: Any = None
    pieces: Any = None
    singers: Any = None
    licences: tuple[str, ...] = ()
    replace: bool = False


def choices() -> list[tuple[str, str]]:
    """The collections, vocal ones first, with their ids."""
    found = sorted(collections().values(), key=lambda one: one.type != "vocal")
    return [(f"{one.title} ({_TYPES[one.type].lower()})", one.id) for one in found]


def overview_html(settings: Settings) -> str:
    """All collections as a table: licence, size, what is here already."""
    found = sorted(catalogue(settings), key=lambda one: one[0].type != "vocal")
    rows = "".join(
        f'<tr><th scope="row">{html.escape(each.title)}</th><td>{_TYPES[each.type]}</td>'
        f"<td>{html.escape(each.licence or 'none stated')}</td><td>{_download(each)}</td>"
        f"<td>{_amount(each)}</td><td>{'downloaded' if there else 'not here'}</td></tr>"
        for each, there in found
    )
    heads = "".join(
        f"<th>{word}</th>" for word in ("Collection", "Kind", "Licence", "Download", "Holds", "State")
    )
    return (
        '<div class="wide"><table class="verdicts"><caption>Collections that others have made and share</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def facts_html(settings: Settings, collection_id: str, wish: Wish | None = None) -> str:
    """One collection: what it is, what its licence means for an adapter, and the disk it takes.

    Raises:
        DatasetError: If there is none of this id.
        DownloadError: If the part that is wished for cannot be chosen.
    """
    known = collection(collection_id)
    said = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in known.consequences if sentence)
    choice = _choice(wish) if wish else Choice()
    sizes = ", ".join(
        f"{need.what} {_size(need.bytes)}" for need in needs(settings, known, choice) if need.bytes
    )
    return (
        f"<p><strong>{html.escape(known.title)}</strong>: {html.escape(known.content)}. "
        f"Licence: {html.escape(known.licence or 'none stated')}.</p><ul>{said}</ul>"
        f"<p>Disk for this choice, at most: {html.escape(sizes or 'little')}.</p>"
    )


def is_accepted(settings: Settings, collection_id: str) -> bool:
    """Whether its licence was accepted in this workspace before."""
    return is_licence_accepted(settings.collections, collection(collection_id))


def collect_params(settings: Settings, wish: Wish) -> dict[str, Any]:
    """The parameters of the job that downloads and prepares a collection.

    Raises:
        LicenceNotAcceptedError: If the tick is missing.
        DownloadError: If a number is none, or the collection cannot be chosen from so.
    """
    if not wish.collection:
        raise DownloadError("No collection is chosen.", remedy="Choose one in the list.")
    known = collection(wish.collection)
    choice = _choice(wish)
    choice.refuse_unknown(known.filters, known.title)
    if not wish.accepts and not is_accepted(settings, known.id):
        raise LicenceNotAcceptedError(
            f"The licence of {known.title} is not accepted.",
            remedy="Read what it means, then tick 'I accept'.",
        )
    return {
        "collection": known.id, "hours": choice.hours, "pieces": choice.pieces, "singers": choice.singers,
        "licences": list(choice.licences), "accept_licence": bool(wish.accepts), "prepare": True,
        "dataset": str(wish.dataset or "").strip() or known.id, "replace": bool(wish.replace),
    }  # fmt: skip


def _choice(wish: Wish) -> Choice:
    known = collection(wish.collection).filters
    pieces, singers = _count("pieces", wish.pieces), _count("singers", wish.singers)
    unknown = [family for family in wish.licences if family not in LICENCES]
    if unknown:
        raise DownloadError(f"There is no licence {unknown[0]!r} to choose.", remedy="Use the ticks.")
    return Choice(
        hours=_number("hours", wish.hours) if "hours" in known else None,
        pieces=pieces if "pieces" in known else None,
        singers=singers if "singers" in known else None,
        licences=tuple(wish.licences) if "licences" in known else (),
    )


def _number(name: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise DownloadError(
            f"{name} cannot be {str(value)[:40]!r}.", remedy="Give a number, or leave it empty."
        )
    return float(value) or None


def _count(name: str, value: Any) -> int | None:
    number = _number(name, value)
    if number is not None and number != int(number):
        raise DownloadError(f"{name} cannot be {number:g}.", remedy="Give a whole number, or leave it empty.")
    return None if number is None else int(number)


def _download(known: Collection) -> str:
    source = known.source()
    if source.kind == "items":
        return "file by file"
    return _size(source.bytes) if source.bytes else "not stated"


def _amount(known: Collection) -> str:
    hours = f"{known.hours:g} h" if known.hours else ""
    files = f"{known.files:,} {known.files_unit}" if known.files else ""
    return html.escape(", ".join(part for part in (hours, files) if part) or "as much as you choose")


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"
