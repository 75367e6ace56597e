"""The kinds of job of the studio, each over a workflow of `angen.workflows`.

This file knows names and parameters only: `training` and `music` import the heavy libraries when a job runs, or is
checked.
"""

from __future__ import annotations

from pathlib import Path

from angen.jobs import gathering, music, separation, training
from angen.jobs.kinds import Kind, Kinds

__all__ = ["KINDS"]


def _files(what: str, files: list[str]) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{what} {Path(files[0]).name}{more}" if files else what


def _production(params: music.Produce) -> str:
    prompt = params.request.prompt[:60] if params.request else ""
    return f"Produce {params.tags.title or prompt or Path(params.recording or '').name}"


KINDS = Kinds(
    [
        Kind(
            "analyze", music.Analyze, music.analyze, music.check_files,
            title=lambda params: _files("Analyse", params.files),
        ),
        Kind(
            "annotate", gathering.Annotate, gathering.annotate, gathering.check_annotate,
            title=lambda params: f"Hear {Path(params.folder).name}",
            target=lambda params: f"table:{params.folder}",
        ),
        Kind(
            "collect", gathering.Collect, gathering.collect, gathering.check_collect,
            title=lambda params: f"Fetch {params.collection}",
            target=lambda params: f"dataset:{params.dataset or params.collection}" if params.prepare else
            f"collection:{params.collection}",
            resumable=True,
        ),
        Kind(
            "prepare", training.Prepare, training.prepare, training.check_prepare,
            title=lambda params: f"Prepare dataset {params.name}",
            target=lambda params: f"dataset:{params.name}",
        ),
        Kind(
            "train", training.Train, training.train, training.check_train, complete=training.complete_train,
            title=lambda params: f"Train {params.name} on {params.dataset}",
            target=lambda params: f"adapter:{params.name}",
            slot="accelerator", resumable=True,
        ),
        Kind(
            "demo", training.Demo, training.demo, training.check_demo,
            title=lambda params: f"Demo {params.name}",
            target=lambda params: f"adapter:{params.name}",
            slot="accelerator",
        ),
        Kind(
            "generate", music.Generate, music.generate, music.check_generate,
            title=lambda params: f"Generate {params.request.prompt[:60]}",
            slot="accelerator",
        ),
        Kind(
            "produce", music.Produce, music.produce, music.check_produce,
            title=_production,
            slot="accelerator", resumable=True,
        ),
        Kind(
            "enhance", music.Enhance, music.enhance, music.check_files,
            title=lambda params: _files("Enhance", params.files),
        ),
        Kind(
            "separate", separation.Separate, separation.separate, separation.check_separate,
            title=lambda params: _files("Separate", params.files),
        ),
        Kind(
            "upscale", music.Upscale, music.upscale, music.check_files,
            title=lambda params: _files("Upscale", params.files),
        ),
        Kind(
            "master", music.Master, music.master, music.check_master,
            title=lambda params: _files("Master", params.files),
        ),
        Kind(
            "export", music.Export, music.export, music.check_export,
            title=lambda params: _files("Export", params.files),
        ),
        Kind(
            "lyrics", music.Words, music.lyrics, music.check_lyrics,
            title=lambda params: f"Lyrics: {params.action}",
        ),
        Kind(
            "render", music.Render, music.render, music.check_render,
            title=lambda params: f"Render {params.project}",
        ),
    ]
)  # fmt: skip
