"""The latest scores, in order of arrival and sorted."""
import numpy as np

from libc.string cimport memmove


cdef class ScoreWindow:
    """Ring of the latest scores, which are kept sorted too: a quantile is one look-up, a new score one shift.

    Args:
        size: Number of scores that are kept, >= 1.
    """

    def __init__(self, Py_ssize_t size):
        cdef double[::1] ring = np.zeros(size), ordered = np.zeros(size)
        self.size, self.n, self.next = size, 0, 0
        self.ring, self.ordered = &ring[0], &ordered[0]
        self.arrays = (np.asarray(ring), np.asarray(ordered))

    cdef Py_ssize_t n_below(self, double score) noexcept nogil:
        """Return the number of scores that are less than one."""
        cdef Py_ssize_t low = 0, high = self.n, middle
        while low < high:
            middle = (low + high) // 2
            if self.ordered[middle] < score:
                low = middle + 1
            else:
                high = middle
        return low

    cdef void push(self, double score) noexcept nogil:
        """Take in a score; a full window loses its oldest one."""
        cdef Py_ssize_t place
        if self.n == self.size:
            place = self.n_below(self.ring[self.next])
            self.n -= 1
            memmove(&self.ordered[place], &self.ordered[place + 1], (self.n - place) * sizeof(double))
        place = self.n_below(score)
        memmove(&self.ordered[place + 1], &self.ordered[place], (self.n - place) * sizeof(double))
        self.ordered[place] = score
        self.n += 1
        self.ring[self.next] = score
        self.next = self.next + 1 if self.next + 1 < self.size else 0

    def save(self):
        """Return the scores, the oldest first, and zeros behind them, shape (size,)."""
        return np.roll(self.arrays[0], -self.next if self.n == self.size else 0)

    def restore(self, const double[::1] scores, Py_ssize_t n):
        """Restore what `save` returned, of which the first `n` are scores.

        Raises:
            ValueError: If the array has another length, `n` is out of range, or a score is not finite and >= 0.
        """
        if scores.shape[0] != self.size or not 0 <= n <= self.size:
            raise ValueError(f"A window must hold 0 to {self.size} scores. Got {n} in an array of {scores.shape[0]}.")
        values = np.array(scores)
        if not (np.isfinite(values) & (values >= 0.0)).all() or values[n:].any():
            raise ValueError("The scores of a window must be finite and >= 0, and zeros behind the last one.")
        ring, ordered = self.arrays
        ring[:] = values
        ordered[:] = 0.0
        ordered[:n] = np.sort(values[:n])
        self.n, self.next = n, n % self.size
