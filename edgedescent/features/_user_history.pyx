"""The items that each user was learned with lately."""
import numpy as np

cdef enum:
    # An entry is an item's row in its lowest bits, as many as a vocabulary may have rows, and an event number above.
    ROW_BITS = 24
    ROW_MASK = (1 << 24) - 1


cdef class UserHistory:
    """For each user the latest `depth` different items; a further one replaces the oldest.

    An entry holds the number of its event, which tells whether the item's row was assigned to another item since.
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
        """Make room for so many users' rows."""
        if self.depth and users > self.users:
            self._make(max(users, 2 * self.users))
        return 0

    cdef void clear(self, Py_ssize_t user) noexcept nogil:
        """Forget the items of a user."""
        if self.depth:
            self.counts[user] = 0

    cdef Py_ssize_t size(self, Py_ssize_t user) noexcept nogil:
        """Number of entries that a user has."""
        if self.depth == 0:
            return 0
        return self.counts[user] if self.counts[user] < self.depth else self.depth

    cdef Py_ssize_t item(self, Py_ssize_t user, Py_ssize_t place, const long long* assigned_at) noexcept nogil:
        """The item's row in one of a user's entries; 0 where the row was assigned to another item since."""
        cdef long long entry = self.entries[user * self.depth + place]
        return entry & ROW_MASK if assigned_at[entry & ROW_MASK] <= entry >> ROW_BITS else 0

    cdef bint holds(self, Py_ssize_t user, Py_ssize_t item, const long long* assigned_at) noexcept nogil:
        """True if a user was lately learned with an item."""
        cdef Py_ssize_t place
        for place in range(self.size(user)):
            if self.item(user, place, assigned_at) == item:
                return True
        return False

    cdef void add(self, Py_ssize_t user, Py_ssize_t item, long long now, const long long* assigned_at) noexcept nogil:
        """Note that a user was learned with an item in event `now`."""
        # An item that comes again and again must not push out all the others.
        if self.depth == 0 or user == 0 or item == 0 or self.holds(user, item, assigned_at):
            return
        self.entries[user * self.depth + self.counts[user] % self.depth] = now << ROW_BITS | item
        self.counts[user] += 1

    def save(self, Py_ssize_t users):
        """Number of items that each user was ever learned with, and the entries of all users, one after the other."""
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
