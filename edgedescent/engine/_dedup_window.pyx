"""Window of recent events with ids: a ring of hashes with an index, of fixed size."""
import numpy as np

from libc.stdint cimport uint32_t, uint64_t

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define PREFETCH(address) __builtin_prefetch(address)
    #else
    #define PREFETCH(address) ((void)(address))
    #endif
    """
    void PREFETCH(const void* address) noexcept nogil

cdef enum:
    # References to slots are numbers of 32 bits.
    WINDOW_MAX = 1 << 29
    # Reference of a free place of the index.
    FREE = 0


cdef inline uint32_t reference_to(Py_ssize_t slot) noexcept nogil:
    """Reference to a slot of the ring whose event is the newest with its key."""
    return <uint32_t>(2 * slot + 2)


cdef inline Py_ssize_t slot_of(IndexEntry entry) noexcept nogil:
    """Slot of the ring that an entry of the index refers to."""
    return (entry.reference >> 1) - 1


cdef class DedupWindow:
    """The last learned events, by which repeats are told from other events with the same id.

    An event is a key, the hash of its id and source, and the hash of its content. Several events may have the same key:
    a sensor may count anew, or give all its events one id. Whatever they share, a lookup takes the same time.

    An event takes up 32 to 48 bytes. The probability that an event is taken for a repeat because the hashes of two
    events are the same is window / 2^128, and window / 2^64 if somebody gives all events one id: once in 9 million
    years at 1000 events per second and the default window.

    Args:
        window: number of events that are remembered.

    Raises:
        ValueError: if it is < 1 or > 2^29.
    """

    # An entry of the index refers to a slot of the ring. It carries 32 bits of the hash that it is found by, so that probing
    # reads the ring, which is too large for the cache, only where these are equal.

    def __init__(self, Py_ssize_t window):
        if not 1 <= window <= WINDOW_MAX:
            raise ValueError(f"The window of recent ids must be at least 1 and at most {WINDOW_MAX}. Got {window}.")
        cdef uint64_t[:, ::1] words = np.zeros((window, 2), dtype=np.uint64)
        cdef uint32_t[:, ::1] entries
        cdef Py_ssize_t size = 1
        while size < 2 * window:
            size *= 2
        self.window = window
        self.entries = np.zeros((size, 2), dtype=np.uint32)
        entries = self.entries
        self.index = <IndexEntry*>&entries[0, 0]
        self.mask = size - 1
        self.array = words.base
        self.ring = <SeenEvent*>&words[0, 0]
        self.n_added = 0

    cdef Py_ssize_t _find_newest(self, uint64_t key) noexcept nogil:
        """Place in the index of the newest event with a key, or the free place where it belongs."""
        cdef uint32_t hash = <uint32_t>key
        cdef uint64_t place = hash & self.mask
        cdef IndexEntry entry
        while True:
            entry = self.index[place]
            if entry.reference == FREE or (
                    entry.hash == hash and not entry.reference & 1 and self.ring[slot_of(entry)].key == key):
                return place
            place = (place + 1) & self.mask

    cdef Py_ssize_t _find_earlier(self, uint64_t key, uint64_t content) noexcept nogil:
        """Place in the index of an event that is not the newest with its key, or the free place where it belongs."""
        cdef uint32_t hash = <uint32_t>(key ^ content)
        cdef uint64_t place = hash & self.mask
        cdef IndexEntry entry
        cdef SeenEvent* event
        while True:
            entry = self.index[place]
            if entry.reference == FREE:
                return place
            if entry.hash == hash and entry.reference & 1:
                event = &self.ring[slot_of(entry)]
                if event.key == key and event.content == content:
                    return place
            place = (place + 1) & self.mask

    cdef void _remove(self, Py_ssize_t place) noexcept nogil:
        """Empty a place, and move up the entries that probing would no longer find behind it (Knuth 6.4, algorithm R)."""
        cdef uint64_t gap = place, probe = place, home
        while True:
            self.index[gap].reference = FREE
            while True:
                probe = (probe + 1) & self.mask
                if self.index[probe].reference == FREE:
                    return
                home = self.index[probe].hash & self.mask
                if not (gap < home <= probe if gap <= probe else (gap < home or home <= probe)):
                    break
            self.index[gap] = self.index[probe]
            gap = probe

    cdef void _forget(self, Py_ssize_t slot) noexcept nogil:
        """Remove the oldest event, that of a slot."""
        cdef SeenEvent* event = &self.ring[slot]
        cdef Py_ssize_t place = self._find_newest(event.key)
        if self.index[place].reference != reference_to(slot):
            place = self._find_earlier(event.key, event.content)
        self._remove(place)

    cdef bint _knows(self, uint64_t key) noexcept nogil:
        """True if an event with this key is in the window."""
        return self.index[self._find_newest(key)].reference != FREE

    cdef bint _holds(self, uint64_t key, uint64_t content) noexcept nogil:
        """True if an event with this key and this content is in the window."""
        cdef IndexEntry newest = self.index[self._find_newest(key)]
        if newest.reference == FREE:
            return False
        return (self.ring[slot_of(newest)].content == content
                or self.index[self._find_earlier(key, content)].reference != FREE)

    cdef void _insert(self, Py_ssize_t slot, uint64_t key, uint64_t content) noexcept nogil:
        """Put an event that is not in the window into a free slot."""
        cdef Py_ssize_t place = self._find_newest(key)
        cdef IndexEntry before = self.index[place]
        cdef uint64_t earlier
        if before.reference != FREE:
            earlier = self.ring[slot_of(before)].content
            self._remove(place)
            self.index[self._find_earlier(key, earlier)] = IndexEntry(<uint32_t>(key ^ earlier), before.reference + 1)
            place = self._find_newest(key)
        self.ring[slot] = SeenEvent(key, content)
        self.index[place] = IndexEntry(<uint32_t>key, reference_to(slot))

    cdef void _append(self, uint64_t key, uint64_t content) noexcept nogil:
        """Add an event that is not in the window, in place of the oldest."""
        cdef Py_ssize_t slot = self.n_added % self.window
        if self.n_added >= self.window:
            self._forget(slot)
        self._insert(slot, key, content)
        self.n_added += 1
        # The oldest event goes next.
        PREFETCH(&self.index[self.ring[self.n_added % self.window].key & self.mask])

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
        self.array, self.ring, self.entries, self.index = found.array, found.ring, found.entries, found.index
        self.n_added = found.n_added
