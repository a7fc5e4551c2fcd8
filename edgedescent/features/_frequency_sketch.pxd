"""Count-min sketch of the names that came lately."""
from libc.stdint cimport uint64_t

cdef class FrequencySketch:
    # The counters of all hash functions, one after the other; empty until the first name is added.
    cdef unsigned char* counters
    cdef readonly object counters_array
    cdef readonly Py_ssize_t width
    # Names added since the counters were last halved.
    cdef readonly long long n_added

    cdef int estimate(self, uint64_t word) noexcept nogil
    cdef int add(self, uint64_t word) except -1
