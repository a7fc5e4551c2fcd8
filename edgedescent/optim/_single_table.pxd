"""Table of model parameters in single precision."""
from edgedescent.optim._rules cimport Rule, SLOTS_MAX

# Pointers and sizes of a table, as the step functions use them without the GIL.
cdef struct Single:
    float* w
    # Parameters used for predictions: the averaged iterates with iterate averaging, else `w`.
    float* serving
    Py_ssize_t width
    Rule rule
    # True for Adam, whose steps need no double precision. Its slots are then its two averages.
    bint is_adam
    float* slot[SLOTS_MAX]
    int n_slots
    # One number for each row, as its parameters are always stepped together: Adam's bias corrections, and the number of
    # steps in the average.
    double* correction1
    double* correction2
    double* averaged

cdef class SingleTable:
    cdef Single table
    cdef readonly Py_ssize_t rows
    cdef readonly Py_ssize_t width
    cdef bint averages
    cdef list arrays
    cdef list ages
    cdef object _optimizer

    cdef int grow(self, Py_ssize_t rows) except -1
    cdef void clear_row(self, Py_ssize_t row) noexcept nogil

cdef inline void set_weight(Single* table, Py_ssize_t at, double value) noexcept nogil:
    """Set a weight and its average, and reset its slots."""
    cdef int s
    table.w[at] = table.serving[at] = <float>value
    for s in range(table.n_slots):
        table.slot[s][at] = 0.0
