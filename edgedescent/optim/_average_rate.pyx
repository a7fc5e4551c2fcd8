"""Rate at which an average of iterates follows them, adapted to the stream.

Predictions of an average tremble less than those of the last iterate, but lag behind where the best parameters move. The rate
itself descends the gradient of the loss. With s the slope of the loss at the score of the average, and d the score of the last
iterate minus that of the average, both of an event that is not learned yet::

    g    = clip(s / mean |s|, ±3) clip(d / mean |d|, ±3)
    rate <- clip(rate (1 - 0.01 g), 0.005, 0.5)

A product below 0 says that the last iterate is nearer to the target, as where the average lags; above 0, that the average still
follows noise.
"""
import numpy as np

from libc.math cimport fabs

from edgedescent.numerics._numbers cimport clipped

# Share by which an event changes the rate, for slope and distance of mean size.
cdef double STEP = 0.01
cdef double RATE_MIN = 0.005
cdef double RATE_MAX = 0.5
# Rate of the mean sizes, and the number of mean sizes that a single event counts for at most.
cdef double SIZE_RATE = 0.01
cdef double OUTLYING = 3.0


cdef class AverageRate:
    """Adapted rate of an average of iterates.

    The mean sizes start as plain averages. The rate stays as it is in the first 100 events.

    Args:
        first: The rate at first, 0.005 to 0.5; values beyond are clipped.

    Example:
        >>> rate = AverageRate(0.06)
        >>> for _ in range(300):
        ...     rate.update(slope=-1.0, distance=1.0)   # the average is too low, and the last iterate is higher
        >>> 0.06 < rate.rate <= 0.5
        True
    """

    def __init__(self, double first):
        self.rate = min(max(first, RATE_MIN), RATE_MAX)
        self.slope = self.distance = 0.0
        self.count = 0

    cdef void observe(self, double slope, double distance) noexcept nogil:
        """Take in the slope of the loss at the score of the average, and the distance from there to the last iterate's."""
        cdef double share, product, rate
        self.count += 1
        share = 1.0 / self.count
        share = share if share > SIZE_RATE else SIZE_RATE
        self.slope += share * (fabs(slope) - self.slope)
        self.distance += share * (fabs(distance) - self.distance)
        if share > SIZE_RATE or self.slope <= 0.0 or self.distance <= 0.0:
            return
        product = clipped(slope / self.slope, OUTLYING) * clipped(distance / self.distance, OUTLYING)
        rate = self.rate * (1.0 - STEP * product)
        rate = rate if rate > RATE_MIN else RATE_MIN
        self.rate = rate if rate < RATE_MAX else RATE_MAX

    def update(self, double slope, double distance):
        """Take in an event.

        Args:
            slope: Derivative of the loss at the score of the average.
            distance: Score of the last iterate minus that of the average.
        """
        self.observe(slope, distance)

    def save(self):
        """Return the rate, the mean sizes and the number of events as one array."""
        return np.array([self.rate, self.slope, self.distance, self.count])

    def restore(self, values):
        """Restore the array that `save` returned.

        Raises:
            ValueError: If it is not 4 finite numbers >= 0, the first of which is a rate.
        """
        if (len(values) != 4 or not np.isfinite(values).all() or (values < 0.0).any()
                or not RATE_MIN <= values[0] <= RATE_MAX):
            raise ValueError(
                f"The state's `average_rate` must be 4 numbers >= 0, the first {RATE_MIN} to {RATE_MAX}. Got {values!r}.")
        self.rate, self.slope, self.distance, count = values.tolist()
        self.count = int(count)
