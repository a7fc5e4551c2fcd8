"""Running standardization: Welford's recurrence with clipped deviations and a minimum update rate."""
import numpy as np

from libc.math cimport sqrt

cdef enum:
    # Number of first values of a row that are also counted in start windows.
    START = 31


cdef class Scaler:
    """Running mean and variance of each row.

    With n the row's count after this value, ``r = max(1 / n, rate_min)`` and ``d`` the deviation from the mean,
    clipped at ±clip standard deviations once there is a variance::

        mean     <- mean + r d
        variance <- (1 - r) (variance + r d²)

    For ``r = 1 / n`` and no clipping this is Welford's exact population variance (Welford 1962, Technometrics 4(3)).

    The first values are not clipped, because there is no variance yet. A single outlier among them would therefore
    dominate the statistics for a long time. To correct this, windows that start at the 4th, 8th and 16th value, and
    end before the next one starts, have a mean and variance of their own. When a window ends and the standard deviation
    of the row is more than ``2 clip`` times that of the window, the row takes over the mean and variance of the window.
    A window of equal values is ignored.

    Args:
        clip: Number of standard deviations at which deviations and standardized values are clipped.
        rate_min: Minimum rate at which mean and variance follow new values.
        rows: Number of rows at the start; `grow` adds more.
    """

    def __init__(self, double clip, double rate_min, Py_ssize_t rows):
        self.clip = clip
        self.rate_min = rate_min
        self.rows = 0
        self.arrays = [np.zeros(0) for _ in range(7)]
        self.grow(rows)

    cdef int grow(self, Py_ssize_t rows) except -1:
        """Enlarge the arrays to at least `rows` rows; new rows have no values."""
        cdef double[::1] view
        cdef double* pointers[7]
        cdef int i
        if rows <= self.rows:
            return 0
        # Allocate all arrays before replacing any, so that a MemoryError leaves the scaler unchanged.
        larger = [np.zeros(rows) for _ in range(7)]
        for i in range(7):
            larger[i][: self.rows] = self.arrays[i]
            view = larger[i]
            pointers[i] = &view[0]
        self.arrays = larger
        self.count, self.mean, self.variance = pointers[0], pointers[1], pointers[2]
        self.window_mean, self.window_variance, self.inverse = pointers[3], pointers[4], pointers[5]
        self.deviation = pointers[6]
        self.rows = rows
        return 0

    cdef void clear_row(self, Py_ssize_t row) noexcept nogil:
        """Reset the statistics of a row."""
        self.count[row] = self.mean[row] = self.variance[row] = self.inverse[row] = self.deviation[row] = 0.0
        self.window_mean[row] = self.window_variance[row] = 0.0

    cdef double standardized(self, double x) noexcept nogil:
        """Return (x - mean) / sd of row 0, clipped at ±clip."""
        cdef double z = (x - self.mean[0]) * self.inverse[0]
        z = z if z < self.clip else self.clip
        return z if z > -self.clip else -self.clip

    cdef double winsorized(self, double x) noexcept nogil:
        """Clip a value to mean ± clip sd of row 0; without a variance, return it unchanged."""
        cdef double limit = self.clip * self.deviation[0]
        if limit == 0.0:
            return x
        x = x if x < self.mean[0] + limit else self.mean[0] + limit
        return x if x > self.mean[0] - limit else self.mean[0] - limit

    cdef void standardize(self, const double* x, double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
        """Write (x - mean) / sd of the rows from `at` on into `z`, clipped at ±clip."""
        cdef double clip = self.clip, value
        cdef const double* mean = self.mean + at
        cdef const double* inverse = self.inverse + at
        cdef Py_ssize_t i
        for i in range(n):
            value = (x[i] - mean[i]) * inverse[i]
            value = value if value < clip else clip
            z[i] = value if value > -clip else -clip

    cdef void update(self, const double* x, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
        """Update the mean and variance of the rows from `at` on with the values `x`."""
        cdef double rate_min = self.rate_min, clip = self.clip, rate, deviation, limit
        cdef double* count = self.count + at
        cdef double* mean = self.mean + at
        cdef double* variance = self.variance + at
        cdef double* inverse = self.inverse + at
        cdef double* deviations = self.deviation + at
        cdef bint young = False
        cdef Py_ssize_t i
        for i in range(n):
            young |= count[i] < START
        for i in range(n):
            count[i] += 1.0
            rate = 1.0 / count[i]
            rate = rate if rate > rate_min else rate_min
            deviation = x[i] - mean[i]
            # Without a variance there is no scale for outliers: accept any value.
            limit = clip * deviations[i]
            limit = limit if limit > 0.0 else 1e300
            deviation = deviation if deviation < limit else limit
            deviation = deviation if deviation > -limit else -limit
            mean[i] += rate * deviation
            variance[i] = (1.0 - rate) * (variance[i] + rate * (deviation * deviation))
            # A long constant stretch shrinks the variance towards 0, and the clipping above would then suppress every
            # later change. A variance of exactly 0 disables the clipping.
            variance[i] = variance[i] if variance[i] > 1e-60 else 0.0
            deviations[i] = sqrt(variance[i])
            inverse[i] = 1.0 / deviations[i] if variance[i] > 0.0 else 0.0
        if young:
            self._check_start(x, at, n)

    cdef void _check_start(self, const double* x, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
        """Update the start windows of new rows, and replace the statistics of a row if its start had an outlier."""
        cdef double rate, deviation
        cdef int count, first
        cdef Py_ssize_t row
        for row in range(at, at + n):
            if self.count[row] > START:
                continue
            count = <int>self.count[row]
            first = 1
            while 2 * first <= count:
                first *= 2
            # count - first + 1 is the position in the window, counted from 1.
            rate = 1.0 / (count - first + 1)
            if count == first:
                self.window_mean[row] = self.window_variance[row] = 0.0
            deviation = x[row - at] - self.window_mean[row]
            self.window_mean[row] += rate * deviation
            # The first value of a window has rate 1, so its deviation from the initial mean 0 adds no variance.
            self.window_variance[row] = (1.0 - rate) * (self.window_variance[row] + rate * (deviation * deviation))
            if count + 1 == 2 * first and count >= 7 and self.window_variance[row] > 1e-60 and (
                    self.variance[row] > 4.0 * self.clip * self.clip * self.window_variance[row]):
                self.mean[row] = self.window_mean[row]
                self.variance[row] = self.window_variance[row]
                self.deviation[row] = sqrt(self.variance[row])
                self.inverse[row] = 1.0 / self.deviation[row]

    def observe(self, double[::1] x, Py_ssize_t at=0):
        """Update the mean and variance of the rows from `at` on with the values `x`."""
        self._check(x.shape[0], at)
        self.update(&x[0], at, x.shape[0])

    def transform(self, double[::1] x, Py_ssize_t at=0):
        """Return the standardized values of the rows from `at` on."""
        cdef double[::1] z = np.empty(x.shape[0])
        self._check(x.shape[0], at)
        self.standardize(&x[0], &z[0], at, x.shape[0])
        return np.asarray(z)

    def _check(self, Py_ssize_t n, Py_ssize_t at):
        if n == 0 or at < 0 or at + n > self.rows:
            raise ValueError(f"{n} values from row {at} on do not fit {self.rows} rows.")

    def save(self, Py_ssize_t rows):
        """Return copies of count, mean, variance, window mean and window variance of the first `rows` rows."""
        return [np.array(array[:rows]) for array in self.arrays[:5]]

    def restore(self, list arrays):
        """Restore the arrays that `save` returned.

        Raises:
            ValueError: If the lengths differ, or a count or a variance is negative.
        """
        cdef int i
        count, _, variance, _, window_variance = arrays
        if len({len(array) for array in arrays}) != 1:
            raise ValueError(f"Scaler of unequal length: {', '.join(str(len(array)) for array in arrays)}.")
        if (count < 0.0).any() or (variance < 0.0).any() or (window_variance < 0.0).any():
            raise ValueError("A count or a variance in the state is negative.")
        self.grow(len(count))
        with np.errstate(divide="ignore"):
            inverse = np.where(variance > 0.0, 1.0 / np.sqrt(variance), 0.0)
        for i, array in enumerate((*arrays, inverse, np.sqrt(variance))):
            self.arrays[i][:] = 0.0
            self.arrays[i][: len(array)] = array
