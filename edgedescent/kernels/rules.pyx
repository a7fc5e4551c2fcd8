# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One short C function per optimizer; the papers are cited where users meet them, in ``edgedescent.optim``.

Every rule keeps its state per coordinate in slots that start at zero, so a coordinate that an event does not touch
costs nothing and is not decayed: sparse and dense events follow the same numbers.
"""
from libc.math cimport sqrt


cdef void sgd(const Rule* rule, double* w, const double* g, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    cdef double lr = rule.hyper[0]
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        w[i] -= lr * g[i]


cdef void adam(const Rule* rule, double* w, const double* g, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    cdef double lr = rule.hyper[0], beta1 = rule.hyper[1], beta2 = rule.hyper[2], eps = rule.hyper[3]
    cdef double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2
    cdef double* m = rule.slot[0] + at
    cdef double* v = rule.slot[1] + at
    # 1 - beta^t, the bias correction, obeys the recurrence of m and v with a gradient of one. Kept per coordinate,
    # it spares a step count and two powers.
    cdef double* c1 = rule.slot[2] + at
    cdef double* c2 = rule.slot[3] + at
    cdef Py_ssize_t i
    w += at
    for i in range(n):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * (g[i] * g[i])
        c1[i] = beta1 * c1[i] + rest1
        c2[i] = beta2 * c2[i] + rest2
        w[i] -= lr * (m[i] / c1[i]) / (sqrt(v[i] / c2[i]) + eps)


cdef Rule make_rule(str name, tuple hyper) except *:
    cdef Rule rule
    cdef int i
    if len(hyper) > HYPER_MAX:
        raise ValueError(f"A rule takes at most {HYPER_MAX} hyper-parameters. Got {len(hyper)}.")
    if name == "sgd":
        rule.step, rule.n_slots = sgd, 0
    elif name == "adam":
        rule.step, rule.n_slots = adam, 4
    else:
        raise ValueError(f"There is no compiled rule named {name!r}.")
    for i in range(SLOTS_MAX):
        rule.slot[i] = NULL
    for i in range(HYPER_MAX):
        rule.hyper[i] = hyper[i] if i < len(hyper) else 0.0
    return rule
