"""Base class of drift detectors."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgedescent.validation import Declared


@dataclass(frozen=True, kw_only=True)
class Detector(Declared):
    """Base class of drift detectors: the hyper-parameters of a test for change in a stream of numbers.

    What a detector remembers of a stream are `n_numbers` numbers, all 0 at first and again after each alarm. A
    `Detection` holds them.

    A subclass is a frozen dataclass. If `rule` names a compiled test, its fields are the hyper-parameters in the order
    in which the compiled code reads them. Detectors can also be written in Python, with the method `update`: see
    docs/extending.md.
    """

    rule: ClassVar[str] = "python"
    """Name of the compiled test."""

    @property
    def hyper(self) -> tuple[float, ...]:
        """Hyper-parameters of the compiled test; empty for a detector written in Python."""
        return () if self.rule == "python" else tuple(float(value) for value in astuple(self))

    @property
    def n_numbers(self) -> int:
        """Number of numbers that are kept of a stream, however long it is."""
        raise NotImplementedError(f"{type(self).__name__} does not define `n_numbers`.")

    @property
    def tests_every(self) -> int:
        """Number of values between two tests: alarms come only at multiples of it since the last one."""
        return 1

    def update(self, numbers: NDArray[np.float64], x: float) -> bool:
        """Take in the next number of a stream; only for detectors written in Python.

        Args:
            numbers: What is kept of the stream, shape (n_numbers,), to be changed in place.
            x: The next number, between -1e100 and 1e100. The monitor gives numbers from 0 to 1.

        Returns:
            True for an alarm. The numbers are then set to 0.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `update`.")
