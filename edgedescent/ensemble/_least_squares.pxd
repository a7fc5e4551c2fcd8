"""Recursive least squares with forgetting."""

cdef class LeastSquares:
    cdef readonly Py_ssize_t dense_max
    cdef double forgetting
    cdef double prior
    # Number of parameters, of those in the matrix, and the length of a row of the matrix.
    cdef readonly Py_ssize_t size
    cdef Py_ssize_t dense
    cdef Py_ssize_t stride
    cdef Py_ssize_t capacity
    # Inverse correlation of the parameters in the matrix, variances of the others, and weights of all.
    cdef double* p
    cdef double* variance
    cdef double* w
    cdef double* gain
    cdef object arrays
    # Mean absolute error, and number of steps.
    cdef double scale
    cdef double count
    cdef readonly long long n_restarts

    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef void start(self, Py_ssize_t at) noexcept nogil
    cdef double predict(self, const int* places, const double* z, Py_ssize_t n) noexcept nogil
    cdef void learn(self, const int* places, const double* z, Py_ssize_t n, double target) noexcept nogil
    cdef void _restart_matrix(self) noexcept nogil
    cdef void _forget(self) noexcept nogil
