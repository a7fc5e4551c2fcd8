"""Window of recent events with ids: a ring of hashes with an index, of fixed size."""
import numpy as np

from libc.stdint cimport int32_t, uint64_t

cdef enum:
    EMPTY = -1
    # Entries of the index are numbers of 32 bits.
    WINDOW_MAX = 1 << 29


cdef class DedupWindow:
    """The last learned events, by which repeats are told from other events with the same id.

    An event is a key, the hash of its id and source, and the hash of its content. Several events may have the same key:
    a sensor may count anew, or give all its events one id. Whatever they share, a lookup takes the same time.

    An event takes up 24 to 32 bytes. The probability that an event is taken for a repeat because the hashes of two
    events are the same is window / 2^128, and window / 2^64 if somebody gives all events one id: once in 9 million
    years at 1000 events per second and the default window.

    Args:
        window: number of events that are remembered.

    Raises:
        ValueError: if it is < 1 or > 2^29.
    """

    # An entry of the index is twice the slot of an event in the ring, which is found by its key. One more stands for an
    # event behind which another one with its key came; it is found by key and content.

    def __init__(self, Py_ssize_t window):
        if not 1 <= window <= WINDOW_MAX:
            raise ValueError(f"The window of recent ids must be at least 1 and at most {WINDOW_MAX}. Got {window}.")
        cdef uint64_t[:, ::1] words = np.zeros((window, 2), dtype=np.uint64)
        cdef Py_ssize_t size = 1
        while size < 2 * window:
            size *= 2
        self.window = window
        self.index = np.full(size, EMPTY, dtype=np.int32)
        self.mask = size - 1
        self.array = words.base
        self.ring = <SeenEvent*>&words[0, 0]
        self.n_added = 0

    cdef uint64_t _home(self, int32_t entry) noexcept nogil:
        """Place in the index at which the search for an entry begins."""
        cdef SeenEvent* event = &self.ring[entry >> 1]
        return (event.key ^ event.content if entry & 1 else event.key) & self.mask

    cdef Py_ssize_t _find_newest(self, uint64_t key) noexcept nogil:
        """Place in the index of the newest event with a key, or the free place where it belongs."""
        cdef uint64_t place = key & self.mask
        cdef int32_t entry
        while True:
            entry = self.index[place]
            if entry == EMPTY or (not entry & 1 and self.ring[entry >> 1].key == key):
                return place
            place = (place + 1) & self.mask

    cdef Py_ssize_t _find_earlier(self, uint64_t key, uint64_t content) noexcept nogil:
        """Place in the index of an event that is not the newest with its key, or the free place where it belongs."""
        cdef uint64_t place = (key ^ content) & self.mask
        cdef int32_t entry
        while True:
            entry = self.index[place]
            if entry == EMPTY or (
                    entry & 1 and self.ring[entry >> 1].key == key and self.ring[entry >> 1].content == content):
                return place
            place = (place + 1) & self.mask

    cdef void _remove(self, Py_ssize_t place) noexcept nogil:
        """Empty a place, and move up the entries that probing would no longer find behind it (Knuth 6.4, algorithm R)."""
        cdef uint64_t gap = place, probe = place, home
        while True:
            self.index[gap] = EMPTY
            while True:
                probe = (probe + 1) & self.mask
                if self.index[probe] == EMPTY:
                    return
                home = self._home(self.index[probe])
                if not (gap < home <= probe if gap <= probe else (gap < home or home <= probe)):
                    break
            self.index[gap] = self.index[probe]
            gap = probe

    cdef void _forget(self, Py_ssize_t slot) noexcept nogil:
        """Remove the oldest event, that of a slot."""
        cdef SeenEvent* event = &self.ring[slot]
        cdef Py_ssize_t place = self._find_newest(event.key)
        if self.index[place] != 2 * slot:
            place = self._find_earlier(event.key, event.content)
        self._remove(place)

    cdef bint _knows(self, uint64_t key) noexcept nogil:
        """True if an event with this key is in the window."""
        return self.index[self._find_newest(key)] != EMPTY

    cdef bint _holds(self, uint64_t key, uint64_t content) noexcept nogil:
        """True if an event with this key and this content is in the window."""
        cdef int32_t newest = self.index[self._find_newest(key)]
        if newest == EMPTY:
            return False
        return (self.ring[newest >> 1].content == content
                or self.index[self._find_earlier(key, content)] != EMPTY)

    cdef void _insert(self, Py_ssize_t slot, uint64_t key, uint64_t content) noexcept nogil:
        """Put an event that is not in the window into a free slot."""
        cdef Py_ssize_t place = self._find_newest(key)
        cdef int32_t before = self.index[place]
        if before != EMPTY:
            self._remove(place)
            self.index[self._find_earlier(key, self.ring[before >> 1].content)] = before + 1
            place = self._find_newest(key)
        self.ring[slot] = SeenEvent(key, content)
        self.index[place] = <int32_t>(2 * slot)

    cdef void _append(self, uint64_t key, uint64_t content) noexcept nogil:
        """Add an event that is not in the window, in place of the oldest."""
        cdef Py_ssize_t slot = self.n_added % self.window
        if self.n_added >= self.window:
            self._forget(slot)
        self._insert(slot, key, content)
        self.n_added += 1

    def add(self, uint64_t key, uint64_t content):
        """Add an event; False if it is in the window already."""
        if self._holds(key, content):
            return False
        self._append(key, content)
        return True

    def knows(self, uint64_t key):
        """True if an event with this key is in the window, whatever its content."""
        return self._knows(key)

    def holds(self, uint64_t key, uint64_t content):
        """True if an event with this key and this content is in the window."""
        return self._holds(key, content)

    def __len__(self):
        return min(self.n_added, self.window)

    def save(self):
        """Keys and contents of the events, oldest first, shape (n_events, 2)."""
        if self.n_added <= self.window:
            return np.array(self.array[: self.n_added])
        return np.roll(self.array, -(self.n_added % self.window), axis=0)

    def restore(self, events, long long n_added):
        """Restore what `save` returned.

        Args:
            events: keys and contents, oldest first.
            n_added: number of events that were ever added.

        Raises:
            ValueError: if they are not distinct, or more than that. The window is then as it was.
        """
        words = np.ascontiguousarray(events, dtype=np.uint64)
        if words.ndim != 2 or words.shape[1] != 2:
            raise ValueError(f"The events of the window must have the shape (n_events, 2). Got {words.shape}.")
        cdef uint64_t[:, ::1] pairs = words
        cdef Py_ssize_t n = words.shape[0], kept = min(n, self.window), i
        cdef DedupWindow found = DedupWindow(self.window)
        # The window may be smaller than the saved one, which then keeps the newest.
        found.n_added = n_added - kept if kept == self.window else 0
        for i in range(n - kept, n):
            if n_added < n or found._holds(pairs[i, 0], pairs[i, 1]):
                raise ValueError(f"{n} events are not the distinct newest of {n_added} that were added.")
            found._insert(found.n_added % self.window, pairs[i, 0], pairs[i, 1])
            found.n_added += 1
        self.array, self.ring, self.index, self.n_added = found.array, found.ring, found.index, found.n_added
