"""Nearest neighbours among the latest events."""
from edgedescent.ensemble._inputs cimport Inputs

cdef enum:
    NEIGHBOURS_MAX = 32

cdef class Neighbours:
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t k
    cdef readonly Py_ssize_t width
    cdef float* ring
    cdef double* changes
    cdef double* labels
    cdef float* query
    cdef float* distances
    cdef long long n_pushed
    cdef object arrays

    cdef void predict(self, const Inputs* inputs, double base, double* by_change, double* by_label) noexcept nogil
    cdef void push(self, const Inputs* inputs, double base, double label) noexcept nogil
    cdef void forget_slot(self, Py_ssize_t slot) noexcept nogil
    cdef void _lay_out(self, const Inputs* inputs) noexcept nogil
