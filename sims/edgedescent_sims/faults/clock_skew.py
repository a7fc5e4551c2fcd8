"""A sender's clock that drifts and jumps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from edgedescent_sims.faults.base import Fault
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class ClockSkew(Fault):
    """A sender's clock that runs too fast or too slow, and jumps.

    ::

        time' = time + ppm 1e-6 (time - t0) + jump_s (n_forward - n_back)

    t0 is the time of the first event of the span; the jumps until then, forward and back with equal probability, are
    counted by n. After the span, the clock is right again. The times of arrival stay as they are.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import ClockSkew
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.ones(5), time=np.arange(5) * 1000.0))
        >>> [batch] = ClockSkew(source, ppm=100, after=1).batches()
        >>> batch.time
        array([   0. , 1000. , 2000.1, 3000.2, 4000.3])

    Raises:
        ValueError: If the clock neither drifts nor jumps.
    """

    ppm: Annotated[float, Meta(description="Drift of the clock, in seconds per million; negative for a slow one")] = 0.0
    jump_s: Annotated[float, Meta(ge=0, description="Length of a jump, in seconds")] = 0.0
    jump_rate: Annotated[float, Meta(ge=0, le=1, description="Share of the events at which the clock jumps")] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ppm == 0 and self.jump_s == 0 and self.jump_rate == 0:
            raise ValueError("The `ppm` or the `jump_s` of ClockSkew must not be 0: it would change nothing.")
        if (self.jump_s == 0) != (self.jump_rate == 0):
            raise ValueError(
                "The `jump_s` and the `jump_rate` of ClockSkew must both be > 0, or both be 0. "
                f"Got {self.jump_s} and {self.jump_rate}."
            )

    def batches(self) -> Iterator[Batch]:
        """Yield the events with their times changed."""
        draws = self.draws()
        start: float | None = None
        n_jumps = 0
        for batch in self.source.batches():
            rows = np.flatnonzero(self.touches(batch.number))
            if not len(rows):
                yield batch
                continue
            time = batch.time[rows]
            start = float(time[0]) if start is None else start
            draw = draws.random(len(rows))
            # The same draw decides of the direction: of the jumps, half lie in the lower half.
            direction = (draw < self.jump_rate).astype(np.int64) - 2 * (draw < self.jump_rate / 2)
            jumps = n_jumps + np.cumsum(direction)
            n_jumps = int(jumps[-1])
            changed = batch.time.copy()
            changed[rows] = time + self.ppm * 1e-6 * (time - start) + self.jump_s * jumps
            yield batch.replace(time=changed)
