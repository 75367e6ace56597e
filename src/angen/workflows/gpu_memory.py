"""What training a base takes on a GPU, from its sizes alone: nothing large is read."""

from __future__ import annotations

from angen.errors import ModelError
from angen.model.diffrhythm2 import DiffRhythm2
from angen.model.loading import count_of
from angen.settings import Settings
from angen.training.gpu_memory import Fit, NetworkSize, fits
from angen.workflows.models import open_model

RELEASED = NetworkSize(
    dim=2048,
    depth=16,
    heads=16,
    hidden=8192,
    channels=64,
    weights=1_078_559_808,
    block_frames=10,
    latent_rate_hz=5.0,
)


def what_fits(settings: Settings, model_id: str, *, rank: int = 16, words: int = 200) -> list[Fit]:
    """The longest crops on usual devices.

    Args:
        settings: The workspace.
        model_id: `diffrhythm2`, fetched or not, or a folder with its files.
        rank: Of the adapter.
        words: Text ids of the lyrics.

    Raises:
        ModelError: If it is another model, or a folder without its files.
    """
    if model_id == "diffrhythm2":
        return fits(RELEASED, rank=rank, words=words)
    model = open_model(settings, model_id)
    if not isinstance(model, DiffRhythm2):
        raise ModelError(
            f"{model_id} needs no GPU: it trains on a processor.",
            remedy="Ask for diffrhythm2, or its folder.",
        )
    return fits(network_size(model), rank=rank, words=words)


def network_size(model: DiffRhythm2) -> NetworkSize:
    """Sizes of an opened model."""
    config = model.network_config
    return NetworkSize(
        dim=config["dim"], depth=config["depth"], heads=config["heads"], hidden=config["ff_mult"] * config["dim"],
        channels=config["mel_dim"], weights=count_of(model.network_shapes), block_frames=config["block_size"],
        latent_rate_hz=model.latent_rate_hz,
    )  # fmt: skip
