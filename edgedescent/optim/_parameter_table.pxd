from edgedescent.optim._rules cimport Context, Rule

# The part of a table that the arithmetic needs, free of the interpreter.
cdef struct Table:
    double* w
    # The parameters that predict: the average of the iterates where it is kept, else `w` itself.
    double* serving
    # How many steps each parameter's average has taken in; NULL where no average is kept.
    double* averaged
    Py_ssize_t width
    Rule rule

cdef class ParameterTable:
    cdef Table table
    cdef readonly Py_ssize_t rows
    cdef readonly Py_ssize_t width
    cdef readonly bint averages
    cdef readonly list arrays
    cdef object _optimizer

    cdef int grow(self, Py_ssize_t rows) except -1
    cdef void clear_row(self, Py_ssize_t row) noexcept nogil
