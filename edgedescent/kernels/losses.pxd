"""Losses as C functions of a target and a prediction, both in standardized units."""

cdef struct Loss:
    double (*gradient)(Loss* loss, double target, double prediction) noexcept nogil
    double hyper[2]
    # The running mean absolute error, which adaptive losses measure by, and how many errors it has seen.
    double scale
    double count

cdef Loss make_loss(str name, tuple hyper) except *
cdef int restore_loss(Loss* loss, double scale, double count) except -1
