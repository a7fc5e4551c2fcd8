# One feature of an event in JSON: where its name stands, and its number.
cdef struct Field:
    const char* name
    Py_ssize_t length
    double number

cdef class JsonParser:
    cdef Field* fields
    cdef Py_ssize_t room
    # The event at hand; its fields begin at `first`.
    cdef Py_ssize_t first
    cdef Py_ssize_t n
    cdef bint has_target
    cdef double target
    # True if the target is true or false.
    cdef bint is_bool
    # NULL if it has none.
    cdef const char* id
    cdef Py_ssize_t id_length

    cdef bint parse(self, const char* at, const char* end) except -1
    cdef const char* parse_next(self, const char* at, const char* end) except? NULL
    cdef const char* _parse_features(self, const char* at, const char* end) except? NULL
    cdef int _grow(self) except -1
    cdef void shrink(self) noexcept

cdef const char* skip_blank(const char* at, const char* end) noexcept nogil
cdef const char* after_number(const char* at, const char* end, double* value) except? NULL
