cdef class Prequential:
    cdef long long n
    cdef double sum_absolute, sum_squared, sum_last, sum_mean, fading, fading_weight, fading_last
    cdef double last, mean

    cpdef void update(self, double y, double prediction) noexcept
