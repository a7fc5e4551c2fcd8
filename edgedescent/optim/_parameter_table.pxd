from edgedescent.optim._covariance cimport CovarianceMatrix
from edgedescent.optim._rules cimport Rule

# Pointers and sizes of a table, as the step functions use them without the GIL.
cdef struct Table:
    double* w
    # Parameters used for predictions: the averaged iterates with iterate averaging, else `w`.
    double* serving
    # Number of steps in each parameter's average; NULL without iterate averaging.
    double* averaged
    Py_ssize_t width
    Rule rule

cdef class ParameterTable:
    cdef Table table
    cdef readonly Py_ssize_t rows
    cdef readonly Py_ssize_t width
    cdef readonly bint averages
    cdef readonly list arrays
    # None for a rule without a covariance.
    cdef readonly CovarianceMatrix covariance
    cdef object _optimizer
    # False for rules whose slots hold more than the history of steps.
    cdef bint reopens

    cdef int grow(self, Py_ssize_t rows) except -1
    cdef void clear_row(self, Py_ssize_t row) noexcept nogil
    cdef void reopen_row(self, Py_ssize_t row) noexcept nogil
    cdef void _forget_steps(self, Py_ssize_t row) noexcept nogil
