"""What the tab "Manage LoRA adapters" shows and does: plain functions of the workspace."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from angen.adapters import AdapterInfo, list_adapters, state_now
from angen.adapters.catalogue import existing_folder
from angen.errors import AdapterError, AngenError
from angen.files import safe_name
from angen.report.record import RunReport, read_report
from angen.settings import Settings
from angen.ui.watch import clock_text
from angen.workflows.adapters import export_adapter, import_adapter, inspect_adapter, merge_into_base
from angen.workflows.generate import AdapterChoice
from angen.workflows.previews import read_previews

if TYPE_CHECKING:
    from angen.model import MusicModel

__all__ = [
    "HEADERS", "Pair", "bring_adapter", "facts_html", "merge_adapter", "merged_models", "pairs_of", "report_html",
    "report_page", "rows", "send_adapter",
]  # fmt: skip

HEADERS = ["Name", "Created", "Steps", "Type", "Base", "Validation gain", "State"]
_TYPES = {"user": "own recordings", "vocal": "vocal", "symbolic": "symbolic"}


@dataclass(frozen=True)
class Pair:
    """A piece without and with an adapter.

    Attributes:
        words: What was asked for.
        base: File of the base's piece.
        adapter: File of the adapter's.
    """

    words: str
    base: Path
    adapter: Path


def rows(settings: Settings) -> list[list[str]]:
    """The table of adapters, the newest first."""
    infos = sorted(list_adapters(settings.loras), key=lambda info: info.created, reverse=True)
    return [_row(settings, info) for info in infos]


def facts_html(settings: Settings, name: str) -> str:
    """All that is known of an adapter, as a list.

    Raises:
        AdapterError: If there is none, or its metadata is damaged.
    """
    known = inspect_adapter(settings, name)
    flags = [flag.replace("_", "-") for flag in ("non_commercial", "share_alike") if known[flag]]
    facts = {
        "State": f"{known['state']}{', in use' if known['in_use'] else ''}",
        "Base": f"{known['base']} {known['base_hash'][:12]}",
        "Dataset": known["dataset"] or "-",
        "Music": f"{known['songs']} songs, {known['clips']} clips, {clock_text(known['audio_seconds'] or 0)}"
        if known["songs"]
        else "-",
        "Words that call it up": ", ".join(known["trigger_words"]) or "-",
        "Licence": ", ".join([known["licence"] or "not stated", *flags]),
        "Credit": "; ".join(known["attribution"]) or "-",
        "Made of": ", ".join(f"{one['name']} x {one['strength']:g}" for one in known["parents"]) or "-",
        "Steps": f"{known['steps']}, best at {known['best_step']}",
        "Held-out loss": _losses(known),
        "Trained": clock_text(known["seconds"]),
        "Checkpoints": str(len(known["checkpoints"])),
        "Size": f"{known['bytes'] / 1e6:.1f} MB",
    }
    for part in known["parts"]:
        learnt = part["problem"] or ("trained" if part["is_trained"] else "not trained: it changes nothing")
        facts[f"Weights: {part['part']}"] = f"rank {part['rank']}, {learnt}"
    cells = "".join(
        f"<div><dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd></div>"
        for key, value in facts.items()
    )
    return f'<dl class="facts">{cells}</dl>'


def report_html(settings: Settings, name: str) -> str:
    """What the report of an adapter says, in its four verdicts; how to get one where there is none."""
    report = _report(settings, name)
    if report is None:
        return '<p class="empty">There is no report yet. A run that ends writes one by itself.</p>'
    told = {
        "Has it learnt?": report.learning,
        "Does it sound like you?": report.style.verdict,
        "Does it copy?": report.memorisation.verdict,
        "Has it forgotten?": report.forgetting.verdict,
    }
    rows = "".join(
        f'<tr><th scope="row">{question}</th><td class="level {verdict.level}">{verdict.level}</td>'
        f"<td>{html.escape(verdict.words)}</td></tr>"
        for question, verdict in told.items()
    )
    return f'<table class="verdicts"><caption>What its report says</caption><tbody>{rows}</tbody></table>'


def report_page(settings: Settings, name: str) -> Path | None:
    """The page of the report, with its plots and sounds in one file; None where there is none."""
    page = existing_folder(settings.loras, name) / "report" / "index.html"
    return page if page.is_file() else None


def pairs_of(settings: Settings, name: str) -> list[Pair]:
    """Pieces without and with an adapter: of its report, or else of its run, first step against last."""
    folder = existing_folder(settings.loras, name)
    report = _report(settings, name)
    place = folder / "report"
    pairs = (
        [Pair(_asked(one.prompt, one.seed), place / one.base, place / one.adapter) for one in report.samples]
        if report
        else []
    )
    pairs = [pair for pair in pairs if pair.base.is_file() and pair.adapter.is_file()]
    previews = read_previews(folder)
    if pairs or len(previews) < 2:
        return pairs
    first, last = previews[0], previews[-1]
    known = {sample.file for sample in first.samples}
    return [
        Pair(_asked(one.prompt, one.seed), first.folder / one.file, last.folder / one.file)
        for one in last.samples
        if one.file in known
    ]


def send_adapter(settings: Settings, name: str, layout: str, part: str, author: str, out: Path) -> Path:
    """Write an adapter as one file into a folder.

    Raises:
        AdapterError: If there is none, or the layout or part is unknown.
    """
    if layout not in ("peft", "kohya") or part not in ("best", "final"):
        raise AdapterError(
            f"There is no layout {layout!r} of {part!r}.", remedy="Choose among those that are shown."
        )
    suffix = "" if layout == "peft" else "-kohya"
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{name}{suffix}.safetensors"
    target.unlink(missing_ok=True)
    return export_adapter(settings, name, target, layout=layout, part=part, author=author[:200])  # type: ignore[arg-type]


def bring_adapter(settings: Settings, file: Path, name: str, *, assume_base: bool) -> AdapterInfo:
    """Take an adapter of angen-tiny in from a file.

    Raises:
        AdapterError: If it is not sound, of another base, or its name is taken.
    """
    return import_adapter(settings, _tiny(), file, name=name.strip() or None, assume_base=assume_base)


def merge_adapter(settings: Settings, name: str, strength: float, merged_name: str) -> str:
    """Write a copy of angen-tiny with an adapter in its weights; what it is called.

    Raises:
        AdapterError: If the adapter is of another base, or the name is taken or none.
    """
    safe = safe_name(merged_name, fallback="")
    if not safe:
        raise AdapterError("The merged model has no name.", remedy="Write one of letters and digits.")
    out = merged_folder(settings) / safe
    out.parent.mkdir(parents=True, exist_ok=True)
    return merge_into_base(settings, _tiny(), [AdapterChoice(name, strength)], out).id


def merged_folder(settings: Settings) -> Path:
    """Where merged models are."""
    return settings.home / "models" / "merged"


def merged_models(settings: Settings) -> list[Path]:
    """The merged models there are, a folder each."""
    folder = merged_folder(settings)
    return sorted(path.parent for path in folder.glob("*/MERGED.json")) if folder.is_dir() else []


def _row(settings: Settings, info: AdapterInfo) -> list[str]:
    gain = info.validation_gain
    return [
        info.name, info.created[:16].replace("T", " "), str(info.steps), _TYPES[info.type], info.base,
        "not measured" if gain is None else f"{gain:.1%}",
        state_now(settings.loras, info) if info.origin == "trained" else info.origin,
    ]  # fmt: skip


def _report(settings: Settings, name: str) -> RunReport | None:
    try:
        return read_report(existing_folder(settings.loras, name) / "report")
    except AngenError:
        return None


def _losses(known: dict[str, Any]) -> str:
    base, best = known["validation_loss_base"], known["validation_loss_best"]
    if base is None or best is None:
        return "not measured"
    gain = known["validation_gain"]
    return f"{base:.4f} before, {best:.4f} at best" + ("" if gain is None else f" ({gain:.1%} gained)")


def _asked(prompt: str, seed: int) -> str:
    return f"{prompt or 'no words'} (seed {seed})"


@lru_cache(maxsize=1)
def _tiny() -> MusicModel:
    from angen.model import load_model

    return load_model()
