"""Recursive least squares with exponential forgetting."""
from edgedescent.optim._covariance cimport CovarianceMatrix

cdef class LeastSquares:
    cdef readonly CovarianceMatrix covariance
    cdef double forgetting
    cdef double clip
    # Number of parameters, and for how many there is room.
    cdef readonly Py_ssize_t size
    cdef Py_ssize_t capacity
    cdef double* w
    # Variances and weights.
    cdef list arrays
    # Mean absolute error, and number of steps.
    cdef double scale
    cdef double count
    # Forgetting mean number of errors that were clipped.
    cdef double clipped
    cdef readonly long long n_restarts

    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef void start(self, Py_ssize_t at) noexcept nogil
    cdef void reopen(self, Py_ssize_t at) noexcept nogil
    cdef void forget_scale(self) noexcept nogil
    cdef void rescale(self, double factor, double shift, Py_ssize_t intercept) noexcept nogil
    cdef double predict(self, const int* places, const double* z, Py_ssize_t n) noexcept nogil
    cdef void _move(self, Py_ssize_t at, double z, double step) noexcept nogil
    cdef void learn(self, const int* places, const double* z, Py_ssize_t n, double target) noexcept nogil
