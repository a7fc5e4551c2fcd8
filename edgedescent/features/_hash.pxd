from libc.stdint cimport uint64_t

cdef uint64_t siphash(const unsigned char* data, Py_ssize_t n) noexcept nogil
cdef uint64_t hash_text(str text) except? 0
