"""The Page-Hinkley test as a C function; `edgedescent.drift.PageHinkley` has the equations and sources."""
from edgedescent.drift._rule cimport Rule

cdef enum:
    # What is kept: the number of values, their mean, both sums and their extremes.
    COUNT, MEAN, RISE, FALL, RISE_MIN, FALL_MAX

cdef enum:
    UP = 1
    DOWN = 2


cdef bint page_hinkley(const Rule* rule, double* numbers, double x) noexcept nogil:
    cdef double min_instances = rule.hyper[0], delta = rule.hyper[1], threshold = rule.hyper[2], alpha = rule.hyper[3]
    cdef int mode = <int>rule.hyper[4]
    cdef double n = numbers[COUNT] + 1.0, deviation
    numbers[COUNT] = n
    numbers[MEAN] += (1.0 / n) * (x - numbers[MEAN])
    deviation = x - numbers[MEAN]
    numbers[RISE] = alpha * numbers[RISE] + deviation - delta
    numbers[FALL] = alpha * numbers[FALL] + deviation + delta
    if n == 1.0 or numbers[RISE] < numbers[RISE_MIN]:
        numbers[RISE_MIN] = numbers[RISE]
    if n == 1.0 or numbers[FALL] > numbers[FALL_MAX]:
        numbers[FALL_MAX] = numbers[FALL]
    if n < min_instances:
        return False
    if mode != DOWN and numbers[RISE] - numbers[RISE_MIN] > threshold:
        return True
    return mode != UP and numbers[FALL_MAX] - numbers[FALL] > threshold


cdef bint page_hinkley_is_valid(const Rule* rule, const double* numbers) noexcept nogil:
    cdef double n = numbers[COUNT]
    return 0.0 <= n < 9e15 and numbers[RISE_MIN] <= numbers[RISE] and numbers[FALL_MAX] >= numbers[FALL]
