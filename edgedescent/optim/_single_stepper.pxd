"""Optimizer step over tables in single precision."""
from edgedescent.optim._single_table cimport Single
from edgedescent.optim._stepper cimport Stepper

# Gradient of some rows of parameters: g[0 : n] belongs to w[at : at + n].
cdef struct SinglePiece:
    Single* table
    Py_ssize_t at
    Py_ssize_t n
    float* g
    # True if penalties and weight decay apply.
    bint penalized

cdef class SingleStepper(Stepper):
    cdef SinglePiece* singles
    cdef Py_ssize_t n_singles
    cdef Py_ssize_t singles_room
    # Sum of the squares of all gradients that were added, and the factor that bounds its root.
    cdef double square_sum
    cdef double shrink
    # Scratch for the weights, the gradient and the slots of a piece in double precision.
    cdef object wide_array
    cdef double* wide
    cdef Py_ssize_t longest

    cdef int make_single_room(self, Py_ssize_t pieces, Py_ssize_t longest) except -1
    cdef void add_rows(self, Single* table, Py_ssize_t at, Py_ssize_t n, float* g, double scale, double decay,
                       bint penalized) noexcept nogil
    cdef void _step_adam(self, const SinglePiece* piece) noexcept nogil
    cdef void _step_wide(self, const SinglePiece* piece, bint prepares) noexcept nogil
    cdef void _penalize(self, const SinglePiece* piece) noexcept nogil
    cdef void _average(self, const SinglePiece* piece) noexcept nogil
