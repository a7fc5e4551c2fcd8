"""Kolmogorov-Smirnov windowing (KSWIN)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.drift._kswin import kswin_numbers
from edgedescent.drift.base import Detector


@dataclass(frozen=True, kw_only=True)
class KSWIN(Detector):
    """Kolmogorov-Smirnov windowing: the latest values against a sample of those before them, by their distributions.

    Once the window is full, every value compares the latest `stat_size` values with as many that are drawn from the
    rest of the window, without replacement::

        d = max over v of |F_latest(v) - F_drawn(v)|      alarm where d > 0.1 and p(d) <= alpha

    with the exact p-value of the two-sided two-sample test. It depends on d alone, which is a multiple of
    1 / `stat_size`, so the comparison is with one number that is known from the start. The next value starts a new
    window.

    It notices a change of any kind in the distribution, not of the mean alone, and whatever the unit. `alpha`
    bounds the probability of a false alarm at one value; there is a test at every value, so it must be small.

    The drawn values come from a Mersenne Twister that is started with `seed` for each window, as Python's
    ``random.sample`` draws. So alarms come at the same values as those of ``river.drift.KSWIN`` with that seed.

    Example:
        >>> from edgedescent.drift import KSWIN, Detection
        >>> detection = Detection(KSWIN(alpha=0.0001))
        >>> [i for i in range(2000) if detection.update((0.3 if i < 1000 else 0.8) + i * 7919 % 100 / 1000)]
        [1016]

    Raises:
        ValueError: If a parameter is out of its range, or the window is shorter than two samples.

    References:
        Raab, Heusinger and Schleif 2020, "Reactive Soft Prototype Computing for Concept Drift Streams", Neurocomputing
        416. Hodges 1958, "The significance probability of the Smirnov two-sample test", Arkiv för Matematik 3, for the
        p-value. Matsumoto and Nishimura 1998, "Mersenne Twister", ACM Transactions on Modeling and Computer Simulation
        8(1).
    """

    rule: ClassVar[str] = "kswin"

    alpha: Annotated[float, Meta(gt=0, lt=1, description="Largest p-value that is an alarm")] = 0.005
    window_size: Annotated[int, Meta(ge=4, le=4096, description="Number of latest values that are kept")] = 100
    stat_size: Annotated[int, Meta(ge=2, le=1024, description="Number of values in each of the two samples")] = 30
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1, description="Seed of the draws")] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window_size < 2 * self.stat_size:
            raise ValueError(
                f"The `window_size` of KSWIN must be at least twice its `stat_size` of {self.stat_size}. "
                f"Got {self.window_size}."
            )

    @property
    def n_numbers(self) -> int:
        """Number of numbers that are kept: the window, and the state of the generator."""
        return kswin_numbers(self.window_size)
