"""Prequential evaluation: each prediction is scored before its event is learned."""
import numpy as np

from libc.math cimport fabs, sqrt

from edgedescent.numerics._numbers cimport bounded, is_sane


cdef class Prequential:
    """Prequential errors of a model and of two baselines: predicting the last value, and predicting the running mean.

    ``mae`` and ``rmse`` are means over all events; ``mae_recent`` fades with a window of about 1000 events. The first
    event is not scored, because the baselines have no prediction for it.

    References:
        Dawid (1984), "Statistical theory: the prequential approach", JRSS A 147(2).
        Gama, Sebastião, Rodrigues (2013), "On evaluating stream learning algorithms", Machine Learning 90(3).

    Example:
        >>> errors = Prequential()
        >>> for y, prediction in ((1.0, 0.0), (3.0, 2.0), (4.0, 2.0)):
        ...     errors.update(y, prediction)
        >>> errors.summary()["mae"], errors.summary()["mae_last_value"]
        (1.5, 1.5)
    """

    cpdef void update(self, double y, double prediction) noexcept:
        """Score one prediction; an event whose target is not finite is skipped."""
        cdef double error, error_last
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
        self.n += 1
        self.last = y
        self.mean += (y - self.mean) / self.n

    def summary(self):
        """Errors so far by name; empty before the second event."""
        cdef long long scored = self.n - 1
        if scored < 1:
            return {}
        return {
            "mae": self.sum_absolute / scored,
            "rmse": sqrt(self.sum_squared / scored),
            "mae_last_value": self.sum_last / scored,
            "mae_mean": self.sum_mean / scored,
            "mae_recent": self.fading / self.fading_weight,
            "mae_last_value_recent": self.fading_last / self.fading_weight,
        }

    def save(self):
        """The sums as one array."""
        return np.array([
            self.n, self.sum_absolute, self.sum_squared, self.sum_last, self.sum_mean,
            self.fading, self.fading_last, self.fading_weight, self.last, self.mean])

    def restore(self, values):
        """Restore what `save` returned.

        Raises:
            ValueError: if it is not ten finite numbers.
        """
        if values.shape != (10,) or not np.isfinite(values).all() or values[0] < 0:
            raise ValueError(f"The state of the errors must be 10 finite numbers. Got {values!r:.200}.")
        (n, self.sum_absolute, self.sum_squared, self.sum_last, self.sum_mean,
         self.fading, self.fading_last, self.fading_weight, self.last, self.mean) = values.tolist()
        self.n = int(n)
