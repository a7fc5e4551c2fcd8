# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Value and derivative of each loss; equations and sources stand in ``edgedescent.losses``."""
from libc.math cimport exp, fabs, log1p, tanh


cdef inline double clipped(double error, double limit) noexcept nogil:
    error = error if error < limit else limit
    return error if error > -limit else -limit


cdef inline double huber_value(double error, double limit) noexcept nogil:
    cdef double size = fabs(error)
    return 0.5 * error * error if size <= limit else limit * (size - 0.5 * limit)


cdef double logistic(double score) noexcept nogil:
    if score >= 0.0:
        return 1.0 / (1.0 + exp(-score))
    score = exp(score)
    return score / (1.0 + score)


cdef double error_residual(const Loss* loss, double target, double score) noexcept nogil:
    return score - target


cdef double squared_value(const Loss* loss, double target, double score) noexcept nogil:
    return 0.5 * (score - target) * (score - target)


cdef double squared_slope(const Loss* loss, double target, double score) noexcept nogil:
    return score - target


cdef double absolute_value(const Loss* loss, double target, double score) noexcept nogil:
    return fabs(score - target)


cdef double absolute_slope(const Loss* loss, double target, double score) noexcept nogil:
    return 1.0 if score > target else (-1.0 if score < target else 0.0)


cdef double huber_loss_value(const Loss* loss, double target, double score) noexcept nogil:
    return huber_value(score - target, loss.hyper[0])


cdef double huber_slope(const Loss* loss, double target, double score) noexcept nogil:
    return clipped(score - target, loss.hyper[0])


cdef double adaptive_huber_value(const Loss* loss, double target, double score) noexcept nogil:
    return huber_value(score - target, loss.hyper[0] * loss.scale)


cdef double adaptive_huber_slope(const Loss* loss, double target, double score) noexcept nogil:
    return clipped(score - target, loss.hyper[0] * loss.scale)


cdef double quantile_value(const Loss* loss, double target, double score) noexcept nogil:
    cdef double error = target - score
    return loss.hyper[0] * error if error >= 0.0 else (loss.hyper[0] - 1.0) * error


cdef double quantile_slope(const Loss* loss, double target, double score) noexcept nogil:
    return 1.0 - loss.hyper[0] if score > target else (-loss.hyper[0] if score < target else 0.0)


cdef double epsilon_value(const Loss* loss, double target, double score) noexcept nogil:
    cdef double excess = fabs(score - target) - loss.hyper[0]
    return excess if excess > 0.0 else 0.0


cdef double epsilon_slope(const Loss* loss, double target, double score) noexcept nogil:
    cdef double error = score - target
    return 1.0 if error > loss.hyper[0] else (-1.0 if error < -loss.hyper[0] else 0.0)


cdef double epsilon_residual(const Loss* loss, double target, double score) noexcept nogil:
    # To the nearer edge of the band in which the loss is zero.
    cdef double error = score - target
    return error - clipped(error, loss.hyper[0])


cdef double log_cosh_value(const Loss* loss, double target, double score) noexcept nogil:
    # log cosh e without overflow.
    cdef double size = fabs(score - target)
    return size + log1p(exp(-2.0 * size)) - 0.6931471805599453


cdef double log_cosh_slope(const Loss* loss, double target, double score) noexcept nogil:
    return tanh(score - target)


cdef double poisson_value(const Loss* loss, double target, double score) noexcept nogil:
    return exp(clipped(score, 20.0)) - target * score


cdef double poisson_slope(const Loss* loss, double target, double score) noexcept nogil:
    # Beyond a factor of e²⁰ from the mean the rate stands still, so that nothing overflows.
    return exp(clipped(score, 20.0)) - target


cdef double poisson_residual(const Loss* loss, double target, double score) noexcept nogil:
    return (exp(clipped(score, 20.0)) - target) / (exp(clipped(score, 20.0)) + target + 1e-3)


cdef double logistic_value(const Loss* loss, double target, double score) noexcept nogil:
    cdef double size = fabs(score)
    return log1p(exp(-size)) + (score if score > 0.0 else 0.0) - target * score


cdef double logistic_slope(const Loss* loss, double target, double score) noexcept nogil:
    return logistic(score) - target


cdef double logistic_residual(const Loss* loss, double target, double score) noexcept nogil:
    # The curvature of the loss is at most 1/4.
    return 4.0 * (logistic(score) - target)


cdef Loss make_loss(str name, tuple hyper) except *:
    cdef Loss loss
    cdef int i
    loss.scaling = STANDARDIZED
    loss.residual = error_residual
    loss.clip, loss.rate_min = 3.0, 0.002
    for i in range(2):
        loss.hyper[i] = hyper[i] if i < len(hyper) else 0.0
    if name == "squared":
        loss.value, loss.slope = squared_value, squared_slope
    elif name == "absolute":
        loss.value, loss.slope = absolute_value, absolute_slope
    elif name == "huber":
        loss.value, loss.slope = huber_loss_value, huber_slope
    elif name == "adaptive_huber":
        loss.value, loss.slope = adaptive_huber_value, adaptive_huber_slope
        loss.clip, loss.rate_min = hyper
    elif name == "quantile":
        loss.value, loss.slope = quantile_value, quantile_slope
    elif name == "epsilon_insensitive":
        loss.value, loss.slope, loss.residual = epsilon_value, epsilon_slope, epsilon_residual
    elif name == "log_cosh":
        loss.value, loss.slope = log_cosh_value, log_cosh_slope
    elif name == "poisson":
        loss.value, loss.slope, loss.residual = poisson_value, poisson_slope, poisson_residual
        loss.scaling = BY_MEAN
    elif name == "logistic":
        loss.value, loss.slope, loss.residual = logistic_value, logistic_slope, logistic_residual
        loss.scaling = AS_IS
    else:
        raise ValueError(f"There is no compiled loss named {name!r}.")
    loss.scale = 1.0
    loss.count = 0.0
    return loss


cdef void observe(Loss* loss, double target, double score) noexcept nogil:
    """Let the running scale take in the error of an event, clipped so that one absurd target cannot raise it far."""
    cdef double error = fabs(clipped(score - target, loss.clip * loss.scale))
    cdef double rate
    # The scale starts as if one error of 1, that of predicting the mean, had been seen.
    loss.count += 1.0
    rate = 1.0 / (loss.count + 1.0)
    rate = rate if rate > loss.rate_min else loss.rate_min
    loss.scale += rate * (error - loss.scale)
    # Months of a target that never changes would bring the scale so near to 0 that no error could raise it again.
    if loss.scale < 0.01:
        loss.scale = 0.01


cdef int restore_loss(Loss* loss, double scale, double count) except -1:
    if scale < 0.0 or count < 0.0:
        raise ValueError(f"The state's loss must have a scale and a count >= 0. Got {scale} and {count}.")
    loss.scale, loss.count = scale, count
    return 0


def evaluate(str name, tuple hyper, double[::1] targets, double[::1] scores, bint adapt=True):
    """The value and the slope of each of a sequence of (target, score) pairs, an adaptive loss adapting as it goes."""
    cdef Loss loss = make_loss(name, hyper)
    cdef Py_ssize_t i
    values, slopes = [], []
    if targets.shape[0] != scores.shape[0]:
        raise ValueError(f"{targets.shape[0]} targets do not pair with {scores.shape[0]} scores.")
    for i in range(targets.shape[0]):
        values.append(loss.value(&loss, targets[i], scores[i]))
        slopes.append(loss.slope(&loss, targets[i], scores[i]))
        if adapt:
            observe(&loss, targets[i], scores[i])
    return values, slopes
