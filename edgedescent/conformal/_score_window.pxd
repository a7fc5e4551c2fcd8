"""The latest scores, in order of arrival and sorted."""

cdef class ScoreWindow:
    cdef readonly Py_ssize_t size
    # Number of scores.
    cdef readonly Py_ssize_t n
    cdef Py_ssize_t next
    cdef double* ring
    # The same scores, ascending.
    cdef double* ordered
    cdef tuple arrays

    cdef Py_ssize_t n_below(self, double score) noexcept nogil
    cdef void push(self, double score) noexcept nogil
