"""A remark: one thing to know before the numbers are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Remark:
    """One thing to know: ``good`` supports the result, ``caution`` limits it, ``note`` informs."""

    kind: Literal["good", "note", "caution"]
    title: str
    text: str
