"""Watch over one quantity: its scale, its history and a detector."""
from edgedescent.drift._detection cimport Detection
from edgedescent.drift._history cimport Change, History

cdef enum:
    # Number of values from which the scale is taken, and that can wait at most.
    START = 64

cdef struct WatchNumbers:
    # All doubles, as they are saved: the number of values since the last alarm that were taken in, and their center and
    # scale; then those that wait to be, with the numbers of their events.
    double n
    double center
    double scale
    double n_waiting
    double[64] values
    double[64] events
    History history

cdef class Watch:
    # Name of the input; None for the error.
    cdef readonly str name
    cdef readonly Detection detection
    cdef WatchNumbers numbers
    # Number of values that are taken in together: the detector gives no alarm between them.
    cdef Py_ssize_t block
    # Where an encoder has the input: its row, and its place in the event before.
    cdef Py_ssize_t row
    cdef Py_ssize_t place

    cdef bint take(self, double value, double number) except -1
    cdef bint _take_in(self) except -1
    cdef Change change(self) noexcept
    cdef int start_anew(self) except -1
