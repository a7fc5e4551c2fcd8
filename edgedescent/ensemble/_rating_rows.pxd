"""Estimates of each user, or of each item, from its standardized ratings."""

# Columns of an estimate. The first one stays 0: the score of a pair is a bias and a product of the other columns.
cdef enum:
    BIAS = 1
    RECENT = 2
    LAST = 3
    SPREAD = 4
    FAMILIARITY = 5
    FACTORS = 6
    # Number of ratings, forgetting weight and sum of residuals, mean, sum of squared deviations.
    N_NUMBERS = 5

cdef class RatingRows:
    cdef readonly Py_ssize_t n_factors
    cdef readonly Py_ssize_t width
    cdef readonly Py_ssize_t rows
    cdef double decay
    cdef double shrinkage
    cdef double spread_shrinkage
    cdef double* estimates
    cdef double* numbers
    cdef list arrays
    # Number of ids that the bias of unknown ones was learned from.
    cdef double n_begun

    cdef int make_room(self, Py_ssize_t rows) except -1
    cdef double* estimate(self, Py_ssize_t row) noexcept nogil
    cdef void start(self, Py_ssize_t row) noexcept nogil
    cdef void learn_cold(self, double slope) noexcept nogil
    cdef double factor_rate(self, Py_ssize_t row) noexcept nogil
    cdef void observe(self, Py_ssize_t row, double z, double residual) noexcept nogil
    cdef void step_bias(self, Py_ssize_t row, double slope) noexcept nogil
    cdef void _refresh(self, Py_ssize_t row) noexcept nogil
