"""What an optimizer is."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Optimizer:
    """Hyper-parameters of a step rule; the state of the rule belongs to whichever learner uses it.

    A subclass is a frozen dataclass whose fields are the hyper-parameters, in the order in which the compiled rule
    named `rule` reads them. `slots` names the arrays that the rule keeps for every parameter, all zero at first.
    """

    rule: ClassVar[str]
    slots: ClassVar[tuple[str, ...]] = ()

    @property
    def hyper(self) -> tuple[float, ...]:
        """The hyper-parameters as the compiled rule takes them."""
        return tuple(float(value) for value in astuple(self))
