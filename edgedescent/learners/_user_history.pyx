"""Which items each user has met lately."""
import numpy as np

cdef enum:
    # An entry is an item's row in its lowest bits, as many as a vocabulary may have rows, and an event number above.
    ROW_BITS = 24
    ROW_MASK = (1 << 24) - 1


cdef class UserHistory:
    """For each user the latest `depth` different items, the oldest giving way.

    An entry holds the number of its event, so that an item's row which went to another item since is told apart.
    """

    def __init__(self, Py_ssize_t depth):
        self.depth = depth
        self._make(1)

    def _make(self, Py_ssize_t users):
        cdef long long[:, ::1] entries = np.zeros((users, max(self.depth, 1)), dtype=np.int64)
        cdef long long[::1] counts = np.zeros(users, dtype=np.int64)
        larger = [np.asarray(entries), np.asarray(counts)]
        if self.arrays is not None:
            for new, old in zip(larger, self.arrays):
                new[: len(old)] = old
        self.arrays = larger
        self.entries, self.counts = &entries[0, 0], &counts[0]
        self.users = users

    cdef int make_room(self, Py_ssize_t users) except -1:
        """Room for so many users' rows."""
        if self.depth and users > self.users:
            self._make(users)
        return 0

    cdef void clear(self, Py_ssize_t user) noexcept nogil:
        """Forget what the user of a row has met."""
        if self.depth:
            self.counts[user] = 0

    cdef Py_ssize_t size(self, Py_ssize_t user) noexcept nogil:
        """How many entries a user has."""
        if self.depth == 0:
            return 0
        return self.counts[user] if self.counts[user] < self.depth else self.depth

    cdef Py_ssize_t item(self, Py_ssize_t user, Py_ssize_t place, const long long* born) noexcept nogil:
        """The item's row in one of a user's entries; 0 where the row went to another item since."""
        cdef long long entry = self.entries[user * self.depth + place]
        return entry & ROW_MASK if born[entry & ROW_MASK] <= entry >> ROW_BITS else 0

    cdef void add(self, Py_ssize_t user, Py_ssize_t item, long long now, const long long* born) noexcept nogil:
        """Note that a user met an item in event `now`; `born` are the items' births."""
        cdef Py_ssize_t place
        if self.depth == 0 or user == 0 or item == 0:
            return
        for place in range(self.size(user)):
            # One that comes again and again must not push out all the others.
            if self.item(user, place, born) == item:
                return
        self.entries[user * self.depth + self.counts[user] % self.depth] = now << ROW_BITS | item
        self.counts[user] += 1

    def save(self, Py_ssize_t users):
        """How many items each user ever met, and the entries of all users, one after the other."""
        entries, counts = self.arrays
        if self.depth == 0:
            users = 0
        counts = np.array(counts[:users])
        used = np.arange(entries.shape[1]) < counts[:, None]
        return {"seen.counts": counts, "seen.entries": entries[:users][used]}

    def restore(self, counts, entries, Py_ssize_t users, Py_ssize_t items, long long n_events):
        """Take what `save` returned; raises ValueError where it does not fit so many rows and events."""
        used = np.minimum(counts, self.depth)
        if len(counts) != (users if self.depth else 0) or (counts < 0).any() or used.sum() != len(entries) or (
                len(entries) and (entries.min() < 0 or (entries & ROW_MASK).max() >= items
                                  or (entries >> ROW_BITS).max() >= n_events)):
            raise ValueError(f"The {len(entries)} entries in the state's `seen` do not fit {users} users' rows.")
        self.arrays = None
        self._make(max(users, 1))
        if self.depth:
            self.arrays[1][:users] = counts
            self.arrays[0][:users][np.arange(self.depth) < counts[:, None]] = entries
