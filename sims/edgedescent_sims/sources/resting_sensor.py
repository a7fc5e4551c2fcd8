"""Generator of a sensor that rests for a long time before it begins to move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from edgedescent_sims.sources.batch import Column
from edgedescent_sims.sources.generator import Generator, Numbers, Sampler


@dataclass(kw_only=True, eq=False)
class RestingSensor(Generator):
    """One feature x that rests near 0 for many events, and then decides the target over its whole range.

    ::

        x = jitter · N(0, 1)      for the first `rest` events
        x = span · U(0, 1)        after them
        optimum = weight · x

    A learner that standardizes its features has learned the scale of the jitter, and sees values far outside of it.

    Example:
        >>> batch = next(RestingSensor(rest=1, n_events=2).batches())
        >>> abs(batch.columns["x"]) < 1.0
        array([ True, False])
    """

    noise: Annotated[float, Meta(ge=0.0, description="Standard deviation of the noise in the label")] = 0.1
    rest: Annotated[int, Meta(ge=0, description="Number of events for which the sensor rests")] = 5_000
    jitter: Annotated[float, Meta(ge=0.0, description="Standard deviation of the resting sensor")] = 0.01
    span: Annotated[float, Meta(gt=0.0, description="Range of the moving sensor, from 0")] = 100.0
    weight: Annotated[float, Meta(description="Target for each unit of the feature")] = 1.0

    def sampler(self) -> Sampler:
        """Return a function that draws the next events."""
        resting, moving = self.rng(1), self.rng(2)
        n_drawn = 0

        def sample(times: Numbers) -> tuple[dict[str, Column], Numbers]:
            nonlocal n_drawn
            rests = np.arange(n_drawn, n_drawn + len(times)) < self.rest
            n_drawn += len(times)
            # Both are drawn for each event, so that `rest` changes no value but those between.
            jitter, motion = resting.standard_normal(len(times)), moving.random(len(times))
            x = np.where(rests, self.jitter * jitter, self.span * motion)
            return {"x": x}, self.weight * x

        return sample
