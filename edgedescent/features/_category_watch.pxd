"""Watch over features whose categories never come again."""
from edgedescent.features._vocabulary cimport Vocabulary

cdef class Watched:
    # New categories since the last look, the event from which on they count, whether the feature is left out, and by
    # which factor the patience with it is longer.
    cdef long long n
    cdef long long since
    cdef bint left_out
    cdef long long factor

cdef class CategoryWatch:
    # A `Watched` for each feature, in the order in which they came.
    cdef dict watched
    cdef Py_ssize_t patience
    # How many categories of features that are left out got no row.
    cdef readonly long long n_left_out

    cdef bint admits(self, str feature, bint came_before, Vocabulary vocabulary, const char* kinds,
                     long long now) except -1
    cdef int _make_room(self) except -1
