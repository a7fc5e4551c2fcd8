"""Base class of drifts, and the course that each of them can take."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.sources.base import Mark, Source, Transform
from edgedescent_sims.sources.batch import Batch

Shape = Literal["abrupt", "gradual", "incremental", "recurring", "blip"]

RANDOM_FROM, RANDOM_TO = 0.3, 0.7
"""Part of the stream in which a drift starts whose position is drawn at random."""


@dataclass(kw_only=True, eq=False)
class Drift(Transform):
    """A change of the stream from one regime to another.

    The share of the new regime in the event with number n is a function s(n) from 0 to 1, by `shape`:

    ::

        abrupt       s = 1 for n > at
        gradual      each event is of the new regime with a probability that rises from 0 to 1 over `width` events
        incremental  s rises from 0 to 1 over `width` events
        recurring    s = 1 for the first half of each `period` after `at`, 0 for the second
        blip         s = 1 for `width` events after `at`, then 0 again

    A subclass declares parameters and implements `apply`, which changes the events of a batch by their share.

    References:
        Gama, Žliobaitė, Bifet, Pechenizkiy, Bouchachia (2014), "A survey on concept drift adaptation", ACM Computing
        Surveys 46(4), figure 2: the patterns of change over time.
    """

    at: Annotated[
        int | None,
        Meta(
            ge=0, description="Number of the last event before the drift; None for a random one in the stream's middle"
        ),
    ] = None
    shape: Annotated[Shape, Meta(description="Course of the drift over time")] = "abrupt"
    width: Annotated[int, Meta(ge=0, description="Number of events that the transition, or a blip, takes")] = 0
    period: Annotated[int, Meta(ge=0, description="Number of events after which a recurring drift repeats")] = 0

    frozen_share: float | None = field(default=None, init=False, repr=False)
    """Share of the new regime in every event, where the drift does not change any more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        if self.shape in ("gradual", "incremental", "blip") and self.width < 1:
            raise ValueError(f"The `width` of {name} must be >= 1 where the shape is {self.shape!r}. Got {self.width}.")
        if self.shape == "recurring" and self.period < 2:
            raise ValueError(f"The `period` of {name} must be >= 2 where the shape is 'recurring'. Got {self.period}.")
        if self.shape in ("abrupt", "recurring") and self.width:
            raise ValueError(f"The `width` of {name} must be 0 where the shape is {self.shape!r}. Got {self.width}.")
        if self.shape != "recurring" and self.period:
            raise ValueError(f"The `period` of {name} must be 0 where the shape is {self.shape!r}. Got {self.period}.")

    # --- What a subclass implements -------------------------------------------------------------------------------

    @abstractmethod
    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its events changed.

        Args:
            batch: Events of the wrapped source.
            share: Share of the new regime in each event, shape (n_events,): 0 leaves an event as it is.
        """

    def label(self) -> str:
        """Description in a few words, for marks."""
        return type(self).__name__

    # --- The course over time -------------------------------------------------------------------------------------

    def start(self) -> int:
        """Return the number of the last event before the drift.

        Raises:
            ConfigError: If the position is to be drawn from a stream of unknown length.
        """
        if self.at is not None:
            return self.at
        length = self.length()
        if length is None:
            raise ConfigError(
                f"The drift {type(self).__name__} has no position, and the length of {self.name} is unknown.",
                "Give its `at`.",
            )
        place = np.random.default_rng([self.seed, 0]).uniform(RANDOM_FROM, RANDOM_TO)
        return int(place * length)

    def share_of(self, number: NDArray[np.int64], *, draws: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Share of the new regime in the events with these numbers.

        Args:
            number: Numbers of events.
            draws: Uniform draws, one an event, that decide of a gradual drift which regime an event is of.
        """
        if self.frozen_share is not None:
            return np.full(len(number), self.frozen_share)
        since = number - self.start()
        after = since > 0
        if self.shape == "abrupt":
            share = after
        elif self.shape == "blip":
            share = after & (since <= self.width)
        elif self.shape == "recurring":
            share = after & ((since - 1) % self.period < (self.period + 1) // 2)
        else:
            ramp = np.clip(since / self.width, 0.0, 1.0)
            share = ramp if self.shape == "incremental" or draws is None else draws < ramp
        return share.astype(np.float64)

    def marks(self) -> list[Mark]:
        """Places at which the regime changes: one for most shapes, two for a blip, many for a recurring drift."""
        if self.frozen_share is not None:
            return []
        start, length = self.start(), self.length()
        if length is not None and start >= length:
            raise ConfigError(
                f"The drift {type(self).__name__} at {start} lies behind the end of {self.name}, which has {length} "
                "events."
            )
        end = start + self.width if self.shape in ("gradual", "incremental") else start
        marks = [Mark("drift", self.label(), start, end)]
        if self.shape == "blip":
            marks.append(Mark("drift", f"{self.label()} ends", start + self.width, start + self.width))
        if self.shape == "recurring":
            if length is None:
                raise ConfigError(f"A recurring drift needs the length of {self.name}, which is unknown.")
            half = (self.period + 1) // 2
            for cycle in range(start, length, self.period):
                marks += [Mark("drift", f"{self.label()} again", cycle, cycle)] if cycle > start else []
                marks += [Mark("drift", f"{self.label()} ends", cycle + half, cycle + half)]
        return [mark for mark in marks if length is None or mark.start < length]

    def frozen_after(self, mark: Mark, source: Source | None = None) -> Self:
        """Return this drift in the regime that it is in right after a mark, from the first event on and for good.

        Args:
            mark: A mark of this drift or of another one of the stream.
            source: What the copy wraps; the same source if None.
        """
        frozen = replace(self) if source is None else replace(self, source=source)
        frozen.frozen_share = float(self.share_of(np.array([mark.end + 1]))[0])
        return frozen

    # --- The stream -----------------------------------------------------------------------------------------------

    def batches(self) -> Iterator[Batch]:
        """Yield the events of the wrapped source, changed by their share of the new regime."""
        draws = np.random.default_rng([self.seed, 1])
        for batch in self.source.batches():
            share = self.share_of(batch.number, draws=draws.random(len(batch)) if self.shape == "gradual" else None)
            # An event of the old regime is untouched to the last bit, which "x + 0 * change" would not promise.
            yield self.apply(batch, share) if share.any() else batch
