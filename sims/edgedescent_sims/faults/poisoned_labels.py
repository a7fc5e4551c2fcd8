"""Poisoned labels: wrong ones, from a broken or a hostile sender."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.faults.base import Fault
from edgedescent_sims.faults.running import RunningMoments
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class PoisonedLabels(Fault):
    """Wrong labels, from a broken or a hostile sender. What predictions are scored against stays right.

    With m and s for the mean and the standard deviation of the labels before this one, a and b for the smallest and the
    largest label up to this one:

    ::

        constant  y' = value
        opposite  y' = 2 m - y
        huge      y' = y ± size s, with equal probability; |y| for s where that is 0, or 1 for y = 0
        random    y' ~ U(a, b)

    Before the first label, m is 0. Events without a label stay as they are.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import PoisonedLabels
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.arange(6.0)))
        >>> [batch] = PoisonedLabels(source, rate=0.5, how="constant", value=-1).batches()
        >>> batch.y
        array([-1.,  1.,  2.,  3., -1., -1.])
        >>> batch.target
        array([0., 1., 2., 3., 4., 5.])

    Raises:
        ValueError: If there is no `value` for constant labels, or one for others.

    References:
        Biggio, Nelson, Laskov (2012), "Poisoning attacks against support vector machines", ICML.
    """

    rate: Annotated[float, Meta(gt=0, le=1, description="Share of the labels that are poisoned")]
    how: Annotated[Literal["constant", "opposite", "huge", "random"], Meta(description="What they are replaced by")] = (
        "huge"
    )
    size: Annotated[float, Meta(gt=0, description="Distance of a huge label, in standard deviations")] = 10.0
    value: Annotated[float | None, Meta(description="The constant label; None for the other ways")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.how == "constant") != (self.value is not None):
            expected = "a number" if self.how == "constant" else "None"
            raise ValueError(
                f"The `value` of PoisonedLabels must be {expected} where `how` is {self.how!r}. Got {self.value}."
            )

    def label(self) -> str:
        """Name of the fault and of its way."""
        return f"{type(self).__name__} {self.how}"

    def batches(self) -> Iterator[Batch]:
        """Yield the events, some of them with another label."""
        chance, draws = self.draws("rate"), self.draws("label")
        moments = RunningMoments()
        lowest, highest = np.inf, -np.inf
        for batch in self.source.batches():
            y = batch.y
            mean, deviation = moments.before(y)
            low = np.fmin.accumulate(np.append(lowest, y))[1:]
            high = np.fmax.accumulate(np.append(highest, y))[1:]
            lowest, highest = float(low[-1]), float(high[-1])
            rows = np.flatnonzero(self.touches(batch.number) & ~np.isnan(y))
            hit = rows[chance.random(len(rows)) < self.rate]
            if not len(hit):
                yield batch
                continue
            draw = draws.random(len(hit))
            poisoned = y.copy()
            poisoned[hit] = self._poisoned(y[hit], mean[hit], deviation[hit], low[hit] + draw * (high - low)[hit], draw)
            yield batch.replace(y=poisoned)

    def _poisoned(
        self,
        y: NDArray[np.float64],
        mean: NDArray[np.float64],
        deviation: NDArray[np.float64],
        between: NDArray[np.float64],
        draw: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Labels that replace `y`; `between` is drawn between the smallest and the largest one by `draw`."""
        match self.how:
            case "constant":
                return np.full(len(y), self.value, dtype=np.float64)
            case "opposite":
                return np.where(np.isnan(mean), -y, 2.0 * mean - y)
            case "huge":
                scale = np.where(deviation > 0, deviation, np.where(y == 0, 1.0, np.abs(y)))
                poisoned: NDArray[np.float64] = y + np.where(draw < 0.5, -self.size, self.size) * scale
                return poisoned
            case "random":
                return between
