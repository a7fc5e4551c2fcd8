"""The latest labels, and the lags and periods found in them."""
from edgedescent.ensemble._member cimport LabelScale

cdef enum:
    PERIOD_MAX = 700
    # Level, three differences, and three inputs of each of two periods.
    OWN_LAGS = 10

cdef class LabelHistory:
    # Ring of the latest labels; label number t is at t % size.
    cdef double* ring
    cdef Py_ssize_t size
    cdef readonly long long n
    # Number of events between the one whose label is the last and the one that is predicted, and number of the last
    # labels that are hidden, because they were not known when the event at hand was predicted.
    cdef public Py_ssize_t delay
    cdef Py_ssize_t hidden
    # Number of predictions behind the last label that stand in for labels which did not come.
    cdef readonly long long n_missing
    # Number of labels in the statistics.
    cdef long long n_followed
    # Forgetting mean absolute difference to the label of each lag.
    cdef double* differences
    cdef readonly Py_ssize_t period
    cdef readonly Py_ssize_t second_period
    cdef object arrays
    # Forgetting means and variances of the labels and of their changes.
    cdef readonly double mean
    cdef readonly double deviation
    cdef double change_mean
    cdef readonly double change
    cdef readonly double fast_mean
    cdef readonly double slow_mean
    cdef readonly double lowest
    cdef readonly double highest

    cdef LabelScale scale(self) noexcept nogil
    cdef double back(self, Py_ssize_t lag) noexcept nogil
    cdef bint has(self, Py_ssize_t lag) noexcept nogil
    cdef void _follow_differences(self, double y, Py_ssize_t first, Py_ssize_t stop) noexcept nogil
    cdef void hide(self, bint late) noexcept nogil
    cdef Py_ssize_t season(self, Py_ssize_t number) noexcept nogil
    cdef double recent_mean(self, bint slow) noexcept nogil
    cdef void lags(self, double* z) noexcept nogil
    cdef void put_back(self, double y) noexcept nogil
    cdef void push(self, double y) noexcept nogil
    cdef void follow_change(self, double mean, double deviation, Py_ssize_t n_labels) noexcept nogil
    cdef void append(self, double y) noexcept nogil
    cdef void stand_in(self, double y) noexcept nogil
    cdef void _find_periods(self) noexcept nogil
    cdef double _difference(self, Py_ssize_t k) noexcept nogil
    cdef double bounded(self, double prediction) noexcept nogil
