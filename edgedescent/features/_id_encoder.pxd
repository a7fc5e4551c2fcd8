"""The encoder of ratings: the ids of a user and an item as rows of tables."""
from cython cimport final
from libc.stdint cimport uint64_t

from edgedescent.features._user_history cimport UserHistory
from edgedescent.features._vocabulary cimport Vocabulary
from edgedescent.features._withdrawn_items cimport WithdrawnItems

# One rating as rows: 0 for an id without a row of its own. It is scratch, not state.
cdef struct EncodedPair:
    Py_ssize_t user
    Py_ssize_t item
    # Whether the id had no row before.
    bint new_user
    bint new_item

cdef str as_id(str role, object value)

@final
cdef class IdEncoder:
    cdef readonly Vocabulary users
    cdef readonly Vocabulary items
    cdef readonly UserHistory seen
    cdef readonly WithdrawnItems withdrawn
    cdef readonly long long n_events
    # The rating at hand, its ids, and whether their rows are new: the models must give them their first values.
    cdef EncodedPair pair
    cdef str user
    cdef str item
    cdef bint starts_user
    cdef bint starts_item

    cdef int read(self, str user, str item) except -1
    cdef int settle(self) except -1
    cdef uint64_t user_hash(self) except? 0
    cdef uint64_t item_hash(self) except? 0
