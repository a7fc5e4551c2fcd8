"""Forgetting scale of absolute errors, by the size of the prediction."""

cdef enum:
    KNOTS = 9
    # Errors seen, their mean, the largest, center and variance of the predictions, and the factors.
    SCALE_VALUES = 5 + KNOTS

cdef class ErrorScale:
    cdef readonly long long n
    cdef double mean
    # Largest of the latest errors, which is forgotten too.
    cdef readonly double largest
    cdef double center
    cdef double variance
    cdef double[KNOTS] factors

    cdef double locate(self, double prediction, int* knot) noexcept nogil
    cdef double at(self, double prediction) noexcept nogil
    cdef void update(self, double prediction, double error) noexcept nogil
