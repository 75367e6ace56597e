"""One file for each group of routes; each only reads a request, asks a workflow or a job, and tells the answer."""

from angen.api.routes import (
    adapters,
    assets,
    datasets,
    front,
    health,
    jobs,
    lyrics,
    music,
    productions,
    projects,
    recordings,
    training,
)

__all__ = ["ROUTERS"]

ROUTERS = [
    front.router,
    health.router,
    jobs.router,
    assets.router,
    recordings.router,
    datasets.router,
    training.router,
    adapters.router,
    music.router,
    productions.router,
    lyrics.router,
    projects.router,
]
