"""Exact top-k selection in one pass, with memory for k entries."""
from libc.stdlib cimport free, malloc


cdef inline bint is_before(const Ranked* a, const Ranked* b) noexcept nogil:
    return a.score > b.score or (a.score == b.score and a.place < b.place)


cdef class TopK:
    """Selection of the `k` highest scores; among equal scores, the lowest places win.

    A binary heap with the worst selected score at the root, so that most scores are rejected with one comparison.

    Args:
        k: Maximum number of selected scores.
    """

    def __cinit__(self, Py_ssize_t k):
        self.heap = <Ranked*>malloc(max(k, 1) * sizeof(Ranked))
        if self.heap == NULL:
            raise MemoryError(f"There is no memory for the best {k}.")
        self.k = k
        self.n = 0

    def __dealloc__(self):
        free(self.heap)

    cdef void offer(self, double score, Py_ssize_t place) noexcept nogil:
        """Add a score and its place, if it is among the `k` best so far."""
        cdef Ranked one = Ranked(score, place)
        cdef Py_ssize_t i, parent
        if self.n < self.k:
            i = self.n
            self.n += 1
            while i > 0:
                parent = (i - 1) // 2
                if not is_before(&self.heap[parent], &one):
                    break
                self.heap[i] = self.heap[parent]
                i = parent
            self.heap[i] = one
        elif self.k > 0 and is_before(&one, &self.heap[0]):
            self._sink(one)

    cdef void _sink(self, Ranked one) noexcept nogil:
        """Replace the root by `one` and restore the heap order."""
        cdef Py_ssize_t i = 0, child = 1
        while child < self.n:
            if child + 1 < self.n and is_before(&self.heap[child], &self.heap[child + 1]):
                child += 1
            if not is_before(&one, &self.heap[child]):
                break
            self.heap[i] = self.heap[child]
            i = child
            child = 2 * i + 1
        self.heap[i] = one

    cdef list places(self):
        """Return the places of the selected scores, best first, and empty the heap."""
        cdef list result = [0] * self.n
        while self.n > 0:
            self.n -= 1
            result[self.n] = self.heap[0].place
            self._sink(self.heap[self.n])
        return result
