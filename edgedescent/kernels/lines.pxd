# One feature of an event in JSON: where its name stands, and its number.
cdef struct Field:
    const char* name
    Py_ssize_t length
    double number

cdef class LineReader:
    cdef Field* fields
    cdef Py_ssize_t room
    # What the line at hand says.
    cdef Py_ssize_t n
    cdef double target

    cdef bint read(self, const char* at, const char* end) except -1
    cdef const char* _features(self, const char* at, const char* end) except? NULL
    cdef int _grow(self) except -1
