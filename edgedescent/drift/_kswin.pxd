from edgedescent.drift._rule cimport Rule

cdef bint kswin(const Rule* rule, double* numbers, double x) noexcept nogil
cdef bint kswin_is_valid(const Rule* rule, const double* numbers) noexcept nogil
cdef double kswin_critical(double alpha, Py_ssize_t n) noexcept nogil
