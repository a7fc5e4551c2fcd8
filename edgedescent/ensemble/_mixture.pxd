"""Mixture of the predictions of experts, weighted by their regret."""
from cpython.object cimport PyObject

from edgedescent.ensemble._aim cimport Aim
from edgedescent.ensemble._least_squares cimport LeastSquares
from edgedescent.ensemble._regret_weights cimport RegretWeights

cdef enum:
    STACKS_MAX = 4

cdef class Mixture:
    cdef readonly Py_ssize_t n_members
    cdef readonly Py_ssize_t n_experts
    cdef Aim aim
    cdef readonly tuple stacks
    cdef readonly tuple forgettings
    cdef PyObject* stack_pointers[STACKS_MAX]
    # Weights of the experts: the members, then the stacks.
    cdef readonly RegretWeights trust
    # Predictions of the experts.
    cdef double* predictions
    cdef double* z
    # Forgetting mean absolute errors of the experts.
    cdef double* errors
    cdef int* places
    cdef object arrays
    # Deviation of the changes of the label, mean absolute error, number of labels.
    cdef double change
    cdef double error
    cdef double count
    # Mixture that was made last, without and with the shift.
    cdef readonly double centre
    cdef double prediction
    # Shift of the experts to the quantile; 0 for other losses.
    cdef readonly double shift

    cdef double mix(self, double base, double lowest, double highest) noexcept nogil
    cdef void inherit(self, Py_ssize_t child, Py_ssize_t parent) noexcept nogil
    cdef void begin_anew(self, double factor) noexcept nogil
    cdef double known_error(self) noexcept nogil
    cdef void learn(self, double base, double y) noexcept nogil
