"""Guard against outlying labels: they are replaced before they become lags and targets, where that has been right.

A label is outlying if it is more than ten times the mean absolute error away from its prediction. It is a faulty one, or
the level of the stream has moved; the next label tells::

    loss of the label as it came:    min(1, |yₜ₊₁ - yₜ| / |yₜ - fₜ|)
    loss of its replacement:         min(1, |yₜ₊₁ - fₜ| / |yₜ - fₜ|)

where f is the prediction. The forgetting means of both losses, for nine sizes of outliers each, decide whether the next
outlying label is replaced. At first it is. Two outlying labels in a row that agree with each other are a move: the
first of them is put back. Of three or more in a row only the first two are replaced.

A replaced label teaches as if it were at the threshold, on its own side of the prediction.
"""
import numpy as np

from libc.math cimport fabs

# Multiples of the mean absolute error at which the sizes of outliers begin.
cdef double[SIZES] LIMITS = [1e1, 3e1, 1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5]
# Share of the losses that the latest outlier has.
cdef double RATE = 0.2
cdef double RATE_OF_OTHERS = 0.1
# First losses: a label that is replaced for nothing harms one prediction, one that is not replaced many.
cdef double FIRST_LOSS_RAW = 0.55
cdef double FIRST_LOSS_REPLACED = 0.45

cdef enum:
    # So many outlying labels in a row are none: the error that they are compared with is out of date.
    RUN_MIN = 3


cdef class LabelGuard:
    """Decision whether an outlying label is replaced, and by what."""

    def __cinit__(self):
        cdef int i
        for i in range(SIZES):
            self.losses[i][0], self.losses[i][1] = FIRST_LOSS_RAW, FIRST_LOSS_REPLACED
        self.size = -1
        self.raw = self.prediction = self.before = self.limit = 0.0
        self.is_replaced = self.puts_back = False
        self.run = self.n_replaced = 0

    cdef void observe(self, double y, double prediction, double scale) noexcept nogil:
        """Take in a label: judge the outlier before it, and decide on this one.

        Args:
            y: Label.
            prediction: Prediction of it.
            scale: Mean absolute error of the predictions; 0 if it is not known yet.
        """
        cdef int size = size_of(y, prediction, scale)
        cdef double error = fabs(y - prediction)
        cdef bint moved = False
        if self.size >= 0:
            self._judge(y)
            if fabs(y - self.prediction) < 0.5 * error:
                # Back from an outlier that was let through.
                size = -1
            # Two in a row that agree with each other are a move of the level.
            moved = size >= 0 and fabs(y - self.raw) < error
        self.puts_back = moved and self.is_replaced
        self.before = self.raw
        self.run = self.run + 1 if size >= 0 else 0
        self.is_replaced = (size >= 0 and not moved and self.run < RUN_MIN
                            and self.losses[size][0] > self.losses[size][1])
        self.n_replaced += self.is_replaced
        self.size, self.raw, self.prediction, self.limit = size, y, prediction, LIMITS[0] * scale

    cdef void _judge(self, double y) noexcept nogil:
        """Update the losses by the label that follows an outlier."""
        cdef double distance = fabs(self.raw - self.prediction)
        cdef double raw = capped(fabs(y - self.raw) / distance), replaced = capped(fabs(y - self.prediction) / distance)
        cdef double rate
        cdef int i
        for i in range(SIZES):
            rate = RATE
            if i != self.size:
                # If large jumps are real, smaller ones are too; if small ones are faults, larger ones are too.
                rate = RATE_OF_OTHERS if (i < self.size) == (raw < replaced) else 0.0
            self.losses[i][0] += rate * (raw - self.losses[i][0])
            self.losses[i][1] += rate * (replaced - self.losses[i][1])

    cdef double label(self) noexcept nogil:
        """Return the observed label as it is learned."""
        if not self.is_replaced:
            return self.raw
        return self.prediction + (self.limit if self.raw > self.prediction else -self.limit)

    cdef double lag(self) noexcept nogil:
        """Return the observed label as it becomes a lag."""
        return self.prediction if self.is_replaced else self.raw

    def admit(self, double y, double prediction, double scale):
        """Take in a label; returns what is learned, what becomes a lag, and the label before it if that is put back."""
        self.observe(y, prediction, scale)
        return self.label(), self.lag(), self.before if self.puts_back else None

    def save(self):
        """Return the losses, the label observed last with its prediction, and the number of replaced labels."""
        return {
            "guard.losses": np.array([[self.losses[i][0], self.losses[i][1]] for i in range(SIZES)]),
            "guard.numbers": np.array([self.raw, self.prediction]),
            "guard.counts": np.array([self.size, self.is_replaced, self.n_replaced, self.run], dtype=np.int64),
        }

    def restore(self, dict state):
        """Restore what `save` returned.

        Raises:
            ValueError: If it is inconsistent.
        """
        losses, numbers, counts = state["guard.losses"], state["guard.numbers"], state["guard.counts"]
        if (losses.shape != (SIZES, 2) or (losses < 0.0).any() or (losses > 1.0).any() or numbers.shape != (2,)
                or counts.shape != (4,) or not -1 <= counts[0] < SIZES or not 0 <= counts[1] <= 1 or (counts[2:] < 0).any()
                or (counts[0] >= 0 and numbers[0] == numbers[1])):
            raise ValueError("The state's guard against outlying labels is inconsistent.")
        for i in range(SIZES):
            self.losses[i][0], self.losses[i][1] = losses[i].tolist()
        self.raw, self.prediction = numbers.tolist()
        self.size, self.is_replaced, self.n_replaced, self.run = counts.tolist()


cdef int size_of(double y, double prediction, double scale) noexcept nogil:
    """Return the size of an outlier, or -1 for an ordinary label."""
    cdef double error = fabs(y - prediction)
    cdef int size = -1
    if scale <= 0.0:
        return -1
    while size + 1 < SIZES and error > LIMITS[size + 1] * scale:
        size += 1
    return size


cdef double capped(double loss) noexcept nogil:
    """Return a loss, at most 1."""
    return loss if loss < 1.0 else 1.0
