"""Rate at which an average of iterates follows them, adapted to the stream."""

cdef class AverageRate:
    cdef readonly double rate
    # Mean sizes of the slope and of the distance, and the number of events.
    cdef readonly double slope
    cdef readonly double distance
    cdef readonly long long count

    cdef void observe(self, double slope, double distance) noexcept nogil
