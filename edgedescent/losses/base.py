"""Base class of losses."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Loss:
    """Hyper-parameters of a loss; a subclass is a frozen dataclass whose fields the compiled loss reads in order."""

    rule: ClassVar[str]
    binary: ClassVar[bool] = False
    """Whether it is for labels between 0 and 1, and predictions are probabilities."""
    least: ClassVar[float] = -math.inf
    """The least target that it is defined for."""

    @property
    def hyper(self) -> tuple[float, ...]:
        """The hyper-parameters as the compiled loss takes them."""
        return tuple(float(value) for value in astuple(self))
