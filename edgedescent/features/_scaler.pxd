"""Running mean and variance per row, robust against outliers, forgetting at a floor rate."""

cdef class Scaler:
    cdef double clip
    cdef double rate_min
    cdef readonly Py_ssize_t rows
    cdef double* count
    cdef double* mean
    cdef double* variance
    # Of the current window of a row's first values, by which it is told whether an outlier was among them.
    cdef double* window_mean
    cdef double* window_variance
    # 1 / standard deviation, kept so that predicting needs no root; 0 where the variance is 0.
    cdef double* inverse
    # The standard deviation, kept so that the next update needs none either.
    cdef double* deviation
    cdef readonly list arrays

    cdef int grow(self, Py_ssize_t rows) except -1
    cdef void clear_row(self, Py_ssize_t row) noexcept nogil
    cdef double standardized(self, double x) noexcept nogil
    cdef double winsorized(self, double x) noexcept nogil
    cdef void standardize(self, const double* x, double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil
    cdef void _check_start(self, const double* x, Py_ssize_t at, Py_ssize_t n) noexcept nogil
    cdef void update(self, const double* x, Py_ssize_t at, Py_ssize_t n) noexcept nogil
