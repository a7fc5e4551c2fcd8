"""Window of recent event ids: a ring of hashes with an index, of fixed size."""
import numpy as np

from libc.stdint cimport uint64_t

from edgedescent.features._hash cimport hash_text

cdef enum:
    EMPTY = -1


cdef class DedupWindow:
    """Set of the last distinct event ids, by which repeats are recognized.

    It stores 64-bit hashes, 24 to 40 bytes per id. The probability that an event is taken for a repeat because two
    ids have the same hash is window / 2^64: once in 9 million years at 1000 events per second and the default window.

    Args:
        window: number of ids that are remembered.

    Raises:
        ValueError: if it is < 1.
    """

    def __init__(self, Py_ssize_t window):
        if window < 1:
            raise ValueError(f"The window of recent ids must be at least 1. Got {window}.")
        self.window = window
        self.restore(np.zeros(0, dtype=np.uint64), 0)

    cdef Py_ssize_t _find(self, uint64_t word) noexcept nogil:
        """Place in the index of a hash, or the free place where it belongs."""
        cdef uint64_t place = word & self.mask
        while self.index[place] != EMPTY and self.ring[self.index[place]] != word:
            place = (place + 1) & self.mask
        return place

    cdef void _forget(self, Py_ssize_t place) noexcept nogil:
        """Empty a place, and move up the entries that probing would no longer find behind it (Knuth 6.4, algorithm R)."""
        cdef uint64_t gap = place, probe = place, home
        while True:
            self.index[gap] = EMPTY
            while True:
                probe = (probe + 1) & self.mask
                if self.index[probe] == EMPTY:
                    return
                home = self.ring[self.index[probe]] & self.mask
                if not (gap < home <= probe if gap <= probe else (gap < home or home <= probe)):
                    break
            self.index[gap] = self.index[probe]
            gap = probe

    cdef bint _holds(self, uint64_t word) noexcept nogil:
        return self.index[self._find(word)] != EMPTY

    cdef bint _add(self, uint64_t word) noexcept nogil:
        cdef Py_ssize_t place = self._find(word), slot = self.n_added % self.window, oldest
        if self.index[place] != EMPTY:
            return False
        oldest = self._find(self.ring[slot])
        if self.index[oldest] == slot:
            self._forget(oldest)
            place = self._find(word)
        self.ring[slot] = word
        self.index[place] = slot
        self.n_added += 1
        return True

    cpdef bint add(self, str key) except? False:
        """Add an id; False if it is in the window already."""
        return self._add(hash_text(key))

    def __contains__(self, str key):
        return self._holds(hash_text(key))

    def __len__(self):
        return min(self.n_added, self.window)

    def save(self):
        """Hashes of the ids, oldest first."""
        ring = np.asarray(self.ring)
        if self.n_added <= self.window:
            return np.array(ring[: self.n_added])
        return np.roll(ring, -(self.n_added % self.window))

    def restore(self, hashes, long long n_added):
        """Restore what `save` returned.

        Args:
            hashes: of the ids, oldest first.
            n_added: number of ids that were ever added.

        Raises:
            ValueError: if they are not distinct, or more than that.
        """
        cdef uint64_t[::1] words = np.ascontiguousarray(hashes, dtype=np.uint64)
        cdef Py_ssize_t i, size = 1
        if n_added < words.shape[0] or len(np.unique(words)) != words.shape[0]:
            raise ValueError(f"{words.shape[0]} hashes are not the distinct newest of {n_added} that were added.")
        if words.shape[0] > self.window:
            # The window is smaller than the saved one: keep the newest ids.
            words = words[words.shape[0] - self.window :]
        while size < 2 * self.window:
            size *= 2
        self.ring = np.zeros(self.window, dtype=np.uint64)
        self.index = np.full(size, EMPTY, dtype=np.int64)
        self.mask = size - 1
        self.n_added = n_added - words.shape[0] if words.shape[0] == self.window else 0
        for i in range(words.shape[0]):
            self._add(words[i])
