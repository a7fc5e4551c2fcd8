"""Weights of features in the choice among items, which depend on a context."""

cdef enum:
    FEATURES_MAX = 24

cdef struct Candidate:
    float features[FEATURES_MAX]

cdef class ChoiceWeights:
    cdef readonly Py_ssize_t n_contexts
    cdef readonly Py_ssize_t n_features
    cdef readonly double rate
    cdef double* w
    cdef double* squares
    cdef double* slope
    cdef list arrays

    cdef void combine(self, const double* context, float* weights) noexcept nogil
    cdef void learn(self, const double* context, const Candidate* candidates, double* scores, Py_ssize_t n,
                    double weight) noexcept nogil
