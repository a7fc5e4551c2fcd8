"""Last labels by the value of a feature, such as a site, a sensor or an hour."""
from edgedescent.features._encoder cimport EncodedEvent

cdef enum:
    # Features of an event that are tried as keys, and values that are remembered in all.
    KEYS_MAX = 16
    PLACES_LOG2 = 11
    PLACES = 2048
    # Places in a row that a value may have.
    WAYS = 4
    KEY_LAGS = 2

cdef class KeyedLabels:
    # For each place the row of a feature, 0 for none, its value, and the last two labels with it.
    cdef long long* features
    cdef double* values
    # Number of the label that was stored there last.
    cdef long long* stored_at
    cdef long long n_stored
    cdef double* labels
    cdef double* before
    # For each row of the encoder: events, share of them whose value was known, gain over the last label.
    cdef double* seen
    cdef double* known
    cdef double* gain
    cdef Py_ssize_t rows
    cdef list tables
    cdef list row_tables
    # Place of the value whose last label is used for an event, -1 for none.
    cdef Py_ssize_t place
    # Whether that label was not known when the event was predicted.
    cdef bint is_late

    cdef int grow(self, Py_ssize_t rows) except -1
    cdef void start_row(self, Py_ssize_t row) noexcept nogil
    cdef void forget_labels(self) noexcept nogil
    cdef void forget_row(self, Py_ssize_t row) noexcept nogil
    cdef Py_ssize_t _find(self, Py_ssize_t row, double value) noexcept nogil
    cdef Py_ssize_t _free(self, Py_ssize_t row, double value) noexcept nogil
    cdef void look_up(self, const EncodedEvent* event, Py_ssize_t hidden) noexcept nogil
    cdef bint _is_late(self, Py_ssize_t place, Py_ssize_t hidden) noexcept nogil
    cdef double last(self, double otherwise) noexcept nogil
    cdef void lags(self, double* z, double base, double deviation, double change) noexcept nogil
    cdef void push(self, const EncodedEvent* event, double y, double base, double deviation, Py_ssize_t delay) noexcept nogil
