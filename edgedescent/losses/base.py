"""Base class of losses."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import ClassVar

from edgedescent.validation import Declared


@dataclass(frozen=True, kw_only=True)
class Loss(Declared):
    """Base of the losses: a subclass declares its parameters in the order in which the compiled loss reads them."""

    rule: ClassVar[str]
    binary: ClassVar[bool] = False
    """Whether it is for labels between 0 and 1, and predictions are probabilities."""
    least: ClassVar[float] = -math.inf
    """The least target that it is defined for."""

    @property
    def hyper(self) -> tuple[float, ...]:
        """The hyper-parameters as the compiled loss takes them."""
        return tuple(float(value) for value in astuple(self))
