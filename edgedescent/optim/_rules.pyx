"""Step rules of the optimizers, one C function each; ``edgedescent.optim`` has the equations and sources.

Every rule keeps its state per parameter, in slots that start at zero. Parameters without a gradient in an event are
neither visited nor decayed, so sparse events are cheap and give the same results as dense ones.
"""
import numpy as np

from cpython.object cimport PyObject
from libc.math cimport fabs, log1p, pow, sqrt

from edgedescent.losses._losses cimport BY_MEAN
from edgedescent.numerics._errors cimport keep_error
from edgedescent.optim._covariance cimport (
    add_inputs, add_variance, apply_change, begin_event, is_due, settle_change)


cdef inline double settled(double value) noexcept nogil:
    """Replace values below 1e-300 by zero: arithmetic on subnormal numbers (below 1e-308) is about 100 times slower."""
    return value if fabs(value) > 1e-300 else 0.0


cdef void sgd(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
              Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        w[i] -= lr * g[i]


cdef void counted(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                  Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr, power = rule.hyper[0]
    cdef double* count = rule.slot[0] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        count[i] += 1.0
        w[i] -= lr * g[i] * (1.0 / sqrt(count[i]) if power == 0.5 else pow(count[i], -power))


cdef void momentum(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                   Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr, mu = rule.hyper[0]
    cdef double* v = rule.slot[0] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        v[i] = settled(mu * v[i] + g[i])
        w[i] -= lr * v[i]


cdef void nesterov(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                   Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr, mu = rule.hyper[0]
    cdef double* v = rule.slot[0] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        v[i] = settled(mu * v[i] + g[i])
        w[i] -= lr * (g[i] + mu * v[i])


cdef void adagrad(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                  Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr, initial = rule.hyper[0], eps = rule.hyper[1]
    cdef double* total = rule.slot[0] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        total[i] += g[i] * g[i]
        w[i] -= lr * g[i] / (sqrt(initial + total[i]) + eps)


cdef void rmsprop(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                  Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr, rho = rule.hyper[0], eps = rule.hyper[1]
    cdef double rest = 1.0 - rho
    cdef double* v = rule.slot[0] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        v[i] = settled(rho * v[i] + rest * (g[i] * g[i]))
        w[i] -= lr * g[i] / (sqrt(v[i]) + eps)


cdef void adadelta(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                   Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr, rho = rule.hyper[0], eps = rule.hyper[1], step
    cdef double rest = 1.0 - rho
    cdef double* v = rule.slot[0] + at
    cdef double* d = rule.slot[1] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        v[i] = settled(rho * v[i] + rest * (g[i] * g[i]))
        step = sqrt((d[i] + eps) / (v[i] + eps)) * g[i]
        d[i] = settled(rho * d[i] + rest * (step * step))
        w[i] -= lr * step


cdef void adam(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
               Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr, beta1 = rule.hyper[0], beta2 = rule.hyper[1], eps = rule.hyper[2]
    cdef double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2
    cdef double* m = rule.slot[0] + at
    cdef double* v = rule.slot[1] + at
    # The bias corrections 1 - beta^t follow the recurrences of m and v with a constant gradient of 1. Storing them per
    # parameter avoids a step count and two calls of pow.
    cdef double* c1 = rule.slot[2] + at
    cdef double* c2 = rule.slot[3] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        m[i] = settled(beta1 * m[i] + rest1 * g[i])
        v[i] = settled(beta2 * v[i] + rest2 * (g[i] * g[i]))
        c1[i] = beta1 * c1[i] + rest1
        c2[i] = beta2 * c2[i] + rest2
        w[i] -= lr * (m[i] / c1[i]) / (sqrt(v[i] / c2[i]) + eps)


cdef void adamw(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                Py_ssize_t n) noexcept nogil:
    cdef double kept = 1.0 - context.lr * rule.hyper[3]
    cdef Py_ssize_t i
    if context.decays:
        for i in range(at, at + n):
            w[i] *= kept
    adam(rule, context, w, g, at, n)


cdef void amsgrad(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                  Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr, beta1 = rule.hyper[0], beta2 = rule.hyper[1], eps = rule.hyper[2]
    cdef double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2
    cdef double* m = rule.slot[0] + at
    cdef double* v = rule.slot[1] + at
    cdef double* highest = rule.slot[2] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        m[i] = settled(beta1 * m[i] + rest1 * g[i])
        v[i] = settled(beta2 * v[i] + rest2 * (g[i] * g[i]))
        highest[i] = v[i] if v[i] > highest[i] else highest[i]
        w[i] -= lr * m[i] / (sqrt(highest[i]) + eps)


cdef void nadam(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                Py_ssize_t n) noexcept nogil:
    cdef double lr = context.lr, beta1 = rule.hyper[0], beta2 = rule.hyper[1], eps = rule.hyper[2], ahead
    cdef double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2
    cdef double* m = rule.slot[0] + at
    cdef double* v = rule.slot[1] + at
    cdef double* c1 = rule.slot[2] + at
    cdef double* c2 = rule.slot[3] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        m[i] = settled(beta1 * m[i] + rest1 * g[i])
        v[i] = settled(beta2 * v[i] + rest2 * (g[i] * g[i]))
        c1[i] = beta1 * c1[i] + rest1
        c2[i] = beta2 * c2[i] + rest2
        # Average gradient of the next step, with the bias correction of the next step.
        ahead = beta1 * m[i] / (beta1 * c1[i] + rest1) + rest1 * g[i] / c1[i]
        w[i] -= lr * ahead / (sqrt(v[i] / c2[i]) + eps)


cdef void ftrl(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
               Py_ssize_t n) noexcept nogil:
    cdef double alpha = context.lr, beta = rule.hyper[0], l1 = rule.hyper[1], l2 = rule.hyper[2]
    cdef double root, excess
    if alpha <= 0.0:
        return
    cdef double* z = rule.slot[0] + at
    cdef double* total = rule.slot[1] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        root = sqrt(total[i])
        if total[i] == 0.0:
            # A network's parameters do not start at zero: choose the z for which the closed form gives the start value.
            z[i] = -w[i] * (beta / alpha + l2)
            z[i] += l1 if z[i] > 0.0 else (-l1 if z[i] < 0.0 else 0.0)
        total[i] += g[i] * g[i]
        z[i] += g[i] - (sqrt(total[i]) - root) / alpha * w[i]
        excess = fabs(z[i]) - l1
        if total[i] == 0.0:
            continue
        if excess <= 0.0:
            w[i] = 0.0
        else:
            w[i] = (-excess if z[i] > 0.0 else excess) / ((beta + sqrt(total[i])) / alpha + l2)


cdef void measure_scale(const Rule* rule, Context* context, double* w, const double* g, Py_ssize_t at,
                        Py_ssize_t n) noexcept nogil:
    cdef const double* total = rule.slot[0] + at
    cdef double* scale = rule.slot[1] + at
    cdef double x, square
    cdef Py_ssize_t i
    # The gradient includes the penalty term, which would dominate the quotient g / slope where the slope is small.
    if fabs(context.slope) < 1e-3:
        return
    for i in range(n):
        x = fabs(g[i] / context.slope)
        scale[i] = scale[i] if scale[i] > 1.0 else 1.0
        scale[i] = x if x > scale[i] else scale[i]
        context.totals[0] += (x / scale[i]) * (x / scale[i])
        square = g[i] * g[i]
        if square > 0.0:
            context.sum += square / (scale[i] * sqrt(total[i] + square))


cdef void normalized_adaptive(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                              Py_ssize_t n) noexcept nogil:
    # totals[0] is N, the sum of normalized squared gradients over all events; totals[1] is the number of events.
    cdef double rate = context.lr * sqrt(context.totals[1] / context.totals[0]) if context.totals[0] > 0.0 else 0.0
    # All parameters change the score by similar amounts. This bound prevents overshoot with thousands of parameters.
    if context.slope * context.slope < rate * context.sum:
        rate = context.slope * context.slope / context.sum
    cdef double* total = rule.slot[0] + at
    cdef double* scale = rule.slot[1] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        total[i] += g[i] * g[i]
        if total[i] > 0.0 and scale[i] > 0.0:
            w[i] -= rate * g[i] / (scale[i] * sqrt(total[i]))


cdef void importance_aware(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                           Py_ssize_t n) noexcept nogil:
    # With J the derivative of the score, g = slope J: a step of `rate` g changes the score by -rate slope |J|².
    cdef double slope = context.slope, length, change, rate
    cdef Py_ssize_t i
    if slope == 0.0 or context.square_sum == 0.0:
        return
    length = sqrt(context.square_sum) / fabs(slope)
    length = length if length < 1e50 else 1e50
    length *= length
    change = context.loss.travel(context.loss, context.target, context.score, context.lr * length)
    rate = -change / (slope * length)
    # Rounding errors at a slope near 0 can make the rate too large; plain gradient descent is the upper bound.
    rate = rate if rate < context.lr else context.lr
    w += at
    for i in range(n):
        w[i] -= rate * g[i]


cdef void cocob(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                Py_ssize_t n) noexcept nogil:
    cdef double alpha = rule.hyper[0], least
    cdef double* largest = rule.slot[0] + at
    cdef double* total = rule.slot[1] + at
    cdef double* reward = rule.slot[2] + at
    cdef double* theta = rule.slot[3] + at
    # The bet: the difference between the parameter and its start value.
    cdef double* bet = rule.slot[4] + at
    cdef double start, size
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        size = fabs(g[i])
        start = w[i] - bet[i]
        largest[i] = size if size > largest[i] else largest[i]
        if largest[i] == 0.0:
            continue
        total[i] += size
        reward[i] -= bet[i] * g[i]
        reward[i] = reward[i] if reward[i] > 0.0 else 0.0
        theta[i] -= g[i]
        least = alpha * largest[i]
        size = total[i] + largest[i]
        size = size if size > least else least
        # Two ratios instead of one product: neither overflows or underflows for extreme gradients.
        bet[i] = context.lr * (theta[i] / largest[i]) * ((largest[i] + reward[i]) / size)
        w[i] = start + bet[i]


cdef inline bint is_informative(const Context* context) noexcept nogil:
    """True if the gradient of the event divided by its slope is the derivative of the score."""
    # The gradient of a penalty would dominate the quotient where the slope is small.
    return fabs(context.slope) >= (1e-3 if context.penalized else 1e-100)


cdef inline double derivative(const Context* context, double g) noexcept nogil:
    """Derivative of the score with respect to a parameter with the gradient `g`, bounded so that squares stay finite."""
    cdef double z = g / context.slope
    z = z if z < 1e6 else 1e6
    return z if z > -1e6 else -1e6


cdef void add_to_covariance(const Rule* rule, Context* context, double* w, const double* g, Py_ssize_t at,
                            Py_ssize_t n) noexcept nogil:
    cdef double* z = rule.covariance.inputs + at
    cdef Py_ssize_t i
    if not is_informative(context):
        return
    if rule.covariance.event != context.totals[1]:
        begin_event(rule.covariance, context.totals[1])
    for i in range(n):
        z[i] = derivative(context, g[i])
    context.sum += add_inputs(rule.covariance, z, at, n)


cdef void rls(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
              Py_ssize_t n) noexcept nogil:
    cdef Covariance* p = rule.covariance
    cdef double spread = context.sum, rate, travel
    cdef const double* z = p.inputs + at
    cdef Py_ssize_t i, last
    if not is_informative(context):
        return
    if spread < 0.0:
        # Rounding left a matrix that is not positive semidefinite: its parameters begin anew at the next event.
        for i in range(at, at + n):
            p.variance[i] = 0.0
        return
    if not p.settled:
        # The first run is that of the intercept, if there is one.
        p.forgetting = rule.hyper[0]
        if not context.decays and has_changed(rule, context, g, at, n):
            p.forgetting = rule.hyper[1]
        settle_change(p, 1.0 / (p.forgetting + spread), p.forgetting)
    rate = context.slope / (p.forgetting + spread)
    if context.loss.scaling == BY_MEAN and spread > 1e-100:
        # The rule takes 1 for the second derivative of the loss, which is far larger here at a high score. The travel
        # moves the score as far as that of a squared loss where it is 1, and never past the minimum.
        travel = -context.loss.travel(context.loss, context.target, context.score, log1p(spread)) / spread
        rate = travel if fabs(travel) < fabs(rate) else rate
    rate *= context.lr
    last = at + n if at + n < p.dense else p.dense
    for i in range(at, last):
        w[i] -= rate * p.gain[i] if is_due(p, i) else 0.0
    for i in range(last if last > at else at, at + n):
        w[i] -= rate * (p.variance[i] * z[i - at])
    apply_change(p, z, at, n)
    if not context.decays:
        add_drift(rule, g, at, n)


cdef bint has_changed(const Rule* rule, const Context* context, const double* g, Py_ssize_t at,
                      Py_ssize_t n) noexcept nogil:
    """Take the gradients of intercepts into their running moments; True if the latest ones are too large."""
    cdef double* last = rule.slot[1] + at
    cdef double* agreement = rule.slot[2] + at
    cdef double* power = rule.slot[3] + at
    cdef double* recent = rule.slot[4] + at
    cdef double rate = 1.0 / context.totals[1], slow, fast
    cdef bint larger = False
    cdef Py_ssize_t i
    slow, fast = rate if rate > 0.01 else 0.01, rate if rate > 0.1 else 0.1
    for i in range(n):
        agreement[i] = settled(agreement[i] + slow * (g[i] * last[i] - agreement[i]))
        power[i] = settled(power[i] + slow * (g[i] * g[i] - power[i]))
        recent[i] = settled(recent[i] + fast * (g[i] * g[i] - recent[i]))
        last[i] = g[i]
        larger |= recent[i] > 2.0 * power[i]
    return larger


cdef void add_drift(const Rule* rule, const double* g, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """Raise the variances of intercepts whose gradients are correlated with the ones before them."""
    cdef const double* agreement = rule.slot[2] + at
    cdef const double* power = rule.slot[3] + at
    cdef double prior = rule.hyper[2], drift = rule.hyper[3], lag
    cdef Py_ssize_t i
    for i in range(n):
        if agreement[i] > 0.0 and power[i] > 0.0:
            lag = agreement[i] / power[i]
            lag = lag * lag if lag < 1.0 else 1.0
            add_variance(rule.covariance, at + i, drift * prior * (lag * lag))


cdef void minibatch(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                    Py_ssize_t n) noexcept nogil:
    # Counted per parameter, so that the batch of a sparse feature consists of the events that contain it.
    cdef double* total = rule.slot[rule.n_inner_slots] + at
    cdef double* count = rule.slot[rule.n_inner_slots + 1] + at
    cdef Py_ssize_t i, start = 0
    for i in range(n):
        total[i] += g[i]
        count[i] += 1.0
    while start < n:
        if count[start] < rule.batch:
            start += 1
            continue
        i = start
        while i < n and count[i] >= rule.batch:
            total[i] /= count[i]
            i += 1
        rule.inner(rule, context, w, total + start, at + start, i - start)
        while start < i:
            total[start] = count[start] = 0.0
            start += 1


cdef void python(const Rule* rule, const Context* context, double* w, const double* g, Py_ssize_t at,
                 Py_ssize_t n) noexcept with gil:
    cdef Context* shared = <Context*>context
    cdef int s
    cdef Py_ssize_t i
    cdef double[::1] new
    # Copies, because the method may keep references to its arguments after the table's memory is freed.
    weights, gradient = np.array(<double[:n]>(w + at)), np.array(<double[:n]><double*>g)
    slots = [np.array(<double[:n]>(rule.slot[s] + at)) for s in range(rule.n_inner_slots)]
    try:
        (<object>rule.method)(weights, gradient, *slots, lr=context.lr)
        if not all(np.isfinite(slot).all() for slot in slots):
            weights[0] = float("nan")
    except BaseException as error:
        # A noexcept function cannot raise. NaN makes the stepper undo the step; `Stepper.check` raises the error later.
        weights[0] = float("nan")
        keep_error(&shared.error, error)
    new = weights
    for i in range(n):
        w[at + i] = new[i]
    for s in range(rule.n_inner_slots):
        new = slots[s]
        for i in range(n):
            rule.slot[s][at + i] = new[i]


cdef Rule make_rule(str name, tuple hyper, int n_slots, Py_ssize_t batch, object method) except *:
    """Make the rule of an optimizer.

    Args:
        name: Name of a compiled rule, or ``"python"``.
        hyper: Hyper-parameters in the order in which the step function reads them.
        n_slots: Number of slots that the optimizer declares.
        batch: Number of gradients per step; more than 1 adds two slots.
        method: Method `step` of an optimizer written in Python, else None. The caller must keep it alive.

    Raises:
        ValueError: If there is no such rule, or the number of slots or hyper-parameters does not match it.
    """
    cdef Rule rule
    cdef int i
    if len(hyper) > HYPER_MAX:
        raise ValueError(f"A rule takes at most {HYPER_MAX} hyper-parameters. Got {len(hyper)}.")
    rule.prepare = NULL
    rule.inner = NULL
    rule.method = NULL
    rule.covariance = NULL
    if name == "sgd":
        rule.step, rule.n_slots = sgd, 0
    elif name == "counted":
        rule.step, rule.n_slots = counted, 1
    elif name == "momentum":
        rule.step, rule.n_slots = momentum, 1
    elif name == "nesterov":
        rule.step, rule.n_slots = nesterov, 1
    elif name == "adagrad":
        rule.step, rule.n_slots = adagrad, 1
    elif name == "rmsprop":
        rule.step, rule.n_slots = rmsprop, 1
    elif name == "adadelta":
        rule.step, rule.n_slots = adadelta, 2
    elif name == "adam":
        rule.step, rule.n_slots = adam, 4
    elif name == "adamw":
        rule.step, rule.n_slots = adamw, 4
    elif name == "amsgrad":
        rule.step, rule.n_slots = amsgrad, 3
    elif name == "nadam":
        rule.step, rule.n_slots = nadam, 4
    elif name == "ftrl":
        rule.step, rule.n_slots = ftrl, 2
    elif name == "normalized_adaptive":
        rule.step, rule.n_slots, rule.prepare = normalized_adaptive, 2, measure_scale
    elif name == "importance_aware":
        rule.step, rule.n_slots = importance_aware, 0
    elif name == "cocob":
        rule.step, rule.n_slots = cocob, 5
    elif name == "rls":
        rule.step, rule.n_slots, rule.prepare = rls, 5, add_to_covariance
    elif name == "python":
        if method is None:
            raise ValueError("An optimizer must have a compiled `rule` or a method `step`.")
        rule.step, rule.n_slots = python, n_slots
        rule.method = <PyObject*>method
    else:
        raise ValueError(f"There is no compiled rule named {name!r}.")
    if rule.n_slots != n_slots or n_slots + 2 > SLOTS_MAX:
        raise ValueError(f"The rule {name!r} must have {rule.n_slots} slots, at most {SLOTS_MAX - 2}. Got {n_slots}.")
    rule.n_inner_slots = rule.n_slots
    rule.batch = batch
    if batch > 1:
        rule.inner = rule.step
        rule.step = minibatch
        rule.n_slots += 2
    for i in range(SLOTS_MAX):
        rule.slot[i] = NULL
    for i in range(HYPER_MAX):
        rule.hyper[i] = hyper[i] if i < len(hyper) else 0.0
    return rule
