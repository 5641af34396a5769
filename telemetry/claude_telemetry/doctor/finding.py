"""A *finding* is one line: `✓` fine, `✗` wrong, `–` worth knowing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    sign: Literal["✓", "✗", "–"]
    text: str
    advice: str | None = None

    def __str__(self) -> str:
        return f"{self.sign} {self.text}" + (f"\n    → {self.advice}" if self.advice else "")
