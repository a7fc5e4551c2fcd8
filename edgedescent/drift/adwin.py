"""Adaptive windowing (ADWIN)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.drift._adwin import adwin_numbers
from edgedescent.drift.base import Detector


@dataclass(frozen=True, kw_only=True)
class ADWIN(Detector):
    """Adaptive windowing: the longest window of latest values in which no two parts have different means.

    Every `clock` values, the window W is cut into an older part W₀ and a newer part W₁ in every way that its buckets
    allow. There is an alarm where the means of a cut differ by more than ε::

        ε = √(2 m σ² δ') + 2/3 m δ'
        m = 1 / (|W₀| - l + 1) + 1 / (|W₁| - l + 1)
        δ' = ln(2 ln|W| / δ)

    with the variance σ² of W and the length l = `min_window_length` of the shortest part. The next
    value starts a new window.

    For independent values from 0 to 1, the paper bounds the probability of a false alarm at a check by δ, if δ is
    divided by |W| (theorem 3.1). Only about ln|W| cuts are compared, so its authors divide by ln|W| in practice, as
    here: that is not proven, and measured in docs/drift.md.

    The window is an exponential histogram: at most `max_buckets` buckets of each size 1, 2, 4, …, with the sum and the
    variance of their values. A value takes amortized constant time, a check time proportional to ln|W|. Beyond 2⁴⁰
    values, the oldest bucket is dropped.

    Alarms come at the same values as those of ``river.drift.ADWIN`` of River 0.26. Some earlier releases compared fewer
    cuts.

    Example:
        >>> from edgedescent.drift import ADWIN, Detection
        >>> detection = Detection(ADWIN(delta=0.01))
        >>> any(detection.update(0.5) for _ in range(1000))
        False
        >>> sum(detection.update(0.9) for _ in range(1000))
        1

    References:
        Bifet and Gavaldà 2007, "Learning from Time-Changing Data with Adaptive Windowing", SIAM International
        Conference on Data Mining. Babcock, Datar, Motwani and O'Callaghan 2003, "Maintaining Variance and k-Medians
        over Data Stream Windows", PODS, for the variance of merged buckets.
    """

    rule: ClassVar[str] = "adwin"

    delta: Annotated[float, Meta(gt=0, lt=1, description="Bound δ on the probability of a false alarm at a check")] = (
        0.002
    )
    clock: Annotated[int, Meta(ge=1, le=1_000_000, description="Number of values between two checks")] = 32
    max_buckets: Annotated[int, Meta(ge=2, le=64, description="Number of buckets of each size")] = 5
    min_window_length: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Number of values that a part must have to be compared")
    ] = 5
    grace_period: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Number of values up to which there is no check")
    ] = 10

    @property
    def tests_every(self) -> int:
        """Number of values between two tests, `clock`."""
        return self.clock

    @property
    def n_numbers(self) -> int:
        """Number of numbers that are kept: those of the window, and three of each bucket's row."""
        return adwin_numbers(self.max_buckets)
