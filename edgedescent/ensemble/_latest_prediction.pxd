"""Latest prediction of an ensemble, which holds until something is learned."""
from edgedescent.ensemble._inputs cimport InputBuffer
from edgedescent.ensemble._member cimport LabelScale

# All that the predictions of the members depend on beside their state and the inputs: the bounds on a prediction, the age of
# the last label, the number of labels that are hidden, and the place of the key.
cdef struct Circumstances:
    LabelScale scale
    double lowest
    double highest
    Py_ssize_t delay
    Py_ssize_t hidden
    Py_ssize_t key

cdef class LatestPrediction:
    cdef InputBuffer inputs
    cdef Circumstances circumstances
    # Whether nothing was learned since.
    cdef bint holds

    cdef bint is_of(self, InputBuffer inputs, const Circumstances* circumstances) noexcept nogil
    cdef void take(self, InputBuffer inputs, const Circumstances* circumstances) noexcept nogil
