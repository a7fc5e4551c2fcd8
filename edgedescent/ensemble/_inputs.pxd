"""Inputs of the members of an ensemble: the own lags of the label, an intercept and the standardized features."""
from edgedescent.features._encoder cimport EncodedEvent

# One event as the members take it. The first `n_lags` slots are the lags, slot `n_lags` is the intercept, and slot
# ``n_lags + row`` is the feature of that row of the encoder. The lags and the intercept are always there, in this order.
# Slots below 0 are values that come again; they come last, from input `n_plain` on, and only some members take them.
cdef struct Inputs:
    Py_ssize_t n
    Py_ssize_t n_plain
    int* slots
    float* z
    # The same in double precision, for least squares.
    double* exact

cdef class InputBuffer:
    cdef Inputs inputs
    cdef Py_ssize_t n_lags
    cdef Py_ssize_t room
    cdef object arrays

    cdef int make_room(self, Py_ssize_t n) except -1
    cdef void fill(self, const double* lags, const EncodedEvent* event) noexcept nogil
    cdef bint equals(self, InputBuffer other) noexcept nogil
    cdef void copy(self, InputBuffer other) noexcept nogil
    cdef void add_values(self, Py_ssize_t n) noexcept nogil

cdef Inputs without_values(const Inputs* inputs) noexcept nogil
