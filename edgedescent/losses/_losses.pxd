"""Losses as C functions of a target and a score, both in the units of the loss's `scaling`."""
from cpython.object cimport PyObject

# Conversion of targets to the units of the score, and of scores to predictions.
cdef enum Scaling:
    STANDARDIZED   # target (y - mean) / sd, prediction mean + sd score
    BY_MEAN        # target y / mean, prediction mean exp(score)
    AS_IS          # target y, prediction 1 / (1 + exp(-score))

cdef struct Loss:
    double (*value)(const Loss* loss, double target, double score) noexcept nogil
    # Derivative of the value with respect to the score.
    double (*slope)(const Loss* loss, double target, double score) noexcept nogil
    # Change of the score when it follows df/dt = -slope(f) for `time`.
    double (*travel)(const Loss* loss, double target, double score, double time) noexcept nogil
    Scaling scaling
    double hyper[2]
    # Adaptive losses: running mean (`scale`) of the clipped absolute errors, its parameters and number of errors.
    double rate_min
    double clip
    double scale
    double count
    # The Loss object, a borrowed reference that the owner of the struct keeps alive.
    PyObject* declared
    # Place for the first exception of a loss written in Python; the stepper's, which raises it.
    PyObject** error

cdef Loss make_loss(object declared, PyObject** error) except *
cdef int restore_loss(Loss* loss, double scale, double count) except -1
cdef void observe(Loss* loss, double target, double score) noexcept nogil
cdef double logistic(double score) noexcept nogil
