from edgedescent.kernels.rules cimport Rule

cdef class ParameterTable:
    cdef Rule rule
    cdef readonly Py_ssize_t rows
    cdef readonly Py_ssize_t width
    cdef double* w
    cdef readonly list arrays

    cdef int grow(self, Py_ssize_t rows) except -1
    cdef void clear_row(self, Py_ssize_t row) noexcept nogil
    cdef void step(self, Py_ssize_t row, Py_ssize_t n_rows, const double* g) noexcept nogil
