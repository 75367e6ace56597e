"""Angen: recordings in, a trained LoRA adapter and new music out.

The rooms follow the flow of the music; see `docs/architecture.md`. Nothing heavy is imported here.
"""

__version__ = "0.1.0"
