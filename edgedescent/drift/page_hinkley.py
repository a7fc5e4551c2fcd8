"""The Page-Hinkley test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from edgedescent.drift.base import Detector

MODES = ("both", "up", "down")


@dataclass(frozen=True, kw_only=True)
class PageHinkley(Detector):
    """Page-Hinkley test: cumulated deviations from the running mean that leave their extreme far behind.

    ::

        x̄ ← mean of all values, this one included
        U ← a U + x - x̄ - δ          alarm where U - min U > λ: the mean has risen
        D ← a D + x - x̄ + δ          alarm where max D - D > λ: the mean has fallen

    The next value starts the test anew.

    For values whose mean does not change, U falls by about δ per value, so that an alarm needs an excursion of λ
    against this drift: for normal values of variance v, its probability from any one minimum is about exp(-2 δ λ / v).
    `threshold` and `delta` are in the unit of the values.

    Alarms come at the same values as those of ``river.drift.PageHinkley``.

    Example:
        >>> from edgedescent.drift import Detection, PageHinkley
        >>> detection = Detection(PageHinkley(threshold=5.0))
        >>> [i for i in range(2000) if detection.update(0.3 if i < 1000 else 0.8)]
        [1010]

    References:
        Page 1954, "Continuous Inspection Schemes", Biometrika 41. Hinkley 1971, "Inference about the change-point from
        cumulative sum tests", Biometrika 58. Gama, Sebastião and Rodrigues 2013, "On evaluating stream learning
        algorithms", Machine Learning 90(3), for the forgetting factor.
    """

    rule: ClassVar[str] = "page_hinkley"

    min_instances: Annotated[int, Meta(ge=1, le=1_000_000, description="Number of values before the first alarm")] = 30
    delta: Annotated[float, Meta(ge=0, le=1e100, description="Deviation δ that is no change")] = 0.005
    threshold: Annotated[float, Meta(gt=0, le=1e100, description="Threshold λ of the cumulated deviations")] = 50.0
    alpha: Annotated[float, Meta(gt=0, le=1, description="Factor a on what was cumulated before")] = 0.9999
    mode: Annotated[Literal["both", "up", "down"], Meta(description="Changes that matter: rises, falls or both")] = (
        "both"
    )

    @property
    def hyper(self) -> tuple[float, ...]:
        """Hyper-parameters of the compiled test; the mode as its place in `MODES`."""
        mode = float(MODES.index(self.mode))
        return float(self.min_instances), self.delta, self.threshold, self.alpha, mode

    @property
    def n_numbers(self) -> int:
        """Number of numbers that are kept: count, mean, the two sums and their extremes."""
        return 6
