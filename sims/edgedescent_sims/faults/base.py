"""Base class of faults: disturbances of what arrives, while the world stays as it is."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.sources.base import Mark, Transform


@dataclass(kw_only=True, eq=False)
class Fault(Transform):
    """A disturbance of the events with numbers in (`after`, `until`].

    It never changes `target`, by which predictions are scored: the world is as it was, only what arrives is not.
    Events outside of the span keep every value and their order among each other. Arrival times never fall along the
    stream, where those of the wrapped source do not. What a fault holds back is released at the end of the stream.
    """

    after: Annotated[int, Meta(ge=0, description="Number of the last event before the fault")] = 0
    until: Annotated[
        int | None, Meta(ge=1, description="Number of the last event that it can touch; None for the end of the stream")
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.until is not None and self.until <= self.after:
            raise ValueError(
                f"The `until` of {type(self).__name__} must be > `after`, which is {self.after}. Got {self.until}."
            )

    def label(self) -> str:
        """Description in a few words, for marks."""
        return type(self).__name__

    def touches(self, number: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True for the events with these numbers that the fault can touch."""
        inside = number > self.after
        return inside if self.until is None else inside & (number <= self.until)

    def draws(self, *purpose: str) -> np.random.Generator:
        """Return the generator of the draws for one purpose, at its start.

        The kind of the fault is part of its seed: two faults of one seed would otherwise hit the same events.

        Args:
            purpose: Words that name the purpose, such as the name of a column.
        """
        words = (type(self).__name__, *purpose)
        return np.random.default_rng([self.seed, *(zlib.crc32(word.encode()) for word in words)])

    def check(self) -> None:
        """Check the fault against the stream that it wraps; may read the stream's beginning.

        Raises:
            ConfigError: If it lies behind the end of the stream, or cannot be applied to its events.
        """
        length = self.length()
        if length is not None and self.after >= length:
            raise ConfigError(
                f"The fault {type(self).__name__} after {self.after} lies behind the end of {self.name}, which has "
                f"{length} events."
            )

    def marks(self) -> list[Mark]:
        """The span that it can touch."""
        self.check()
        ends = [end for end in (self.until, self.length()) if end is not None]
        return [Mark("fault", self.label(), self.after, min(ends) if ends else self.after)]
