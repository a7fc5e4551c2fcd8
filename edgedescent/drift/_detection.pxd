"""Run of a drift detector over a stream of numbers."""
from edgedescent.drift._rule cimport Rule

cdef class Detection:
    # The hyper-parameters.
    cdef readonly object detector
    cdef readonly bint drift_detected
    cdef Rule rule
    cdef Py_ssize_t n_numbers
    cdef object array
    cdef double* numbers

    cdef bint push(self, const double* values, Py_ssize_t n) except -1
    cdef int clear(self) except -1
