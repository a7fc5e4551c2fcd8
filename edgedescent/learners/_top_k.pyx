"""The best k of many, exactly, in one pass and in memory for k."""
from libc.stdlib cimport free, malloc


cdef inline bint is_before(const Ranked* a, const Ranked* b) noexcept nogil:
    return a.score > b.score or (a.score == b.score and a.place < b.place)


cdef class TopK:
    """Keeps the `k` highest of the scores it is offered; of equal ones those with the lowest places.

    A binary heap whose root is the worst of those kept, so that almost every score is turned away by one comparison.
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
        """Put `one` in the place of the root."""
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
        """The places of those kept, best first; nothing is kept any more then."""
        cdef list result = [0] * self.n
        while self.n > 0:
            self.n -= 1
            result[self.n] = self.heap[0].place
            self._sink(self.heap[self.n])
        return result
