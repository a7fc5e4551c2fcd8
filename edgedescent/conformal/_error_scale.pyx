"""Forgetting scale of absolute errors, by the size of the prediction.

The errors of most streams are larger where the prediction is larger: those of a count, of a power, of a traffic volume.
So the scale of the next error e is the forgetting mean of all errors, times a factor that depends on the prediction p::

    scale(p) = m h(u),    u = (p - center) / deviation

    r <- e / m                                  winsorized at 10
    h <- h + 0.02 (r - h)                       at the two knots beside u, in proportion to their nearness
    m <- m + 0.01 (min(e, 20 m) - m)
    largest <- max(0.998 largest, min(e, 50 m))

h is piecewise linear between nine knots, half a deviation apart, and 1 at first. Center and deviation are forgetting
ones of the predictions. The first events count equally: a rate is at least 1 / n.

An error counts for at most 20 times the mean, so that one absurd label widens the intervals a little and for a short
time; a run of large errors multiplies the mean by 1.19 at each of them, by 1000 within 40 events.
"""
import numpy as np

from libc.math cimport sqrt

cdef double RATE = 0.01
cdef double FACTOR_RATE = 0.02
cdef double CENTER_RATE = 0.005
cdef double LARGEST_KEPT = 0.998
# Bounds on an error in means, for the mean, the largest and a factor, and on a prediction in deviations.
cdef double ERROR_MAX = 20.0
cdef double LARGEST_MAX = 50.0
cdef double RATIO_MAX = 10.0
cdef double DISTANCE_MAX = 5.0
cdef double KNOTS_PER_DEVIATION = 2.0


cdef class ErrorScale:
    """Forgetting mean of absolute errors, with a factor by the size of the prediction."""

    def __cinit__(self):
        cdef int i
        self.n = 0
        self.mean = self.largest = self.center = self.variance = 0.0
        for i in range(KNOTS):
            self.factors[i] = 1.0

    cdef double locate(self, double prediction, int* knot) noexcept nogil:
        """Return how far a prediction lies from the `knot` below it towards the next, from 0 to 1."""
        cdef double place = 0.5 * (KNOTS - 1)
        if self.variance > 0.0:
            place += KNOTS_PER_DEVIATION * (prediction - self.center) / sqrt(self.variance)
        place = place if place > 0.0 else 0.0
        place = place if place < KNOTS - 1 else KNOTS - 1
        knot[0] = <int>place
        if knot[0] > KNOTS - 2:
            knot[0] = KNOTS - 2
        return place - knot[0]

    cdef double at(self, double prediction) noexcept nogil:
        """Return the scale of the error of a prediction; 0 before the first error."""
        cdef int knot
        cdef double share = self.locate(prediction, &knot)
        return self.mean * ((1.0 - share) * self.factors[knot] + share * self.factors[knot + 1])

    cdef void update(self, double prediction, double error) noexcept nogil:
        """Take in the absolute error of a prediction; both are bounded."""
        cdef int knot
        cdef double first = 1.0 / (self.n + 1), share = self.locate(prediction, &knot), ratio, distance, limit
        self.largest *= LARGEST_KEPT
        if self.mean > 0.0:
            limit = LARGEST_MAX * self.mean
            limit = limit if limit < error else error
            self.largest = limit if limit > self.largest else self.largest
            ratio = error / self.mean
            ratio = ratio if ratio < RATIO_MAX else RATIO_MAX
            self.factors[knot] += FACTOR_RATE * (1.0 - share) * (ratio - self.factors[knot])
            self.factors[knot + 1] += FACTOR_RATE * share * (ratio - self.factors[knot + 1])
            limit = ERROR_MAX * self.mean
            error = error if error < limit else limit
        else:
            self.largest = error if error > self.largest else self.largest
        self.mean += (first if first > RATE else RATE) * (error - self.mean)
        if self.n == 0:
            self.center = prediction
        distance = prediction - self.center
        if self.variance > 0.0:
            limit = DISTANCE_MAX * sqrt(self.variance)
            distance = distance if distance < limit else limit
            distance = distance if distance > -limit else -limit
        self.center += (first if first > CENTER_RATE else CENTER_RATE) * distance
        self.variance += (first if first > CENTER_RATE else CENTER_RATE) * (distance * distance - self.variance)
        self.n += 1

    def save(self):
        """Return all values as one array, shape (14,)."""
        cdef int i
        values = [self.n, self.mean, self.largest, self.center, self.variance]
        return np.array(values + [self.factors[i] for i in range(KNOTS)], dtype=np.float64)

    def restore(self, values):
        """Restore what `save` returned.

        Raises:
            ValueError: If it is not as many finite numbers, or one that cannot be negative is.
        """
        cdef int i
        if values.shape != (SCALE_VALUES,) or not np.isfinite(values).all() or (np.delete(values, 3) < 0.0).any():
            raise ValueError(f"A scale of errors must be {SCALE_VALUES} finite numbers. Got {values!r:.200}.")
        self.n = int(values[0])
        self.mean, self.largest, self.center, self.variance = values[1:5].tolist()
        for i in range(KNOTS):
            self.factors[i] = values[5 + i]
