# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The derivative of each loss by the prediction; equations and sources stand in ``edgedescent.losses``."""


cdef double squared(Loss* loss, double target, double prediction) noexcept nogil:
    return prediction - target


cdef double adaptive_huber(Loss* loss, double target, double prediction) noexcept nogil:
    cdef double error = prediction - target
    cdef double limit = loss.hyper[0] * loss.scale
    cdef double rate
    if error > limit:
        error = limit
    elif error < -limit:
        error = -limit
    # The scale starts as if one error of 1, that of predicting the mean, had been seen. It learns from the clipped
    # error, so that one absurd target cannot raise it by more than a fixed factor.
    loss.count += 1.0
    rate = 1.0 / (loss.count + 1.0)
    if rate < loss.hyper[1]:
        rate = loss.hyper[1]
    loss.scale += rate * ((error if error >= 0.0 else -error) - loss.scale)
    # Months of a target that never changes would bring the scale so near to 0 that no error could raise it again.
    if loss.scale < 0.01:
        loss.scale = 0.01
    return error


cdef Loss make_loss(str name, tuple hyper) except *:
    cdef Loss loss
    cdef int i
    if name == "squared":
        loss.gradient = squared
    elif name == "adaptive_huber":
        loss.gradient = adaptive_huber
    else:
        raise ValueError(f"There is no compiled loss named {name!r}.")
    for i in range(2):
        loss.hyper[i] = hyper[i] if i < len(hyper) else 0.0
    loss.scale = 1.0
    loss.count = 0.0
    return loss


cdef int restore_loss(Loss* loss, double scale, double count) except -1:
    if scale < 0.0 or count < 0.0:
        raise ValueError(f"The state's loss must have a scale and a count >= 0. Got {scale} and {count}.")
    loss.scale, loss.count = scale, count
    return 0


def gradients(str name, tuple hyper, double[::1] targets, double[::1] predictions):
    """The gradients of a sequence of (target, prediction) pairs, an adaptive loss adapting as it goes."""
    cdef Loss loss = make_loss(name, hyper)
    cdef Py_ssize_t i
    if targets.shape[0] != predictions.shape[0]:
        raise ValueError(f"{targets.shape[0]} targets do not pair with {predictions.shape[0]} predictions.")
    return [loss.gradient(&loss, targets[i], predictions[i]) for i in range(targets.shape[0])]
