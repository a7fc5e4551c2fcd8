from edgedescent.drift._rule cimport Rule

cdef bint page_hinkley(const Rule* rule, double* numbers, double x) noexcept nogil
cdef bint page_hinkley_is_valid(const Rule* rule, const double* numbers) noexcept nogil
