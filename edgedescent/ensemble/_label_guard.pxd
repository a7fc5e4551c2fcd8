"""Guard against outlying labels."""
cdef enum:
    SIZES = 9

cdef class LabelGuard:
    # For each size of outlier, forgetting losses of the label as it came and of the prediction, as forecasts of the next.
    cdef double losses[SIZES][2]
    # Size of the label that was observed last, -1 for an ordinary one; the label as it came, and its prediction.
    cdef int size
    cdef double raw
    cdef double prediction
    # True if it is replaced, and if the one before it was but should not have been.
    cdef bint is_replaced
    cdef bint puts_back
    # The label before it, as it came.
    cdef double before
    cdef double limit
    # Number of outlying labels in a row.
    cdef long long run
    cdef readonly long long n_replaced

    cdef void _judge(self, double y) noexcept nogil
    cdef void observe(self, double y, double prediction, double scale) noexcept nogil
    cdef double label(self) noexcept nogil
    cdef double lag(self) noexcept nogil
