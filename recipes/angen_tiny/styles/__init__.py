"""The table of styles, and those kept from the base model."""

from __future__ import annotations

from recipes.angen_tiny.idiom import Style
from recipes.angen_tiny.styles.beats import HIP_HOP, LO_FI
from recipes.angen_tiny.styles.club import DRUM_AND_BASS, HOUSE, TECHNO
from recipes.angen_tiny.styles.dances import POLKA, TANGO
from recipes.angen_tiny.styles.folk import FOLK
from recipes.angen_tiny.styles.grooves import BLUES, FUNK, REGGAE
from recipes.angen_tiny.styles.guitars import METAL, ROCK
from recipes.angen_tiny.styles.held_out import CALYPSO
from recipes.angen_tiny.styles.jazz import BOSSA_NOVA, JAZZ
from recipes.angen_tiny.styles.orchestral import CINEMATIC, CLASSICAL
from recipes.angen_tiny.styles.synths import AMBIENT, CHIPTUNE, SYNTHWAVE

# A corpus deals styles in this order: changing it changes every corpus.
_BASE = (
    HOUSE, TECHNO, DRUM_AND_BASS, HIP_HOP, LO_FI, AMBIENT, SYNTHWAVE, CHIPTUNE, ROCK, METAL, BLUES, FUNK,
    REGGAE, JAZZ, CLASSICAL, CINEMATIC, FOLK, BOSSA_NOVA,
)  # fmt: skip
_HELD_OUT = (CALYPSO, TANGO, POLKA)

STYLES: dict[str, Style] = {style.name: style for style in (*_BASE, *_HELD_OUT)}
BASE_STYLES = tuple(style.name for style in _BASE)
HELD_OUT = tuple(style.name for style in _HELD_OUT)
