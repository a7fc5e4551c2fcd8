cdef class Prequential:
    cdef long long n
    cdef double sum_absolute, sum_squared, sum_last, sum_mean, fading, fading_weight, fading_last
    cdef double last, mean
    # Of the scored targets: their mean, and the sum of their squared distances from it.
    cdef double target_mean, target_squares

    cpdef void update(self, double y, double prediction) noexcept
    cdef void score(self, double y, double prediction) noexcept nogil
