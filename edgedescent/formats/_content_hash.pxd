from libc.stdint cimport uint64_t

from edgedescent.numerics._fast_hash cimport hash_number, mixed, word_of_bytes

cdef enum:
    # In place of the word of a name.
    LABEL = 1

cdef inline uint64_t label_hash(double y) noexcept nogil:
    return hash_number(LABEL, y)

cdef inline uint64_t ascii_id_hash(const char* at, Py_ssize_t n) noexcept nogil:
    return mixed(word_of_bytes(<const unsigned char*>at, n))

cdef uint64_t text_hash(str text) except? 0
cdef uint64_t id_hash_of(object id) except? 0
cdef uint64_t event_hash(object event, double target) except? 0
