"""Ids of foreign formats for names and labels of idfit: letters, digits and ``_``, each used once."""

from __future__ import annotations

import re
from collections.abc import Collection

from idfit.spec.findings import is_identifier


class Ids:
    """Gives out ids. `taken` cannot be given any more; words in `reserved` are no ids, in any case."""

    def __init__(self, taken: Collection[str] = (), reserved: Collection[str] = ()):
        self.taken, self.reserved = set(taken), frozenset(reserved)

    def new(self, wanted: str) -> str:
        """
        >>> ids = Ids(taken=["k"], reserved=["time"])
        >>> [ids.new(name) for name in ("k", "k_", "k[gel 1]", "24 h", "Time")]
        ['k_2', 'k_', 'k__gel_1', '_24_h', 'Time_']
        """
        base = plain = _plain(wanted)
        if plain.lower() in self.reserved:
            base = plain = f"{plain}_"
        n = 1
        while plain in self.taken:
            n += 1
            plain = f"{base}_{n}"
        self.taken.add(plain)
        return plain


def _plain(wanted: str) -> str:
    if is_identifier(wanted):
        return wanted
    text = re.sub(r"[^A-Za-z0-9_]+", "_", wanted.replace("[", "__")).rstrip("_") or "_"
    return f"_{text}" if text[0].isdigit() else text
