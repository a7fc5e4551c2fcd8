"""Prequential evaluation: each prediction is scored before its event is learned."""
import numpy as np

from libc.math cimport fabs, isfinite, sqrt

from edgedescent.numerics._numbers cimport bounded, is_sane


cdef enum:
    N_VALUES = 12
    N_VALUES_BEFORE_R2 = 10


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
        cdef double error, error_last, distance
        # The prediction is bounded so that the sums stay finite.
        if not is_sane(y):
            return
        error = fabs(y - bounded(prediction))
        error_last = fabs(y - self.last)
        if self.n > 0:
            self.sum_absolute += error
            self.sum_squared += error * error
            self.sum_last += error_last
            self.sum_mean += fabs(y - self.mean)
            self.fading += 0.001 * (error - self.fading)
            self.fading_last += 0.001 * (error_last - self.fading_last)
            self.fading_weight += 0.001 * (1.0 - self.fading_weight)
            if self.target_squares >= 0.0:
                distance = y - self.target_mean
                self.target_mean += distance / self.n
                self.target_squares += distance * (y - self.target_mean)
        self.n += 1
        self.last = y
        self.mean += (y - self.mean) / self.n

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
        """The sums as one array."""
        return np.array([
            self.n, self.sum_absolute, self.sum_squared, self.sum_last, self.sum_mean,
            self.fading, self.fading_last, self.fading_weight, self.last, self.mean,
            self.target_mean, self.target_squares])

    def restore(self, values):
        """Restore what `save` returned.

        The ten numbers of version 0.2.0 are taken too; `r2`, whose sums are not among them, is then left out.

        Raises:
            ValueError: If it is not twelve finite numbers.
        """
        if (values.shape not in ((N_VALUES,), (N_VALUES_BEFORE_R2,)) or not np.isfinite(values).all()
                or values[0] < 0):
            raise ValueError(f"The state of the errors must be {N_VALUES} finite numbers. Got {values!r:.200}.")
        # A sum of squares below 0 says that it is unknown.
        (n, self.sum_absolute, self.sum_squared, self.sum_last, self.sum_mean,
         self.fading, self.fading_last, self.fading_weight, self.last, self.mean,
         self.target_mean, self.target_squares) = [*values.tolist(), 0.0, -1.0][:N_VALUES]
        self.n = int(n)


cdef int add_ratio(dict errors, str name, double numerator, double denominator) except -1:
    """Add a score that is a ratio, unless the divisor is 0 or so small that the ratio is not finite."""
    cdef double ratio
    if denominator > 0.0:
        ratio = numerator / denominator
        if isfinite(ratio):
            errors[name] = ratio
    return 0
