"""What a Creative Commons licence asks for, read from its SPDX id or its address.

Only what is decided by the licence itself is said here. None of them names the training of a model; what a
user is told is that the safe reading carries their conditions over to the adapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ADDRESS = re.compile(
    r"^(?:https?:)?//(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z+-]+)(?:/(\d\.\d))?(?:/|$)",
    re.I,
)
_SPDX = re.compile(r"^CC-(BY(?:-NC)?(?:-SA|-ND)?)(?:-(\d\.\d))?$", re.I)
_PUBLIC_DOMAIN = {"public domain", "licenseref-public-domain", "cc0-1.0", "cc0", "pd"}


@dataclass(frozen=True, order=True)
class Licence:
    """A licence of one recording or score.

    Attributes:
        id: SPDX id, "Public Domain", or the address where it is none we know.
        attribution: Whether the maker has to be named.
        non_commercial: Whether commercial use is forbidden.
        share_alike: Whether what is built on it must have the same licence.
        no_derivatives: Whether nothing may be built on it at all.
        is_known: Whether it is one whose conditions are known.
    """

    id: str
    attribution: bool = True
    non_commercial: bool = False
    share_alike: bool = False
    no_derivatives: bool = False
    is_known: bool = True

    @property
    def family(self) -> str:
        """Its conditions without its version: "by-nc-sa", "pd", or "unknown".

        Example:
            >>> read_licence("CC-BY-SA-3.0").family, read_licence("Public Domain").family
            ('by-sa', 'pd')
        """
        if not self.is_known:
            return "unknown"
        parts = ["by"] if self.attribution else ["pd"]
        conditions = {"nc": self.non_commercial, "nd": self.no_derivatives, "sa": self.share_alike}
        return "-".join(parts + [name for name, holds in conditions.items() if holds])


def read_licence(text: str | None) -> Licence:
    """The licence that an id, a name or an address stands for.

    What is not recognised is a licence that is not known: it counts as forbidding all it can forbid.

    Example:
        >>> read_licence("http://creativecommons.org/licenses/by-nc/3.0/").id
        'CC-BY-NC-3.0'
        >>> read_licence("all mine").is_known
        False
    """
    words = " ".join((text or "").split())
    if words.casefold() in _PUBLIC_DOMAIN:
        return Licence("Public Domain", attribution=False)
    if address := _ADDRESS.match(words):
        kind, name, version = address[1].lower(), address[2].lower(), address[3]
        if kind == "publicdomain" or name in ("publicdomain", "zero"):
            return Licence("CC0-1.0" if name == "zero" else "Public Domain", attribution=False)
        words = f"CC-{name.upper()}" + (f"-{version}" if version else "")
    if spdx := _SPDX.match(words):
        parts = spdx[1].upper().split("-")
        name = words.upper()
        return Licence(name, True, "NC" in parts, "SA" in parts, "ND" in parts)
    return Licence(words or "none stated", True, True, True, True, is_known=False)


def strictest(licences: Iterable[Licence]) -> Licence:
    """All conditions of several licences together, named by listing them.

    Example:
        >>> both = strictest([read_licence("CC-BY-4.0"), read_licence("CC-BY-SA-3.0")])
        >>> both.id, both.share_alike
        ('CC-BY-4.0 and CC-BY-SA-3.0', True)
    """
    each = sorted(set(licences))
    if not each:
        raise ValueError("there is no licence among none")
    return Licence(
        " and ".join(licence.id for licence in each),
        any(licence.attribution for licence in each),
        any(licence.non_commercial for licence in each),
        any(licence.share_alike for licence in each),
        any(licence.no_derivatives for licence in each),
        all(licence.is_known for licence in each),
    )


def consequences(licence: Licence) -> list[str]:
    """What a licence means for who trains on it, a sentence each."""
    if not licence.is_known:
        return [
            "No licence is known for it: research use at your own risk. Do not share or sell what you make of it."
        ]
    said = []
    if licence.attribution:
        said.append("Name the makers wherever you share the recordings, or an adapter trained on them.")
    if licence.non_commercial:
        said.append(
            "No commercial use. Every adapter trained on it is marked non-commercial: its music is not for sale."
        )
    if licence.share_alike:
        said.append("Share alike: what is built on it, adapters included, is shared under the same licence.")
    if licence.no_derivatives:
        said.append("Nothing may be built on it.")
    return said or ["It is in the public domain: no conditions."]
