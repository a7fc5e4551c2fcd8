from libc.stdint cimport uint32_t, uint64_t

# One event of the window.
cdef struct SeenEvent:
    # Hash of its id, with its source.
    uint64_t key
    # Hash of what it says.
    uint64_t content

# Reference to an event.
cdef struct IndexEntry:
    # Lowest bits of the key, or of key ^ content for an event behind which another one with its key came.
    uint32_t hash
    # Its slot in the ring, see `reference_to`; one more if it is found by key and content.
    uint32_t reference

cdef class DedupWindow:
    cdef readonly Py_ssize_t window
    cdef readonly long long n_added
    cdef object array
    cdef SeenEvent* ring
    cdef object entries
    cdef IndexEntry* index
    cdef uint64_t mask

    cdef Py_ssize_t _find_newest(self, uint64_t key) noexcept nogil
    cdef Py_ssize_t _find_earlier(self, uint64_t key, uint64_t content) noexcept nogil
    cdef void _remove(self, Py_ssize_t place) noexcept nogil
    cdef void _forget(self, Py_ssize_t slot) noexcept nogil
    cdef bint _knows(self, uint64_t key) noexcept nogil
    cdef bint _holds(self, uint64_t key, uint64_t content) noexcept nogil
    cdef void _insert(self, Py_ssize_t slot, uint64_t key, uint64_t content) noexcept nogil
    cdef void _append(self, uint64_t key, uint64_t content) noexcept nogil
