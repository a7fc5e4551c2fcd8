"""Running mean and variance of each row, with clipped outliers and a minimum update rate."""

cdef class Scaler:
    cdef double clip
    cdef double rate_min
    cdef readonly Py_ssize_t rows
    cdef double* count
    cdef double* mean
    cdef double* variance
    # Statistics of the current start window of a row, which detect an outlier among its first values.
    cdef double* window_mean
    cdef double* window_variance
    # 1 / standard deviation, cached so that a prediction computes no square root; 0 where the variance is 0.
    cdef double* inverse
    # Standard deviation, cached for the clipping in the next update.
    cdef double* deviation
    cdef readonly list arrays

    cdef int grow(self, Py_ssize_t rows) except -1
    cdef void clear_row(self, Py_ssize_t row) noexcept nogil
    cdef double standardized(self, double x) noexcept nogil
    cdef double winsorized(self, double x) noexcept nogil
    cdef void standardize(self, const double* x, double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil
    cdef void _check_start(self, const double* x, Py_ssize_t at, Py_ssize_t n) noexcept nogil
    cdef void update(self, const double* x, Py_ssize_t at, Py_ssize_t n) noexcept nogil
