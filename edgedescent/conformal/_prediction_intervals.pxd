"""Prediction intervals by adaptive conformal inference."""

from edgedescent.conformal._error_scale cimport ErrorScale
from edgedescent.conformal._miscoverage cimport Miscoverage
from edgedescent.conformal._score_window cimport ScoreWindow

cdef enum:
    LEVELS_MAX = 16

cdef class PredictionIntervals:
    cdef readonly tuple levels
    cdef readonly ErrorScale scale
    cdef readonly ScoreWindow window
    cdef tuple miscoverages
    cdef int n_levels
    cdef bint started
    # Number of intervals that were scored.
    cdef readonly long long n_scored
    cdef double[LEVELS_MAX] n_covered
    # Forgetting share of those that covered their target, and the sum of its weights.
    cdef double[LEVELS_MAX] fading
    cdef double fading_weight

    cdef int place_of(self, double level) except -1
    cdef double half_width(self, int place, double prediction) noexcept
    cdef void learn(self, double y, double prediction) noexcept
