from edgedescent.drift._rule cimport Rule

cdef bint adwin(const Rule* rule, double* numbers, const double* values, Py_ssize_t n) noexcept nogil
cdef bint adwin_is_valid(const Rule* rule, const double* numbers) noexcept nogil
