from libc.stdint cimport int64_t, uint64_t

cdef enum:
    COPIES_WINDOW = 16

cdef class CopyWindow:
    cdef uint64_t[COPIES_WINDOW] words
    cdef int64_t[COPIES_WINDOW] numbers
    cdef int64_t[COPIES_WINDOW] firsts
    cdef int64_t n_added, numbered_at

    cdef bint _note(self, uint64_t word, tuple subscriptions) except -1
    cdef int64_t _find(self, uint64_t word, int64_t number) noexcept nogil
    cdef void _clear(self) noexcept nogil
