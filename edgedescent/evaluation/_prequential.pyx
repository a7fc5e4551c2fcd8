"""Prequential evaluation: each prediction is scored before its event is learned."""
import numpy as np

from libc.math cimport fabs, isfinite, sqrt

from edgedescent.numerics._median cimport median
from edgedescent.numerics._numbers cimport bounded, is_sane


cdef enum:
    N_SUMS = 15
    # The sums, and the first targets and predictions.
    N_VALUES = N_SUMS + 2 * START

# So many standard deviations, or median deviations at the start, from all others, no target is believed.
cdef double ABSURD = 1000.0
# After so many absurd targets in a row, the stream is believed.
cdef long long IN_ROW_MAX = 500


cdef class Prequential:
    """Prequential errors of a model and of two baselines: predicting the last value, and predicting the running mean.

    The first event is not scored, because the baselines have no prediction for it; neither is an event whose target is
    not finite. A prediction is clipped at ±1e100, and one that is NaN counts as 1e100. Over the scored events, with the
    error ``e = y - prediction``:

    ::

        mae   mean of |e|                          mae_last_value  mean of |y - y before|
        rmse  root of the mean of e²               mae_mean        mean of |y - mean of all y before|
        r2    1 - sum of e² / sum of (y - mean of y)²
        mase  mae / mae_last_value

    One absurd target would decide these sums for ever. So a target that is more than 1000 standard deviations away from the
    mean of those scored is not scored but counted (`n_unscored`), as a learner's guard bounds what it teaches. Once 500
    came in a row, the stream has really moved, and they are scored. The first 32 targets are judged when all are there,
    by 1000 median deviations from their median; if one of them is absurd, the sums begin anew without it. Targets that
    are all equal, or most of them at the start, give no scale, and any other is scored.

    ``mae_recent`` and ``mae_last_value_recent`` are fading means: an error that is k events old has the weight 0.999^k,
    which is a window of about 1000 events. `r2` and `mase` are left out where all targets are equal.

    References:
        Dawid (1984), "Statistical theory: the prequential approach", JRSS A 147(2).
        Gama, Sebastião, Rodrigues (2013), "On evaluating stream learning algorithms", Machine Learning 90(3).
        Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", Int. J. of Forecasting 22(4): MASE.
        Welford (1962), "Note on a method for calculating corrected sums of squares and products", Technometrics 4(3).

    Example:
        >>> errors = Prequential()
        >>> for y, prediction in ((1.0, 0.0), (3.0, 2.0), (4.0, 2.0)):
        ...     errors.update(y, prediction)
        >>> errors.summary()["mae"], errors.summary()["mae_last_value"]
        (1.5, 1.5)
    """

    cpdef void update(self, double y, double prediction) noexcept:
        """Score one prediction; an event whose target is not finite is skipped."""
        self.score(y, prediction)

    def update_many(self, const double[::1] y, const double[::1] prediction):
        """Score predictions in order, as `update` does one by one; however a stream is cut, the bits are the same.

        Args:
            y: Targets, shape (n_events,).
            prediction: Predictions, shape (n_events,).

        Raises:
            ValueError: If the lengths differ.
        """
        cdef Py_ssize_t i, n = y.shape[0]
        if prediction.shape[0] != n:
            raise ValueError(f"There must be one prediction a target. Got {prediction.shape[0]} for {n} targets.")
        with nogil:
            for i in range(n):
                self.score(y[i], prediction[i])

    cdef inline void score(self, double y, double prediction) noexcept nogil:
        # The prediction is bounded so that the sums stay finite.
        if not is_sane(y):
            return
        if self.n_first < START:
            self.first_targets[self.n_first] = y
            self.first_predictions[self.n_first] = bounded(prediction)
            self.n_first += 1
            self.add(y, bounded(prediction))
            if self.n_first == START:
                self.judge_start()
        elif self.is_absurd(y) and self.n_in_row <= IN_ROW_MAX:
            self.n_unscored += 1
        else:
            self.add(y, bounded(prediction))

    cdef bint is_absurd(self, double y) noexcept nogil:
        """True if a target is far away from all that were scored; counts those in a row."""
        cdef double distance = y - self.target_mean
        # The variance is the sum of squares by the number of scored events, which is one less.
        if self.target_squares > 0.0 and distance * distance * (self.n - 1) > ABSURD * ABSURD * self.target_squares:
            self.n_in_row += 1
            return True
        self.n_in_row = 0
        return False

    cdef void add(self, double y, double prediction) noexcept nogil:
        """Add the errors of an event to the sums."""
        cdef double error = fabs(y - prediction), error_last = fabs(y - self.last), distance
        if self.n > 0:
            self.sum_absolute += error
            self.sum_squared += error * error
            self.sum_last += error_last
            self.sum_mean += fabs(y - self.mean)
            self.fading += 0.001 * (error - self.fading)
            self.fading_last += 0.001 * (error_last - self.fading_last)
            self.fading_weight += 0.001 * (1.0 - self.fading_weight)
            distance = y - self.target_mean
            self.target_mean += distance / self.n
            self.target_squares += distance * (y - self.target_mean)
        self.n += 1
        self.last = y
        self.mean += (y - self.mean) / self.n

    cdef void judge_start(self) noexcept nogil:
        """Begin anew without the absurd ones among the first targets."""
        cdef double[START] distances
        cdef double middle = median(self.first_targets, START), limit
        cdef int i
        for i in range(START):
            distances[i] = fabs(self.first_targets[i] - middle)
        limit = ABSURD * median(distances, START)
        if limit == 0.0:
            return
        for i in range(START):
            if distances[i] > limit:
                self.n_unscored += 1
        if self.n_unscored == 0:
            return
        self.n = 0
        self.sum_absolute = self.sum_squared = self.sum_last = self.sum_mean = 0.0
        self.fading = self.fading_last = self.fading_weight = self.last = self.mean = 0.0
        self.target_mean = self.target_squares = 0.0
        for i in range(START):
            if distances[i] <= limit:
                self.add(self.first_targets[i], self.first_predictions[i])

    @property
    def n_scored(self):
        """Number of events that are scored."""
        return max(self.n - 1, 0)

    def summary(self):
        """Errors so far by name; empty before the second event."""
        cdef long long scored = self.n - 1
        cdef dict errors
        if scored < 1:
            return {}
        errors = {
            "mae": self.sum_absolute / scored,
            "rmse": sqrt(self.sum_squared / scored),
            "mae_last_value": self.sum_last / scored,
            "mae_mean": self.sum_mean / scored,
            "mae_recent": self.fading / self.fading_weight,
            "mae_last_value_recent": self.fading_last / self.fading_weight,
        }
        add_ratio(errors, "r2", self.target_squares - self.sum_squared, self.target_squares)
        add_ratio(errors, "mase", self.sum_absolute, self.sum_last)
        return errors

    def save(self):
        """The sums, counts and first events as one array."""
        cdef int i
        sums = [
            self.n, self.sum_absolute, self.sum_squared, self.sum_last, self.sum_mean,
            self.fading, self.fading_last, self.fading_weight, self.last, self.mean,
            self.target_mean, self.target_squares, self.n_unscored, self.n_in_row, self.n_first,
        ]
        targets = [self.first_targets[i] for i in range(START)]
        predictions = [self.first_predictions[i] for i in range(START)]
        return np.array(sums + targets + predictions, dtype=np.float64)

    def restore(self, values):
        """Restore what `save` returned.

        Raises:
            ValueError: If it is not as many finite numbers.
        """
        cdef int i
        if (values.shape != (N_VALUES,) or not np.isfinite(values).all() or values[0] < 0
                or (values[12:N_SUMS] < 0).any() or values[14] > START):
            raise ValueError(f"The state of the errors must be {N_VALUES} finite numbers. Got {values!r:.200}.")
        (n, self.sum_absolute, self.sum_squared, self.sum_last, self.sum_mean,
         self.fading, self.fading_last, self.fading_weight, self.last, self.mean,
         self.target_mean, self.target_squares, n_unscored, n_in_row, n_first) = values[:N_SUMS].tolist()
        self.n, self.n_unscored, self.n_in_row, self.n_first = int(n), int(n_unscored), int(n_in_row), int(n_first)
        for i in range(START):
            self.first_targets[i] = values[N_SUMS + i]
            self.first_predictions[i] = values[N_SUMS + START + i]


cdef int add_ratio(dict errors, str name, double numerator, double denominator) except -1:
    """Add a score that is a ratio, unless the divisor is 0 or so small that the ratio is not finite."""
    cdef double ratio
    if denominator > 0.0:
        ratio = numerator / denominator
        if isfinite(ratio):
            errors[name] = ratio
    return 0
