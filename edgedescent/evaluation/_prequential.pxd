cdef enum:
    # Number of first events that are judged together.
    START = 32

cdef class Prequential:
    cdef long long n
    cdef double sum_absolute, sum_squared, sum_last, sum_mean, fading, fading_weight, fading_last
    cdef double last, mean
    # Of the scored targets: their mean, and the sum of their squared distances from it.
    cdef double target_mean, target_squares

    # Absurd targets that were not scored, and how many absurd ones came last, in a row.
    cdef readonly long long n_unscored
    cdef long long n_in_row
    # The first targets and their predictions.
    cdef int n_first
    cdef double[START] first_targets
    cdef double[START] first_predictions

    cpdef void update(self, double y, double prediction) noexcept
    cdef void score(self, double y, double prediction) noexcept nogil
    cdef bint is_absurd(self, double y) noexcept nogil
    cdef void add(self, double y, double prediction) noexcept nogil
    cdef void judge_start(self) noexcept nogil
