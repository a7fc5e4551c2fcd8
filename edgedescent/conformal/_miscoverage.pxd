"""Adaptive miscoverage level of one kind of prediction intervals: DtACI."""

cdef enum:
    EXPERTS = 8

cdef class Miscoverage:
    # Share of the targets that shall lie outside of their intervals.
    cdef readonly double target
    cdef double eta
    cdef double[EXPERTS] alphas
    # Weights of the experts; their sum is 1.
    cdef double[EXPERTS] weights

    cdef double level(self) noexcept nogil
    cdef void update(self, double beta) noexcept nogil
