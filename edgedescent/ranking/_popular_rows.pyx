"""Rows of the most popular items, and all scores of popularity, as of their last renewal.

To score n items costs time in proportion to n. Therefore it is done once in 1 + n // 256 events: the cost of an event does
not grow with the catalogue, and is exact where that is small.
"""
import numpy as np

from edgedescent.ranking._top_k cimport TopK

cdef enum:
    SCORED_PER_EVENT = 256

# Score of a row that no renewal has seen.
cdef float ABSENT = -1e9


cdef class PopularRows:
    """Scores of popularity by table row, and the rows of the highest.

    Args:
        n_max: Number of rows that are listed.
    """

    def __init__(self, Py_ssize_t n_max):
        cdef int[::1] listed = np.zeros(n_max, dtype=np.int32)
        self.n_max, self.n_listed = n_max, 0
        self.listed_array, self.listed = np.asarray(listed), &listed[0]
        self._make(16)

    def _make(self, Py_ssize_t rows):
        cdef float[::1] scores = np.full(rows, ABSENT, dtype=np.float32)
        if self.scores_array is not None:
            np.asarray(scores)[: self.rows] = self.scores_array
        self.scores_array, self.scores, self.rows = np.asarray(scores), &scores[0], rows

    cdef int make_room(self, Py_ssize_t rows) except -1:
        """Enlarge the table to at least `rows` rows."""
        if rows > self.rows:
            self._make(max(rows, 2 * self.rows))
        return 0

    cdef bint is_due(self, Py_ssize_t rows, long long now) noexcept nogil:
        """Return whether the scores of `rows` rows are to be renewed at event number `now`."""
        return now % (1 + rows // SCORED_PER_EVENT) == 0

    cdef int renew(self, DecayedCounts counts, const float* weights, Py_ssize_t rows) except -1:
        """Score the first `rows` rows, row 0 excepted, by their counts."""
        cdef Py_ssize_t row
        for row in range(rows):
            self.scores[row] = 0.0
        counts.add_logs(self.scores, weights, 0, rows)
        self.scores[0] = ABSENT
        return self._list(rows)

    cdef int _list(self, Py_ssize_t rows) except -1:
        """List the rows with the highest scores."""
        cdef TopK best = TopK(self.n_max)
        cdef Py_ssize_t row
        for row in range(rows):
            if self.scores[row] > ABSENT and (best.n < best.k or self.scores[row] > best.heap[0].score):
                best.offer(self.scores[row], row)
        self.n_listed = best.n
        self.listed_array[: self.n_listed] = best.places()
        return 0

    def save(self, Py_ssize_t rows):
        """Return the scores of the first `rows` rows."""
        return {"popular.scores": np.array(self.scores_array[:rows])}

    def restore(self, scores, Py_ssize_t rows):
        """Take what `save` returned; raises ValueError where it does not fit `rows` rows."""
        if scores.shape != (rows,) or (np.abs(scores) > -ABSENT).any():
            raise ValueError(f"The state must have {rows} popular scores from {ABSENT:g} to {-ABSENT:g}.")
        self.scores_array = None
        self._make(max(rows, 16))
        self.scores_array[:rows] = scores
        self._list(rows)
