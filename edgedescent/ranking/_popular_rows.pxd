"""Rows of the most popular items, and all scores of popularity, as of their last renewal."""
from edgedescent.ranking._decayed_counts cimport DecayedCounts

cdef class PopularRows:
    cdef readonly Py_ssize_t n_max
    cdef Py_ssize_t rows
    # Score by row as of the last renewal; ABSENT of rows that were new since.
    cdef float* scores
    # Rows of the highest scores, best first.
    cdef int* listed
    cdef Py_ssize_t n_listed
    cdef object scores_array
    cdef object listed_array

    cdef int make_room(self, Py_ssize_t rows) except -1
    cdef bint is_due(self, Py_ssize_t rows, long long now) noexcept nogil
    cdef int renew(self, DecayedCounts counts, const float* weights, Py_ssize_t rows) except -1
    cdef int _list(self, Py_ssize_t rows) except -1
