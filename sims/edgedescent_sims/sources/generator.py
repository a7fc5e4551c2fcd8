"""Base class of generators: streams that are drawn from a seed, with a known optimum."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.sources.base import Kind, Source, SourceOptions
from edgedescent_sims.sources.batch import BATCH_EVENTS, Batch, Column

START_S = 1_767_225_600.0
"""Unix time of the first event: 2026-01-01T00:00Z."""

Numbers = NDArray[np.float64]

Sampler = Callable[[Numbers], tuple[dict[str, Column], Numbers]]
"""Function that draws the next events: from their times to their columns, and their labels without noise."""


@dataclass(kw_only=True, eq=False)
class Generator(Source):
    """Events drawn from a seed: y = optimum + noise · N(0, 1).

    The optimum of an event is the best prediction from its features, so that the error of a prediction beyond that of
    the optimum, the regret, is exact. Everything is drawn event by event, from one generator of random numbers for each
    purpose: streams that differ in `n_events` alone begin alike.

    A subclass declares parameters and implements `sampler`.
    """

    n_events: Annotated[int, Meta(ge=1, description="Number of events")] = 10_000
    seed: Annotated[int, Meta(ge=0, le=2**62, description="Seed of everything that is drawn")] = 1
    noise: Annotated[float, Meta(ge=0.0, description="Standard deviation of the noise in the label")] = 1.0
    interval_s: Annotated[float, Meta(gt=0.0, description="Seconds from one event to the next")] = 1.0

    KIND: ClassVar[Kind] = "features"

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for the name of the class."""
        return spec == cls.__name__

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Self:
        """Return the generator with its defaults; no option applies."""
        options.refuse(spec, "it is a generator, which knows its columns")
        return cls()

    @property
    def name(self) -> str:
        """Name of the class."""
        return type(self).__name__

    @property
    def kind(self) -> Kind:
        """Shape of its events."""
        return self.KIND

    def length(self) -> int:
        """Return the number of events."""
        return self.n_events

    def rng(self, purpose: int) -> np.random.Generator:
        """Return the generator of random numbers for one purpose; 0 is the noise of the labels."""
        return np.random.default_rng([self.seed, purpose])

    @abstractmethod
    def sampler(self) -> Sampler:
        """Return a function that draws the next events, from the first one on.

        What it returns must not depend on how many are drawn at once. So sums over columns are made column by column:
        a matrix product adds in an order that depends on the number of rows.
        """

    def label(self, optimum: Numbers, noise: Numbers) -> Numbers:
        """Return labels from what they are without noise, and standard normal noise."""
        return optimum + self.noise * noise

    def batches(self) -> Iterator[Batch]:
        """Yield the events from the first one on."""
        self.skipped_rows.reset()
        sample, noise = self.sampler(), self.rng(0)
        for start in range(0, self.n_events, BATCH_EVENTS):
            number = np.arange(start + 1, min(start + BATCH_EVENTS, self.n_events) + 1, dtype=np.int64)
            times = START_S + (number - 1).astype(np.float64) * self.interval_s
            columns, optimum = sample(times)
            y = self.label(optimum, noise.standard_normal(len(number)))
            yield Batch.of(columns, y, number=number, optimum=optimum, time=times)
