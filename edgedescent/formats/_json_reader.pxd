from edgedescent.formats._cursor cimport EventCursor
from edgedescent.formats._json_parser cimport JsonParser

# One event of a message: where it stands, where its fields begin, and what else it says.
cdef struct SimpleEvent:
    const char* start
    const char* end
    const char* id
    Py_ssize_t id_length
    Py_ssize_t first
    Py_ssize_t n
    double target

cdef class JsonCursor(EventCursor):
    cdef object format
    cdef JsonParser parser
    # True once the event at hand is in an encoder.
    cdef bint is_encoded

cdef class JsonReader(JsonCursor):
    cdef bytes message
    cdef Py_ssize_t bytes_max
    cdef Py_ssize_t events_max
    cdef SimpleEvent* events
    cdef Py_ssize_t room
    cdef Py_ssize_t n
    cdef Py_ssize_t place

    cdef const char* _read_array(self, const char* at, const char* end) except? NULL
    cdef const char* _read_event(self, const char* at, const char* end) except? NULL
    cdef int _grow(self) except -1

cdef class JsonLines(JsonCursor):
    cdef const unsigned char[::1] memory
    cdef const char* start
    cdef const char* end
    cdef const char* stop
    # Number of the line at hand, from 1.
    cdef Py_ssize_t number

    cdef Py_ssize_t count_lines(self)
