from libc.stdint cimport int64_t, uint64_t

cdef class DedupWindow:
    cdef readonly Py_ssize_t window
    cdef readonly long long n_added
    cdef uint64_t[::1] ring
    cdef int64_t[::1] index
    cdef uint64_t mask

    cdef Py_ssize_t _find(self, uint64_t word) noexcept nogil
    cdef void _forget(self, Py_ssize_t place) noexcept nogil
    cdef bint _holds(self, uint64_t word) noexcept nogil
    cdef bint _add(self, uint64_t word) noexcept nogil
    cpdef bint add(self, str key) except? False
