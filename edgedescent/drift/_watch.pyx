"""Watch over one quantity, in whatever unit: its scale, its history and a detector.

Detectors expect values from 0 to 1. The first 64 values after the start, or after an alarm, say what that is::

    center = median of the first 64 values
    scale  = 1.4826 median of |value - center|,  or the mean of |value - center| where that is 0
    x      = 1/2 + (value - center) / (10 scale),  clipped at 0 and 1: five deviations either way

So one absurd value is no change. The scale then stays until an alarm, so that a slow change is not taken for the normal. The
first values go to the detector too, once there are 64 of them. Where all are equal, any other value is 0 or 1.

Values wait until the detector tests, and are taken in together: what is kept of a stream is spread over more memory than the
processor's first cache holds for five of them.
"""
from math import gcd

import numpy as np

from libc.math cimport fabs
from libc.string cimport memcpy, memset

from edgedescent.drift._detection cimport Detection
from edgedescent.drift._history cimport Change, history_is_valid, remember, split
from edgedescent.numerics._median cimport median

cdef double DEVIATIONS = 5.0
# What makes the median of absolute deviations the standard deviation of normal values.
cdef double NORMAL = 1.4826


cdef void find_scale(WatchNumbers* numbers) noexcept nogil:
    """Take center and scale from the first values, which wait."""
    cdef double[START] deviations
    cdef double total = 0.0
    cdef int i
    numbers.center = median(numbers.values, START)
    for i in range(START):
        deviations[i] = fabs(numbers.values[i] - numbers.center)
        total += deviations[i]
    numbers.scale = NORMAL * median(deviations, START)
    if numbers.scale == 0.0:
        numbers.scale = total / START


cdef double standardized(const WatchNumbers* numbers, double value) noexcept nogil:
    """Return a value in the unit of the detectors."""
    cdef double x, distance = value - numbers.center
    if distance == 0.0:
        return 0.5
    if numbers.scale == 0.0:
        return 1.0 if distance > 0.0 else 0.0
    x = 0.5 + distance / (2.0 * DEVIATIONS * numbers.scale)
    x = x if x < 1.0 else 1.0
    return x if x > 0.0 else 0.0


cdef class Watch:
    """Watch over one quantity.

    Args:
        name: Name of the input; None for the error.
        detector: The detector.
    """

    def __init__(self, name, detector):
        self.name = name
        self.detection = Detection(detector)
        self.block = gcd(detector.tests_every, START)
        self.row = self.place = 0
        self.start_anew()

    cdef bint take(self, double value, double number) except -1:
        """Take in the value of event `number`, between -1e100 and 1e100; returns True for an alarm."""
        cdef Py_ssize_t n = <Py_ssize_t>self.numbers.n_waiting
        self.numbers.values[n], self.numbers.events[n] = value, number
        self.numbers.n_waiting = n + 1
        return n + 1 >= (self.block if self.numbers.n else START) and self._take_in()

    cdef bint _take_in(self) except -1:
        """Take in the values that wait; returns True for an alarm."""
        cdef double[START] x
        cdef Py_ssize_t i, n = <Py_ssize_t>self.numbers.n_waiting
        if self.numbers.n == 0.0:
            find_scale(&self.numbers)
        self.numbers.n += n
        self.numbers.n_waiting = 0.0
        remember(&self.numbers.history, self.numbers.values, self.numbers.events, n)
        for i in range(n):
            x[i] = standardized(&self.numbers, self.numbers.values[i])
        return self.detection.push(x, n)

    cdef Change change(self) noexcept:
        """Return the means before and since the change that `take` has found."""
        return split(&self.numbers.history)

    cdef int start_anew(self) except -1:
        """Forget all values, after an alarm."""
        memset(&self.numbers, 0, sizeof(WatchNumbers))
        self.detection.clear()
        return 0

    def save(self):
        """Return all numbers as one array."""
        own = np.empty(sizeof(WatchNumbers) // sizeof(double))
        cdef double[::1] view = own
        memcpy(&view[0], &self.numbers, sizeof(WatchNumbers))
        return np.concatenate([own, self.detection.save()])

    def restore(self, numbers):
        """Restore what `save` returned.

        Raises:
            ValueError: If no watch with this detector can have saved it; the watch then stays as it is.
        """
        cdef Py_ssize_t n_own = sizeof(WatchNumbers) // sizeof(double)
        cdef double[::1] view
        cdef WatchNumbers restored
        if numbers.ndim != 1 or len(numbers) <= n_own or numbers.dtype != np.float64:
            raise ValueError(f"A watch must be more than {n_own} numbers. Got shape {numbers.shape}.")
        own = np.array(numbers[:n_own])
        view = own
        memcpy(&restored, &view[0], sizeof(WatchNumbers))
        if (not np.isfinite(own).all() or not 0.0 <= restored.n < 2**53 or restored.n != int(restored.n)
                or not 0.0 <= restored.n_waiting < (self.block if restored.n else START)
                or restored.n_waiting != int(restored.n_waiting) or restored.scale < 0.0
                or not history_is_valid(&restored.history)):
            raise ValueError(f"A watch holds numbers that cannot be: {numbers!r:.200}.")
        self.detection.restore(numbers[n_own:])
        self.numbers = restored
