"""Whether replayed events still agree with new ones."""

cdef enum:
    # Number of newest events that are kept once older ones no longer agree, and of events before that is judged.
    KEPT = 40
    JUDGED_AFTER = 100

cdef class Agreement:
    # Mean absolute errors: of new events of late and as a rule, and of replayed events.
    cdef readonly double recent
    cdef readonly double usual
    cdef readonly double replayed
    # Number of events since the beginning, or since older events were let go.
    cdef readonly long long count
    cdef readonly long long n_let_go

    cdef void copy(self, Agreement other) noexcept nogil
    cdef void observe_new(self, double error) noexcept nogil
    cdef void observe_replayed(self, double error) noexcept nogil
    cdef bint let_go(self) noexcept nogil
