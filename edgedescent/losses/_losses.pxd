"""Losses as C functions of a target and a score, both in the units the loss works in."""
from cpython.object cimport PyObject

# How a target becomes what the loss compares with the score, and a score becomes a prediction.
cdef enum Scaling:
    STANDARDIZED   # target (y - mean) / sd, prediction mean + sd score
    BY_MEAN        # target y / mean, prediction mean exp(score)
    AS_IS          # target y, prediction 1 / (1 + exp(-score))

cdef struct Loss:
    double (*value)(const Loss* loss, double target, double score) noexcept nogil
    # The derivative of the value by the score.
    double (*slope)(const Loss* loss, double target, double score) noexcept nogil
    # How far the score goes in some time when it moves against the slope, which changes on the way.
    double (*travel)(const Loss* loss, double target, double score, double time) noexcept nogil
    Scaling scaling
    double hyper[2]
    # The running mean absolute error, clipped, which adaptive losses measure by, and how many errors it has seen.
    double rate_min
    double clip
    double scale
    double count
    # The loss itself, where it is written in Python; whoever holds the struct keeps it alive. What it raised is kept until
    # `take_error`.
    PyObject* declared
    PyObject* error

cdef Loss make_loss(object declared) except *
cdef void take_error(const Loss* loss, PyObject** error) noexcept nogil
cdef int restore_loss(Loss* loss, double scale, double count) except -1
cdef void observe(Loss* loss, double target, double score) noexcept nogil
cdef double logistic(double score) noexcept nogil
