"""Running mean and variance of each row, with clipped outliers and a minimum update rate."""
from cython cimport final

from edgedescent.numerics._numbers cimport clipped

cdef enum:
    # Number of values in a block, whose statistics are compared with the running ones.
    BLOCK = 16

@final
cdef class Scaler:
    cdef double clip
    cdef double rate_min
    cdef readonly Py_ssize_t rows
    cdef double* count
    cdef double* mean
    cdef double* variance
    # Mean and variance of the current start window of a row, which detect an outlier among its first values.
    cdef double* window_mean
    cdef double* window_variance
    # Number of values in the current block, the first of them, the sums of their deviations from it and of the squares of
    # these, number of values that are far, typical variance within a block, and number of the latest successive blocks that
    # are of a larger (> 0) or smaller (< 0) scale.
    cdef double* block_count
    cdef double* block_base
    cdef double* block_sum
    cdef double* block_squares
    cdef double* block_far
    cdef double* block_variance
    cdef double* streak
    # Mean squared deviation from the mean in the largest block that was left as usual.
    cdef double* burst
    # True if changes of scale are looked for, and if a row was found to have changed by the latest update.
    cdef bint watches
    cdef bint found
    # 1 / standard deviation, cached so that a prediction computes no square root; 0 where the variance is 0.
    cdef double* inverse
    # Standard deviation, cached for the clipping in the next update.
    cdef double* deviation
    cdef readonly list arrays

    cdef int grow(self, Py_ssize_t rows) except -1
    cdef void clear_row(self, Py_ssize_t row) noexcept nogil

    cdef inline double standardized(self, double x) noexcept nogil:
        """Return (x - mean) / sd of row 0, clipped at ±clip."""
        return clipped((x - self.mean[0]) * self.inverse[0], self.clip)

    cdef inline double winsorized(self, double x) noexcept nogil:
        """Clip a value to mean ± clip sd of row 0; without a variance, return it unchanged."""
        cdef double limit = self.clip * self.deviation[0]
        if limit == 0.0:
            return x
        x = x if x < self.mean[0] + limit else self.mean[0] + limit
        return x if x > self.mean[0] - limit else self.mean[0] - limit

    cdef void standardize(self, const double* x, double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil
    cdef void _check_start(self, const double* x, Py_ssize_t at, Py_ssize_t n) noexcept nogil
    cdef void _end_block(self, Py_ssize_t row) noexcept nogil
    cdef int change(self, Py_ssize_t row) noexcept nogil
    cdef void _begin_block(self, Py_ssize_t row) noexcept nogil
    cdef double _variance_of_block(self, Py_ssize_t row) noexcept nogil
    cdef double _block_spread(self, Py_ssize_t row) noexcept nogil
    cdef double block_mean(self, Py_ssize_t row) noexcept nogil
    cdef double block_deviation(self, Py_ssize_t row) noexcept nogil
    cdef void leave(self, Py_ssize_t row) noexcept nogil
    cdef void follow_change(self, Py_ssize_t row) noexcept nogil
    cdef void relate(self, const double* x, double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil
    cdef bint update(self, const double* x, Py_ssize_t at, Py_ssize_t n) noexcept nogil
