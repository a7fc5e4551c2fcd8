from libc.stdint cimport uint64_t

from edgedescent.features._encoder cimport Encoder

cdef class EventCursor:
    cdef readonly bint is_array
    cdef readonly list rejected
    # The event at hand.
    cdef readonly Py_ssize_t index
    cdef bint is_raw
    cdef bint has_target
    cdef bint has_id
    cdef double target
    # Prediction of the event at hand that was made earlier, which is scored instead of a new one; NaN for none.
    cdef double earlier
    # The event as an object, or the error that tells why it is none; None until it is asked for.
    cdef object item

    cdef void close(self) noexcept
    cdef bint next(self) except -1
    cdef uint64_t id_hash(self) except? 0
    cdef uint64_t content_hash(self) except? 0
    cdef object id(self)
    cdef object label(self)
    cdef bint encode(self, Encoder encoder) except -1
    cdef object decode(self)
    cdef bytes text(self)
    cdef object event(self)
    cdef bytes payload(self, bytes message, object format)

cdef class Piece(EventCursor):
    cdef readonly list events
    cdef Py_ssize_t place
    # Of the event at hand.
    cdef object item_y
    cdef object item_id
