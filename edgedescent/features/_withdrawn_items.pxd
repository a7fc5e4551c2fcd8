"""Items that are not to be recommended."""
from cython cimport final

from edgedescent.features._vocabulary cimport Vocabulary

@final
cdef class WithdrawnItems:
    cdef Vocabulary items
    # Keys in the order of withdrawal.
    cdef dict ids
    # By row of the items, 1 for a withdrawn one.
    cdef object flags_array
    cdef char* flags
    cdef Py_ssize_t rows

    cdef int _make(self, Py_ssize_t rows) except -1
    cdef bint holds(self, str item) except -1
    cdef int start_row(self, Py_ssize_t row, str item) except -1
    cdef void mark(self, char* rows, Py_ssize_t n) noexcept nogil
