"""Running standardization: Welford's recurrence with clipped deviations and a minimum update rate."""
import numpy as np

from libc.math cimport sqrt

cdef extern from "edgedescent/features/scaler_kernels.h" nogil:
    enum:
        ROW_IS_YOUNG
        ROW_IS_CONSTANT
        BLOCK_IS_FULL
    int scaler_update(const double*, double*, double*, double*, double*, double*, double*, double*, double*, double*,
                      double*, double, double, double, double, double, int, Py_ssize_t)

cdef enum:
    # Number of first values of a row that are also counted in start windows.
    START = 31
    # Number of far values that make a block one of a larger scale, and of those that suffice if they are very far.
    FAR_MIN = 6
    VERY_FAR_MIN = 3
    # Number of successive blocks of a larger, or of a smaller, scale that make a change of scale.
    STREAK = 3
    N_SAVED = 13
    N_ARRAYS = 15

# A value is far if it is 5 standard deviations away from the mean.
cdef double FAR_SQUARED = 25.0
# Ratio of the variances of a block and of its row from which on its far values are very far.
cdef double LARGER = 9.0
# A change to a larger scale goes so many times beyond the mean squared deviations that were left as usual before.
cdef double BEYOND = 4.0
# A block is of a smaller scale if its variance is so many times smaller than usual.
cdef double SMALLER = 16.0
# Rates at which the typical variance within a block falls and rises: quiet times are remembered.
cdef double FALL_RATE = 0.5
cdef double RISE_RATE = 0.015625
# Bound on a variance in units of the typical one.
cdef double BLOCK_VARIANCE_MAX = 16.0


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

    Clipped deviations let the statistics follow a change of scale only after thousands of values. To recognize one, the
    values of a row are also divided into blocks of 16, the first two of which do not count. A block is of a larger scale
    if 6 of its values are more than 5 standard deviations away from the mean, or 3 and its variance is more than 9 times
    the row's. It is of a smaller one if its variance is less than 1/16 of the row's and of that of its quieter blocks so
    far. A single outlier is neither, nor is a quantity that varies slowly. Three successive blocks of a larger scale, or of a smaller one, are a change: `change` returns it, and
    `follow_change` replaces the statistics of the row by those of the latest block. The caller decides, because a
    sensor that rests for a while has not changed its unit. What it leaves by `leave` is usual from then on.

    Args:
        clip: Number of standard deviations at which deviations and standardized values are clipped.
        rate_min: Minimum rate at which mean and variance follow new values.
        rows: Number of rows at the start; `grow` adds more.
        watches: True to look for changes of scale.
    """

    def __init__(self, double clip, double rate_min, Py_ssize_t rows, bint watches=True):
        self.clip = clip
        self.rate_min = rate_min
        self.rows = 0
        self.watches, self.found = watches, False
        self.arrays = [np.zeros(0) for _ in range(N_ARRAYS)]
        self.grow(rows)

    cdef int grow(self, Py_ssize_t rows) except -1:
        """Enlarge the arrays to at least `rows` rows; new rows have no values."""
        cdef double[::1] view
        cdef double* pointers[N_ARRAYS]
        cdef int i
        if rows <= self.rows:
            return 0
        # Allocate all arrays before replacing any, so that a MemoryError leaves the scaler unchanged.
        larger = [np.zeros(rows) for _ in range(N_ARRAYS)]
        for i in range(N_ARRAYS):
            larger[i][: self.rows] = self.arrays[i]
            view = larger[i]
            pointers[i] = &view[0]
        self.arrays = larger
        self.count, self.mean, self.variance = pointers[0], pointers[1], pointers[2]
        self.window_mean, self.window_variance = pointers[3], pointers[4]
        self.block_count, self.block_base, self.block_sum, self.block_squares, self.block_far = (
            pointers[5], pointers[6], pointers[7], pointers[8], pointers[9])
        self.block_variance, self.streak, self.burst = pointers[10], pointers[11], pointers[12]
        self.inverse, self.deviation = pointers[13], pointers[14]
        self.rows = rows
        return 0

    cdef void clear_row(self, Py_ssize_t row) noexcept nogil:
        """Reset the statistics of a row."""
        self.count[row] = self.mean[row] = self.variance[row] = self.inverse[row] = self.deviation[row] = 0.0
        self.window_mean[row] = self.window_variance[row] = 0.0
        self.block_count[row] = self.block_base[row] = self.block_sum[row] = self.block_squares[row] = 0.0
        self.block_far[row] = self.block_variance[row] = self.streak[row] = self.burst[row] = 0.0

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

    cdef void relate(self, const double* x, double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
        """Write x / mean of the rows from `at` on, whose means are not 0, into `z`, clipped at ±clip."""
        cdef double clip = self.clip, value
        cdef Py_ssize_t i
        for i in range(n):
            value = x[i] * (1.0 / self.mean[at + i])
            value = value if value < clip else clip
            z[i] = value if value > -clip else -clip

    cdef bint update(self, const double* x, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
        """Update the mean and variance of the rows from `at` on with the values `x`; return True if a row has no variance."""
        cdef Py_ssize_t i
        cdef int told = scaler_update(
            x, self.count + at, self.mean + at, self.variance + at, self.inverse + at, self.deviation + at,
            self.block_count + at, self.block_base + at, self.block_sum + at, self.block_squares + at, self.block_far + at,
            self.rate_min, self.clip, START, BLOCK, FAR_SQUARED, self.watches, n)
        if told & BLOCK_IS_FULL:
            for i in range(at, at + n):
                if self.block_count[i] >= BLOCK:
                    self._end_block(i)
        if told & ROW_IS_YOUNG:
            self._check_start(x, at, n)
        return told & ROW_IS_CONSTANT

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
            if count == START:
                self.window_mean[row] = self.window_variance[row] = 0.0

    cdef void _end_block(self, Py_ssize_t row) noexcept nogil:
        """Compare a full block with the statistics of its row."""
        cdef double variance = self._variance_of_block(row), usual = self.block_variance[row]
        cdef bint comparable = variance > 1e-60 and self.variance[row] > 0.0
        if self.count[row] < START + BLOCK:
            pass
        elif comparable and self._block_spread(row) > BEYOND * self.burst[row] and (self.block_far[row] >= FAR_MIN or (
                self.block_far[row] >= VERY_FAR_MIN and variance > LARGER * self.variance[row])):
            self.streak[row] = self.streak[row] + 1.0 if self.streak[row] > 0.0 else 1.0
        elif comparable and SMALLER * variance < usual and SMALLER * variance < self.variance[row]:
            self.streak[row] = self.streak[row] - 1.0 if self.streak[row] < 0.0 else -1.0
        else:
            self.streak[row] = 0.0
            if usual > 0.0:
                variance = variance if variance < BLOCK_VARIANCE_MAX * usual else BLOCK_VARIANCE_MAX * usual
                self.block_variance[row] += (FALL_RATE if variance < usual else RISE_RATE) * (variance - usual)
            else:
                self.block_variance[row] = variance
        self.block_count[row] = self.block_far[row] = 0.0
        if -STREAK < self.streak[row] < STREAK:
            self._begin_block(row)
        else:
            self.found = True

    cdef void _begin_block(self, Py_ssize_t row) noexcept nogil:
        """Clear the sums of a row's block."""
        self.block_sum[row] = self.block_squares[row] = 0.0

    cdef int change(self, Py_ssize_t row) noexcept nogil:
        """Return whether the latest value of a row made it one of a larger (1) or smaller (-1) scale; else 0."""
        if self.block_count[row] > 0.0 or -STREAK < self.streak[row] < STREAK:
            return 0
        return 1 if self.streak[row] > 0.0 else -1

    cdef double _variance_of_block(self, Py_ssize_t row) noexcept nogil:
        cdef double mean = self.block_sum[row] / BLOCK
        cdef double variance = self.block_squares[row] / BLOCK - mean * mean
        return variance if variance > 0.0 else 0.0

    cdef double _block_spread(self, Py_ssize_t row) noexcept nogil:
        """Return the mean squared deviation of the values of a full block from the mean of the row."""
        cdef double distance = self.block_mean(row) - self.mean[row]
        return self._variance_of_block(row) + distance * distance

    cdef double block_mean(self, Py_ssize_t row) noexcept nogil:
        """Return the mean of the latest values of a row that has changed."""
        return self.block_base[row] + self.block_sum[row] / BLOCK

    cdef double block_deviation(self, Py_ssize_t row) noexcept nogil:
        """Return the standard deviation of the latest values of a row that has changed."""
        return sqrt(self._variance_of_block(row))

    cdef void leave(self, Py_ssize_t row) noexcept nogil:
        """Keep the statistics of a row that has changed: such values are usual."""
        cdef double spread = self._block_spread(row)
        if self.streak[row] < 0.0:
            self.block_variance[row] = self._variance_of_block(row)
        elif spread > self.burst[row]:
            self.burst[row] = spread
        self._begin_block(row)

    cdef void follow_change(self, Py_ssize_t row) noexcept nogil:
        """Replace the statistics of a row that has changed by those of its latest block."""
        self.mean[row] = self.block_mean(row)
        self.variance[row] = self.block_variance[row] = self._variance_of_block(row)
        self.deviation[row] = sqrt(self.variance[row])
        self.inverse[row] = 1.0 / self.deviation[row]
        # So that they follow the next values quickly, the first of which begins a start window.
        self.count[row] = BLOCK - 1
        self.streak[row] = self.burst[row] = self.window_mean[row] = self.window_variance[row] = 0.0
        self._begin_block(row)

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

    def change_of(self, Py_ssize_t row):
        """Return whether the latest value of a row made it one of a larger (1) or smaller (-1) scale; else 0."""
        self._check(1, row)
        return self.change(row)

    def settle(self, Py_ssize_t row, bint follow):
        """Follow the change of a row that has changed, or take such values for usual."""
        self._check(1, row)
        if self.change(row) and follow:
            self.follow_change(row)
        elif self.change(row):
            self.leave(row)

    def _check(self, Py_ssize_t n, Py_ssize_t at):
        if n == 0 or at < 0 or at + n > self.rows:
            raise ValueError(f"{n} values from row {at} on do not fit {self.rows} rows.")

    def save(self, Py_ssize_t rows):
        """Return copies of the arrays of the first `rows` rows.

        These are count, mean, variance, mean and variance of the window, and, of the block, the count, the base, the sums of
        deviations from it and of their squares, the number of far values, the typical variance, the streak and the burst.
        """
        return [np.array(array[:rows]) for array in self.arrays[:N_SAVED]]

    def restore(self, list arrays):
        """Restore the arrays that `save` returned.

        Raises:
            ValueError: If the lengths differ, or a count or a variance is negative.
        """
        cdef int i
        count, _, variance, _, window_variance, block_count, _, _, squares, block_far, block_variance, _, burst = arrays
        if len({len(array) for array in arrays}) != 1:
            raise ValueError(f"Scaler of unequal length: {', '.join(str(len(array)) for array in arrays)}.")
        if (count < 0.0).any() or (variance < 0.0).any() or (window_variance < 0.0).any():
            raise ValueError("A count or a variance in the state is negative.")
        if (burst < 0.0).any():
            raise ValueError("A burst in the state is negative.")
        if ((block_count < 0.0) | (block_count >= BLOCK) | (block_far < 0.0) | (block_far > block_count)).any() or (
                block_variance < 0.0).any() or (squares < 0.0).any():
            raise ValueError(f"A block in the state must have less than {BLOCK} values and no negative variance.")
        self.grow(len(count))
        with np.errstate(divide="ignore"):
            inverse = np.where(variance > 0.0, 1.0 / np.sqrt(variance), 0.0)
        for i, array in enumerate((*arrays, inverse, np.sqrt(variance))):
            self.arrays[i][:] = 0.0
            self.arrays[i][: len(array)] = array
