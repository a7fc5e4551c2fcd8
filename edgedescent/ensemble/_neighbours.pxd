"""Nearest neighbours among the latest events."""
from edgedescent.ensemble._inputs cimport Inputs
from edgedescent.ensemble._member cimport Member

cdef enum:
    NEIGHBOURS_MAX = 32

cdef class Neighbours(Member):
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t k
    cdef readonly Py_ssize_t width
    # Number of inputs that can differ from 0, a multiple of the lanes of the distance.
    cdef Py_ssize_t used
    cdef float* columns
    cdef double* changes
    cdef double* labels
    cdef float* query
    cdef float* distances
    cdef long long n_pushed
    cdef object arrays

    cdef void _lay_out(self, const Inputs* inputs) noexcept nogil
