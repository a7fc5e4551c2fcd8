"""Watch over one quantity: its scale, its history and a detector."""
from edgedescent.drift._detection cimport Detection
from edgedescent.drift._history cimport Change, History

cdef enum:
    # Number of values from which the scale is taken.
    START = 64

cdef struct WatchNumbers:
    # All doubles, as they are saved: values since the last alarm, their center and scale, and the first ones.
    double n
    double center
    double scale
    double[64] first
    History history

cdef class Watch:
    # Name of the input; None for the error.
    cdef readonly str name
    cdef readonly Detection detection
    cdef WatchNumbers numbers
    # Where an encoder has the input: its row, and its place in the event before.
    cdef Py_ssize_t row
    cdef Py_ssize_t place

    cdef bint take(self, double value, double number) except -1
    cdef Change change(self) noexcept
    cdef int start_anew(self) except -1
