"""Weights of experts that follow their regret."""
from edgedescent.ensemble._aim cimport Aim

cdef enum:
    # Rules by which regrets are counted.
    RULES = 2

cdef class RegretWeights:
    cdef readonly Py_ssize_t n_experts
    # Weights of the experts, which the rules make together.
    cdef double* weights
    # Weights, regrets and sums of squared regrets of the experts under each rule.
    cdef double* rule_weights[RULES]
    cdef double* regrets[RULES]
    cdef double* squares[RULES]
    # The same of the rules themselves.
    cdef double trust[RULES]
    cdef double trust_regrets[RULES]
    cdef double trust_squares[RULES]
    # Predictions of the mixtures of the rules.
    cdef double mixed[RULES]
    cdef double forgetting
    cdef readonly object arrays

    cdef void weigh(self) noexcept nogil
    cdef double mix(self, const double* predictions) noexcept nogil
    cdef void learn(self, const double* predictions, Aim aim, double y, double centre, double prediction,
                    double scale) noexcept nogil
    cdef void inherit(self, Py_ssize_t child, Py_ssize_t parent) noexcept nogil
    cdef void forget(self, double kept) noexcept nogil

cdef double slope_of(Aim aim, double error, double scale) noexcept nogil
