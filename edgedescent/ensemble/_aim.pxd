"""Loss of an ensemble: what its mixtures and its trees minimize."""

cdef enum Kind:
    ABSOLUTE
    SQUARED
    QUANTILE

# The loss, and the share of labels below the prediction: 0.5 but for a quantile.
cdef struct Aim:
    Kind kind
    double q

cdef Aim make_aim(object loss) except *
