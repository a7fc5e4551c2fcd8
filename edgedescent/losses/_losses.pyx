"""Losses as C functions: value, slope and travel; ``edgedescent.losses`` has the equations and sources."""
from cpython.object cimport PyObject
from libc.math cimport NAN, asinh, copysign, exp, expm1, fabs, isfinite, log, log1p, tanh

from edgedescent.numerics._errors cimport keep_error, raise_kept
from edgedescent.numerics._numbers cimport clipped

cdef double LOG_2 = 0.6931471805599453


cdef inline double huber_value(double error, double limit) noexcept nogil:
    cdef double size = fabs(error)
    return 0.5 * error * error if size <= limit else limit * (size - 0.5 * limit)


cdef double logistic(double score) noexcept nogil:
    if score >= 0.0:
        return 1.0 / (1.0 + exp(-score))
    score = exp(score)
    return score / (1.0 + score)


# Each `travel` solves df/dt = -slope(f), starting at the score: the updates of Karampatziakis and Langford 2011, which
# never move the score past the minimum of the loss.


cdef inline double steady_travel(double error, double slope, double time) noexcept nogil:
    """Travel along a constant slope, which ends where the error is zero."""
    return -error if fabs(slope) * time >= fabs(error) else -slope * time


cdef inline double huber_travel_within(double error, double limit, double time) noexcept nogil:
    cdef double size = fabs(error), change
    cdef double until = (size - limit) / limit
    if size <= limit:
        change = -size * expm1(-time)
    elif time <= until:
        change = limit * time
    else:
        change = size - limit - limit * expm1(until - time)
    return -copysign(change, error)


cdef double squared_value(const Loss* loss, double target, double score) noexcept nogil:
    return 0.5 * (score - target) * (score - target)


cdef double squared_slope(const Loss* loss, double target, double score) noexcept nogil:
    return score - target


cdef double squared_travel(const Loss* loss, double target, double score, double time) noexcept nogil:
    return (score - target) * expm1(-time)


cdef double absolute_value(const Loss* loss, double target, double score) noexcept nogil:
    return fabs(score - target)


cdef double absolute_slope(const Loss* loss, double target, double score) noexcept nogil:
    return 1.0 if score > target else (-1.0 if score < target else 0.0)


cdef double absolute_travel(const Loss* loss, double target, double score, double time) noexcept nogil:
    return steady_travel(score - target, absolute_slope(loss, target, score), time)


cdef double huber_loss_value(const Loss* loss, double target, double score) noexcept nogil:
    return huber_value(score - target, loss.hyper[0])


cdef double huber_slope(const Loss* loss, double target, double score) noexcept nogil:
    return clipped(score - target, loss.hyper[0])


cdef double huber_travel(const Loss* loss, double target, double score, double time) noexcept nogil:
    return huber_travel_within(score - target, loss.hyper[0], time)


cdef double adaptive_huber_value(const Loss* loss, double target, double score) noexcept nogil:
    return huber_value(score - target, loss.hyper[0] * loss.scale)


cdef double adaptive_huber_slope(const Loss* loss, double target, double score) noexcept nogil:
    return clipped(score - target, loss.hyper[0] * loss.scale)


cdef double adaptive_huber_travel(const Loss* loss, double target, double score, double time) noexcept nogil:
    return huber_travel_within(score - target, loss.hyper[0] * loss.scale, time)


cdef double quantile_value(const Loss* loss, double target, double score) noexcept nogil:
    cdef double error = target - score
    return loss.hyper[0] * error if error >= 0.0 else (loss.hyper[0] - 1.0) * error


cdef double quantile_slope(const Loss* loss, double target, double score) noexcept nogil:
    return 1.0 - loss.hyper[0] if score > target else (-loss.hyper[0] if score < target else 0.0)


cdef double quantile_travel(const Loss* loss, double target, double score, double time) noexcept nogil:
    return steady_travel(score - target, quantile_slope(loss, target, score), time)


cdef double epsilon_value(const Loss* loss, double target, double score) noexcept nogil:
    cdef double excess = fabs(score - target) - loss.hyper[0]
    return excess if excess > 0.0 else 0.0


cdef double epsilon_slope(const Loss* loss, double target, double score) noexcept nogil:
    cdef double error = score - target
    return 1.0 if error > loss.hyper[0] else (-1.0 if error < -loss.hyper[0] else 0.0)


cdef double epsilon_travel(const Loss* loss, double target, double score, double time) noexcept nogil:
    # Ends at the nearer edge of the interval in which the loss is zero.
    cdef double error = score - target
    return steady_travel(error - clipped(error, loss.hyper[0]), epsilon_slope(loss, target, score), time)


cdef double log_cosh_value(const Loss* loss, double target, double score) noexcept nogil:
    # This form of log cosh does not overflow.
    cdef double size = fabs(score - target)
    return size + log1p(exp(-2.0 * size)) - LOG_2


cdef double log_cosh_slope(const Loss* loss, double target, double score) noexcept nogil:
    return tanh(score - target)


cdef double log_cosh_travel(const Loss* loss, double target, double score, double time) noexcept nogil:
    # sinh of the error decays exponentially. The computation uses its logarithm to avoid overflow.
    cdef double error = score - target, size = fabs(error)
    cdef double left = size + log(-expm1(-2.0 * size)) - LOG_2 - time
    left = left + LOG_2 if left > 20.0 else asinh(exp(left))
    return -copysign(size - left, error)


cdef double poisson_value(const Loss* loss, double target, double score) noexcept nogil:
    # Linear beyond a score of 20 (e²⁰ times the mean), to avoid overflow.
    cdef double within = score if score < 20.0 else 20.0
    return exp(within) * (1.0 + score - within) - target * score


cdef double poisson_slope(const Loss* loss, double target, double score) noexcept nogil:
    return exp(score if score < 20.0 else 20.0) - target


cdef double poisson_travel(const Loss* loss, double target, double score, double time) noexcept nogil:
    # exp(-f) approaches 1 / target exponentially. The bound at -300 keeps the logarithm finite.
    cdef double start = score if score < 20.0 else 20.0, passed = target * time
    cdef double share = -expm1(-passed) / target if passed > 1e-12 else time, change
    start = start if start > -300.0 else -300.0
    change = share * poisson_slope(loss, target, start)
    # The two forms are equal, but the first is accurate for short travel and the second for long travel.
    return -log1p(change) if change > -0.5 else -log(exp(-passed) + share * exp(start))


cdef double logistic_value(const Loss* loss, double target, double score) noexcept nogil:
    cdef double size = fabs(score)
    return log1p(exp(-size)) + (score if score > 0.0 else 0.0) - target * score


cdef double logistic_slope(const Loss* loss, double target, double score) noexcept nogil:
    return logistic(score) - target


cdef double logistic_travel(const Loss* loss, double target, double score, double time) noexcept nogil:
    cdef double sign = 1.0 if target >= 1.0 else -1.0
    cdef double size = exp(clipped(sign * score, 300.0)), far, by = 1.0
    cdef int i
    if 0.0 < target < 1.0:
        # No closed form. The curvature of the loss is at most 1/4, so this is a lower bound of the travel.
        return 4.0 * (logistic(score) - target) * expm1(-0.25 * time)
    # With s = ±f, s + exp(s) grows linearly with time. Both bounds are above the root, from where Newton's method
    # converges monotonically.
    far = log1p(time / size)
    if far > time / (1.0 + size):
        far = time / (1.0 + size)
    for i in range(50):
        if by <= 1e-15 * far:
            break
        by = (far + size * expm1(far) - time) / (1.0 + size * exp(far))
        far -= by
    return sign * far


# A loss written in Python is called with the GIL. A noexcept function cannot raise: the exception is stored for the
# stepper to raise later, and a slope of NaN makes the stepper skip the update.


cdef double call_python(const Loss* loss, str method, tuple arguments, double otherwise) noexcept:
    """Call a method of a loss written in Python; after an exception or a non-finite result, return `otherwise`."""
    cdef double result
    try:
        result = getattr(<object>loss.declared, method)(*arguments)
        if isfinite(result):
            return result
        raise ValueError(f"`{method}` of {<object>loss.declared!r} must be finite. Got {result} for {arguments}.")
    except BaseException as error:
        keep_error(loss.error, error)
    return otherwise


cdef double python_value(const Loss* loss, double target, double score) noexcept with gil:
    return call_python(loss, "value", (target, score), 0.0)


cdef double python_slope(const Loss* loss, double target, double score) noexcept with gil:
    return call_python(loss, "slope", (target, score), NAN)


cdef double python_travel(const Loss* loss, double target, double score, double time) noexcept with gil:
    return call_python(loss, "travel", (target, score, time), NAN)


cdef Loss make_loss(object declared, PyObject** error) except *:
    """Make the C struct of a loss.

    Args:
        declared: The Loss object. The caller must keep it alive as long as the struct is used.

    Raises:
        ValueError: If its `rule` is not a compiled loss.
    """
    cdef Loss loss
    cdef int i
    cdef str name = declared.rule
    cdef tuple hyper = declared.hyper
    loss.scaling = {"standardized": STANDARDIZED, "by_mean": BY_MEAN, "as_is": AS_IS}[declared.scaling]
    loss.clip, loss.rate_min = 3.0, 0.002
    loss.declared = <PyObject*>declared
    loss.error = error
    for i in range(2):
        loss.hyper[i] = hyper[i] if i < len(hyper) else 0.0
    if name == "squared":
        loss.value, loss.slope, loss.travel = squared_value, squared_slope, squared_travel
    elif name == "absolute":
        loss.value, loss.slope, loss.travel = absolute_value, absolute_slope, absolute_travel
    elif name == "huber":
        loss.value, loss.slope, loss.travel = huber_loss_value, huber_slope, huber_travel
    elif name == "adaptive_huber":
        loss.value, loss.slope, loss.travel = adaptive_huber_value, adaptive_huber_slope, adaptive_huber_travel
        loss.clip, loss.rate_min = hyper
    elif name == "quantile":
        loss.value, loss.slope, loss.travel = quantile_value, quantile_slope, quantile_travel
    elif name == "epsilon_insensitive":
        loss.value, loss.slope, loss.travel = epsilon_value, epsilon_slope, epsilon_travel
    elif name == "log_cosh":
        loss.value, loss.slope, loss.travel = log_cosh_value, log_cosh_slope, log_cosh_travel
    elif name == "poisson":
        loss.value, loss.slope, loss.travel = poisson_value, poisson_slope, poisson_travel
    elif name == "logistic":
        loss.value, loss.slope, loss.travel = logistic_value, logistic_slope, logistic_travel
    elif name == "python":
        loss.value, loss.slope, loss.travel = python_value, python_slope, python_travel
    else:
        raise ValueError(f"There is no compiled loss named {name!r}.")
    loss.scale = 1.0
    loss.count = 0.0
    return loss


cdef void observe(Loss* loss, double target, double score) noexcept nogil:
    """Update the running scale with the error of an event, clipped to limit the effect of a single outlier."""
    cdef double error = fabs(clipped(score - target, loss.clip * loss.scale))
    cdef double rate
    # The scale starts at 1, the error of predicting the mean, which counts as one observation.
    loss.count += 1.0
    rate = 1.0 / (loss.count + 1.0)
    rate = rate if rate > loss.rate_min else loss.rate_min
    loss.scale += rate * (error - loss.scale)
    # A constant target would decay the scale to almost 0, and the clipping would then keep it there for good.
    if loss.scale < 0.01:
        loss.scale = 0.01


cdef int restore_loss(Loss* loss, double scale, double count) except -1:
    """Restore the running scale and its count; raises ValueError if one is negative."""
    if scale < 0.0 or count < 0.0:
        raise ValueError(f"The state's loss must have a scale and a count >= 0. Got {scale} and {count}.")
    loss.scale, loss.count = scale, count
    return 0


def travels(declared, double target, double score, times):
    """Return the change of the score when it follows ``df/dt = -slope(f)``, for each of `times`."""
    cdef PyObject* error = NULL
    cdef Loss loss = make_loss(declared, &error)
    changes = [loss.travel(&loss, target, score, time) for time in times]
    raise_kept(&error)
    return changes


def evaluate(declared, double[::1] targets, double[::1] scores, bint adapt=True):
    """Return the values and slopes of a loss for a sequence of (target, score) pairs.

    Args:
        declared: The Loss object.
        targets: Targets in the units of the loss.
        scores: Scores, one for each target.
        adapt: True to update the scale of an adaptive loss after each pair.

    Raises:
        ValueError: If the lengths of `targets` and `scores` differ.
    """
    cdef PyObject* error = NULL
    cdef Loss loss = make_loss(declared, &error)
    cdef Py_ssize_t i
    values, slopes = [], []
    if targets.shape[0] != scores.shape[0]:
        raise ValueError(f"{targets.shape[0]} targets do not pair with {scores.shape[0]} scores.")
    for i in range(targets.shape[0]):
        values.append(loss.value(&loss, targets[i], scores[i]))
        slopes.append(loss.slope(&loss, targets[i], scores[i]))
        if adapt:
            observe(&loss, targets[i], scores[i])
    raise_kept(&error)
    return values, slopes
