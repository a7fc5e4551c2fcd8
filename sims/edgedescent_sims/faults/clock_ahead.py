"""A sender's clock that is ahead, or behind, by a constant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from edgedescent_sims.faults.base import Fault
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class ClockAhead(Fault):
    """A sender's clock that is ahead by a constant: a wrong time zone, or a device without the time of its network.

    ::

        time' = time + ahead_s

    The times of arrival stay as they are.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import ClockAhead
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.ones(4)))
        >>> [batch] = ClockAhead(source, ahead_s=3600, after=2).batches()
        >>> batch.time
        array([1.000e+00, 2.000e+00, 3.603e+03, 3.604e+03])

    Raises:
        ValueError: If the clock is right.
    """

    ahead_s: Annotated[
        float, Meta(description="Seconds by which the clock is ahead; negative for one that is behind; not 0")
    ]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ahead_s == 0:
            raise ValueError("The `ahead_s` of ClockAhead must not be 0: it would change nothing.")

    def batches(self) -> Iterator[Batch]:
        """Yield the events with their times changed."""
        for batch in self.source.batches():
            touched = self.touches(batch.number)
            yield batch.replace(time=np.where(touched, batch.time + self.ahead_s, batch.time))
