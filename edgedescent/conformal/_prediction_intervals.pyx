"""Prediction intervals by adaptive conformal inference."""
import numpy as np

from libc.math cimport INFINITY, ceil, fabs, isfinite

from edgedescent.conformal._error_scale cimport ErrorScale
from edgedescent.conformal._miscoverage cimport Miscoverage
from edgedescent.conformal._score_window cimport ScoreWindow
from edgedescent.numerics._numbers cimport bounded, is_sane

cdef enum:
    WINDOW = 500

cdef double SCORE_MAX = 1e6
cdef double TIE = 1e-9
cdef double FADING_RATE = 0.001


cdef class PredictionIntervals:
    """Intervals around predictions that hold a given share of the targets, whatever makes the predictions.

    ::

        score        s = |y - prediction| / scale(prediction)       the latest 500 are kept, sorted: s₍₁₎ … s₍ₙ₎
        half width   scale(prediction) s₍ₖ₎,    k = ceil((1 - αₜ) (n + 1))

    and at most the largest recent error, which is also the half width where k > n. The scale is a forgetting mean of the
    errors that depends on the prediction (`edgedescent.conformal._error_scale`), and αₜ follows the stream by DtACI
    (`edgedescent.conformal._miscoverage`, with what is guaranteed). On a stream that does not change, αₜ stays near
    1 - level.

    A level must be known from the start, because αₜ learns from how the intervals of that level have covered. The first
    prediction, of which nothing can be known, is not scored, and neither is an event whose target is not finite.

    Args:
        levels: Shares of the targets that the intervals shall hold, each > 0 and < 1 and once; 1 to 16 of them.

    Raises:
        ValueError: If the levels are not such.

    References:
        Gibbs and Candès 2021, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS.
        Gibbs and Candès 2024, "Conformal Inference for Online Prediction with Arbitrary Distribution Shifts", Journal
        of Machine Learning Research 25.
        Papadopoulos, Gammerman and Vovk 2008, "Normalized Nonconformity Measures for Regression Conformal Prediction",
        IASTED: errors divided by their expected size.

    Example:
        >>> intervals = PredictionIntervals((0.9,))
        >>> for i in range(1000):
        ...     intervals.update(float(i * 7919 % 100), 50.0)
        >>> low, high = intervals.interval(50.0, 0.9)
        >>> 3.0 < low < 7.0 and 93.0 < high < 97.0
        True
    """

    def __init__(self, levels):
        cdef int i
        self.levels = tuple(levels)
        self.n_levels = <int>min(len(self.levels), LEVELS_MAX)
        # A comparison with NaN is false.
        if not (1 <= len(self.levels) <= LEVELS_MAX and all(isinstance(level, float) and 0.0 < level < 1.0 for level in self.levels)
                and len(set(self.levels)) == len(self.levels)):
            raise ValueError(
                f"The levels must be 1 to {LEVELS_MAX} different numbers > 0 and < 1. Got {self.levels!r:.200}.")
        self.scale, self.window = ErrorScale(), ScoreWindow(WINDOW)
        self.miscoverages = tuple(Miscoverage(1.0 - level) for level in self.levels)
        self.started = False
        self.n_scored, self.fading_weight = 0, 0.0
        for i in range(LEVELS_MAX):
            self.n_covered[i] = self.fading[i] = 0.0

    cdef int place_of(self, double level) except -1:
        """Return the place of a level."""
        if level not in self.levels:
            raise ValueError(
                f"The `level` must be one of those that are calibrated: {', '.join(map(str, self.levels))}. Got {level}.")
        return self.levels.index(level)

    cdef double half_width(self, int place, double prediction) noexcept:
        """Return half the width of the interval around a prediction; infinite before the first score."""
        cdef Py_ssize_t n = self.window.n
        cdef double rank, width
        if n == 0 or not isfinite(prediction):
            return INFINITY
        # Rounding must not decide where the level is a multiple of 1 / (n + 1).
        rank = ceil((1.0 - (<Miscoverage>self.miscoverages[place]).level()) * (n + 1) - TIE)
        if rank > n:
            return self.scale.largest
        if rank < 1.0:
            return 0.0
        width = self.scale.at(bounded(prediction)) * self.window.ordered[<Py_ssize_t>rank - 1]
        return width if width < self.scale.largest else self.scale.largest

    cdef void learn(self, double y, double prediction) noexcept:
        """Score the intervals around a prediction by its target, then learn the error."""
        cdef double error, scale, score = 1.0, beta
        cdef bint is_covered
        cdef int i
        if not is_sane(y):
            return
        if not self.started:
            self.started = True
            return
        prediction = bounded(prediction)
        error = fabs(y - prediction)
        if self.scale.n > 0:
            scale = self.scale.at(prediction)
            score = error / scale if scale > 0.0 else (SCORE_MAX if error > 0.0 else 0.0)
            score = score if score < SCORE_MAX else SCORE_MAX
            beta = 0.0
            if error <= self.scale.largest:
                # The largest level at which the rank of the score is still asked for.
                beta = 1.0 - self.window.n_below(score) / (self.window.n + 1.0)
            self.n_scored += 1
            self.fading_weight += FADING_RATE * (1.0 - self.fading_weight)
            for i in range(self.n_levels):
                is_covered = error <= self.half_width(i, prediction)
                self.n_covered[i] += is_covered
                self.fading[i] += FADING_RATE * (is_covered - self.fading[i])
                (<Miscoverage>self.miscoverages[i]).update(beta)
        self.window.push(score)
        self.scale.update(prediction, error)

    def interval(self, double prediction, double level):
        """Return the lower and the upper bound of the interval around a prediction; the state stays as it is.

        Args:
            prediction: The prediction.
            level: One of `levels`.

        Returns:
            Both bounds; infinite ones before two predictions were scored.

        Raises:
            ValueError: If the level is none of `levels`.
        """
        cdef double half = self.half_width(self.place_of(level), prediction)
        return prediction - half, prediction + half

    def update(self, double y, double prediction):
        """Learn the target of a prediction."""
        self.learn(y, prediction)

    def update_many(self, const double[::1] y, const double[::1] prediction, double level):
        """Return the bounds around each prediction before its target was learned, shape (n_events, 2).

        Args:
            y: Targets, shape (n_events,).
            prediction: Predictions, shape (n_events,).
            level: One of `levels`.

        Raises:
            ValueError: If the lengths differ, or the level is none of `levels`.
        """
        cdef Py_ssize_t i, n = y.shape[0]
        cdef int place = self.place_of(level)
        cdef double[:, ::1] bounds = np.empty((n, 2))
        cdef double half
        if prediction.shape[0] != n:
            raise ValueError(f"There must be one prediction a target. Got {prediction.shape[0]} for {n} targets.")
        for i in range(n):
            half = self.half_width(place, prediction[i])
            bounds[i, 0], bounds[i, 1] = prediction[i] - half, prediction[i] + half
            self.learn(y[i], prediction[i])
        return np.asarray(bounds)

    def coverage(self, double level):
        """Return how many of the targets their intervals held: the share so far, and the recent one.

        The recent one is a fading mean: an event that is k events old has the weight 0.999^k.

        Returns:
            Both shares; None before an interval was scored.
        """
        cdef int place = self.place_of(level)
        if self.n_scored == 0:
            return None
        return self.n_covered[place] / self.n_scored, self.fading[place] / self.fading_weight

    def summary(self):
        """Return the coverage of the first level by name, as metrics; empty before an interval was scored."""
        shares = self.coverage(self.levels[0])
        return {} if shares is None else dict(zip(("interval_coverage", "interval_coverage_recent"), shares))

    # --- State ----------------------------------------------------------------------------------------------------

    def save(self, prefix=""):
        """Return the state by name: scores, scale, adaptive levels and coverage; each name begins with `prefix`."""
        cdef int i
        counts = [[self.started, self.n_scored, self.window.n, self.fading_weight]]
        counts += [[self.n_covered[i], self.fading[i], 0.0, 0.0] for i in range(self.n_levels)]
        return {
            f"{prefix}scores": self.window.save(),
            f"{prefix}scale": self.scale.save(),
            f"{prefix}miscoverage": np.array([one.save() for one in self.miscoverages]),
            f"{prefix}coverage": np.array(counts, dtype=np.float64),
        }

    def restore(self, state, prefix=""):
        """Restore what `save` returned.

        Args:
            state: The state by name; other names do not matter.
            prefix: How the names begin.

        Raises:
            KeyError: If a name is missing.
            ValueError: If an array has a wrong shape, or a value is out of its range.
        """
        cdef int i
        counts, levels = state[f"{prefix}coverage"], state[f"{prefix}miscoverage"]
        # A comparison with NaN is false.
        if counts.shape != (self.n_levels + 1, 4) or not ((counts >= 0.0) & (counts < 1e18)).all():
            raise ValueError(f"The coverage of intervals must be {self.n_levels + 1} rows of 4 numbers >= 0.")
        if levels.shape[:1] != (self.n_levels,):
            raise ValueError(f"There must be an adaptive level for each of {self.n_levels}. Got {len(levels)}.")
        self.window.restore(np.ascontiguousarray(state[f"{prefix}scores"]), int(counts[0, 2]))
        self.scale.restore(state[f"{prefix}scale"])
        for i in range(self.n_levels):
            self.miscoverages[i].restore(levels[i])
            self.n_covered[i], self.fading[i] = counts[i + 1, 0], counts[i + 1, 1]
        self.started, self.n_scored, self.fading_weight = bool(counts[0, 0]), int(counts[0, 1]), counts[0, 3]
