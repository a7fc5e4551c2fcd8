"""Recovery of a learner after a change of the stream: duration, greatest loss, regret."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgedescent.evaluation.pointwise import target_scale
from edgedescent.evaluation.windows import window_means

FLOOR_SHARE = 0.01
"""Error below which two learners count as equally good, as a share of the scale of the target."""
DURATION_TOLERANCE = 0.05
RECOVERED_TOLERANCE = 0.10


@dataclass(frozen=True)
class Recovery:
    """Scores of the recovery of a run from a change, against twins that never saw it; see `recovery`."""

    horizon: int
    """Number of events after the change that were compared."""
    window: int
    """Number of events in a window."""
    floor: float
    """Least error that a twin is taken to have, in units of the target."""
    duration: int | None
    """Number of events from the first window that is worse than a twin's by more than 5 % until no later one is worse
    than the new twin's by more than 5 %. 0 if no window is; None if the last one still is."""
    max_performance_loss: float
    """Greatest excess of the run's windowed error over that of the worse twin, relative to the latter; at least 0."""
    regret: float
    """Sum of the run's errors less that of the new twin's, in units of the target; below 0 where the run was better."""
    events_to_10_percent: int | None
    """Number of events after the change from which on no window is worse than the new twin's by more than 10 %. 0 if no
    window is; None if the last one still is: it takes more than ``horizon - window`` events, if it ever ends."""


def error_floor(targets: ArrayLike, share: float = FLOOR_SHARE) -> float:
    """Error below which two learners count as equally good: a share of the scale of the targets (`target_scale`).

    Args:
        targets: Targets of the new regime.
        share: Share of their scale.

    Example:
        >>> error_floor([1.0, 2.0, 3.0, 6.0])
        0.015
    """
    if not share >= 0:
        raise ValueError(f"The share must be >= 0. Got {share}.")
    return share * target_scale(targets)


def recovery(
    run: ArrayLike, new_twin: ArrayLike, old_twin: ArrayLike | None = None, *, window: int, floor: float
) -> Recovery:
    """Score the recovery of a run from a change of its stream.

    The *new twin* is the same learner on a stream that was in the new regime from its first event on, the *old twin*
    the same learner on a stream that never changed. With their absolute errors ``a`` (run), ``b`` (new twin) and ``c``
    (old twin) in the events 1 to H after the change, their means ``A[j]``, ``B[j]``, ``C[j]`` over the events j + 1 to
    j + window, and f the floor:

    ::

        recovered(tolerance) = least j with A[k] <= (1 + tolerance) max(B[k], f) for all k from j to H - window
        events_to_10_percent = recovered(0.10)
        lost                 = least j with A[j] > (1 + 0.05) max(min(B[j], C[j]), f)
        duration             = recovered(0.05) - lost, or 0 if recovered(0.05) is 0
        max_performance_loss = max over j of max(0, A[j] / max(B[j], C[j], f) - 1)
        regret               = sum of a[i] - b[i] for i from 1 to H

    All windows are full and begin after the change, so that no error from before it counts. ``recovered`` is None where
    the last window does not satisfy it. A window speaks for the events that follow j: a run whose first 7 errors are
    great and all others the twin's has recovered after 7, whatever the window.

    The paper works with accuracies, and takes the old twin alone for the start of the duration; that start does not
    exist where the new regime is the easier one. The better of the twins has none of this problem and is the old one
    where the new regime is harder. Without an old twin, the new one stands for it. The paper divides the duration by
    the length of the stream; divide by `horizon` for that.

    Args:
        run: Absolute errors of the run in the events after the change, in order; shape (horizon,).
        new_twin: Those of the new twin in the events of the same numbers.
        old_twin: Those of the old twin; None if there is none.
        window: Number of events in a window: enough to even out the noise, fewer than a recovery takes.
        floor: Least error that a twin is taken to have, such as `error_floor` of the targets. Without one, a twin with
            almost no error would never be reached. Where it is 0 and the twins have no error at all, any error is a
            loss of infinity.

    Raises:
        ValueError: If the lengths differ, an error is negative or not finite, or the window is longer than the horizon.

    References:
        Shaker and Hüllermeier (2015), "Recovery analysis for adaptive learning from non-stationary data streams:
        Experimental design and case study", Neurocomputing 150.

    Example:
        >>> run, twin = [4.0, 4.0, 4.0, 1.0, 1.0, 1.0], [1.0] * 6
        >>> scores = recovery(run, twin, window=2, floor=0.01)
        >>> scores.duration, scores.max_performance_loss, scores.regret, scores.events_to_10_percent
        (3, 3.0, 9.0, 3)
    """
    a = _errors("run", run)
    b = _errors("new_twin", new_twin, len(a))
    c = b if old_twin is None else _errors("old_twin", old_twin, len(a))
    if not 0 <= floor < np.inf:
        raise ValueError(f"The floor must be >= 0 and finite. Got {floor}.")
    own, new, old = (window_means(errors, window) for errors in (a, b, c))
    recovered = _recovered(own, np.maximum(new, floor), DURATION_TOLERANCE)
    duration = recovered
    if recovered is None or recovered > 0:
        is_lost = own > (1.0 + DURATION_TOLERANCE) * np.maximum(np.minimum(new, old), floor)
        duration = None if recovered is None else recovered - int(np.argmax(is_lost))
    return Recovery(
        horizon=len(a),
        window=window,
        floor=float(floor),
        duration=duration,
        max_performance_loss=_max_loss(own, np.maximum(np.maximum(new, old), floor)),
        regret=float(np.sum(a - b)),
        events_to_10_percent=_recovered(own, np.maximum(new, floor), RECOVERED_TOLERANCE),
    )


def hit_recovery(run: ArrayLike, new_twin: ArrayLike, *, window: int) -> int | None:
    """Number of lists after a change until the hit rate is that of the new twin again, but for 10 %.

    With the hits a of the run's lists and b of the new twin's, 1 where the list contained what was chosen next and 0
    elsewhere, and their means ``A[j]``, ``B[j]`` over the lists j + 1 to j + window::

        hit_recovery = least j with A[k] >= (1 - 0.10) B[k] for all k from j on

    Args:
        run: Hits of the run's lists after the change, in order; shape (n_lists,).
        new_twin: Those of the twin's lists for the same events.
        window: Number of lists in a window: the hit rate of n lists varies by sqrt(rate (1 - rate) / n).

    Returns:
        The number; 0 if no window is worse, None if the last one still is.

    Raises:
        ValueError: If the lengths differ, or the window is longer than the lists.

    Example:
        >>> hit_recovery([0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1], window=2)
        3
    """
    a = _errors("run", run)
    b = _errors("new_twin", new_twin, len(a))
    own, new = window_means(a, window), window_means(b, window)
    outside = np.flatnonzero(own < (1.0 - RECOVERED_TOLERANCE) * new)
    if not len(outside):
        return 0
    first = int(outside[-1]) + 1
    return first if first < len(own) else None


def _recovered(own: NDArray[np.float64], reference: NDArray[np.float64], tolerance: float) -> int | None:
    """Number of first windows to leave out so that all others are within the tolerance; None if none is left."""
    outside = np.flatnonzero(own > (1.0 + tolerance) * reference)
    if not len(outside):
        return 0
    first = int(outside[-1]) + 1
    return first if first < len(own) else None


def _max_loss(own: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    worse = own > reference
    if not worse.any():
        return 0.0
    with np.errstate(divide="ignore", over="ignore"):
        return float(np.max(own[worse] / reference[worse])) - 1.0


def _errors(name: str, values: ArrayLike, length: int | None = None) -> NDArray[np.float64]:
    errors = np.asarray(values, dtype=np.float64)
    if errors.ndim != 1 or (length is not None and len(errors) != length):
        expected = "(n_events,)" if length is None else f"({length},), that of the run"
        raise ValueError(f"The errors `{name}` must have the shape {expected}. Got {errors.shape}.")
    bad = ~(np.isfinite(errors) & (errors >= 0))
    if bad.any():
        place = int(np.argmax(bad))
        raise ValueError(f"The errors `{name}` must be >= 0 and finite. Got {errors[place]} at place {place + 1}.")
    return errors
