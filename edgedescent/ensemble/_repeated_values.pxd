"""Values that come again, of features with few whole numbers, as inputs of their own."""
from edgedescent.features._encoder cimport EncodedEvent

cdef enum:
    # Values of all features together that can be inputs, and of an event. The input at place p has the slot -1 - p.
    VALUE_SLOTS = 128

cdef inline Py_ssize_t with_values(Py_ssize_t n) noexcept nogil:
    """Return the largest number of inputs of an event of `n` features, its values included."""
    return n + (n if n < VALUE_SLOTS else VALUE_SLOTS)

cdef class RepeatedValues:
    # Feature of each place, as its row of the encoder, 0 where it is free; and its value.
    cdef int rows[VALUE_SLOTS]
    cdef double values[VALUE_SLOTS]
    # Number of places that were ever taken.
    cdef readonly Py_ssize_t n_slots
    # For each row of the encoder: how often a value came again after another one, the place of the last value (1 for the
    # first place, 0 for none), its part (see `Part`), and how many places it has.
    cdef long long* returns
    cdef long long* last
    cdef long long* parts
    cdef long long* n_different
    cdef object tables
    cdef Py_ssize_t n_rows
    # Places that the last event took, and which of them had another value before.
    cdef Py_ssize_t n_new
    cdef int new_places[VALUE_SLOTS]
    cdef bint was_taken[VALUE_SLOTS]

    cdef int grow(self, Py_ssize_t rows) except -1
    cdef void forget_row(self, Py_ssize_t row) noexcept nogil
    cdef Py_ssize_t look_up(self, const EncodedEvent* event, const char* kinds, int* slots) noexcept nogil
    cdef void push(self, const EncodedEvent* event, const char* kinds) noexcept nogil
    cdef Py_ssize_t _place_of(self, Py_ssize_t row, double value) noexcept nogil
    cdef Py_ssize_t _take_place(self, Py_ssize_t row, double value) noexcept nogil
    cdef void _leave_out(self, Py_ssize_t row) noexcept nogil
