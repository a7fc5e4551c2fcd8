"""History of the latest items of each user."""
import numpy as np

from edgedescent.numerics.growth import grown

cdef enum:
    # An entry packs the row of the item into the lowest 24 bits (at most 10 million rows), and the event number above.
    ROW_BITS = 24
    ROW_MASK = (1 << 24) - 1


cdef class UserHistory:
    """Ring buffer of the latest `depth` different items of each user.

    An entry holds the row of the item and the event number, which shows whether the row was assigned to another item
    later.

    Args:
        depth: Number of items per user; 0 disables the history.
        users_max: Number of users' rows that may ever be needed.
    """

    def __init__(self, Py_ssize_t depth, Py_ssize_t users_max):
        self.depth, self.users_max = depth, users_max
        self._make(1)

    def _make(self, Py_ssize_t users):
        """Allocate arrays for `users` rows and copy the existing entries."""
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
        """Enlarge the arrays to at least `users` rows."""
        if self.depth and users > self.users:
            self._make(grown(self.users, users, self.users_max))
        return 0

    cdef void clear(self, Py_ssize_t user) noexcept nogil:
        """Remove all entries of a user."""
        if self.depth:
            self.counts[user] = 0

    cdef Py_ssize_t size(self, Py_ssize_t user) noexcept nogil:
        """Number of entries of a user."""
        if self.depth == 0:
            return 0
        return self.counts[user] if self.counts[user] < self.depth else self.depth

    cdef Py_ssize_t item(self, Py_ssize_t user, Py_ssize_t place, const long long* assigned_at) noexcept nogil:
        """Return the item row of an entry of a user; 0 if the row was assigned to another item later."""
        cdef long long entry = self.entries[user * self.depth + place]
        return entry & ROW_MASK if assigned_at[entry & ROW_MASK] <= entry >> ROW_BITS else 0

    cdef Py_ssize_t latest(self, Py_ssize_t user, Py_ssize_t back, const long long* assigned_at) noexcept nogil:
        """Return the item row of the entry `back` places before the latest one of a user, as `item` does."""
        return self.item(user, (self.counts[user] - 1 - back) % self.depth, assigned_at)

    cdef bint holds(self, Py_ssize_t user, Py_ssize_t item, const long long* assigned_at) noexcept nogil:
        """Return True if the history of a user contains an item."""
        cdef Py_ssize_t place
        for place in range(self.size(user)):
            if self.item(user, place, assigned_at) == item:
                return True
        return False

    cdef void add(self, Py_ssize_t user, Py_ssize_t item, long long now, const long long* assigned_at) noexcept nogil:
        """Add an item to the history of a user, in event number `now`; one that is there becomes the latest."""
        cdef Py_ssize_t back, count, place = -1
        cdef long long* own = self.entries + user * self.depth
        if self.depth == 0 or user == 0 or item == 0:
            return
        count = self.counts[user]
        for back in range(self.size(user)):
            if self.item(user, (count - 1 - back) % self.depth, assigned_at) == item:
                place = back
                break
        if place < 0:
            # Each item is held once, so that repeated ones do not displace all others.
            self.counts[user] = count + 1
            own[count % self.depth] = now << ROW_BITS | item
            return
        for back in range(place, 0, -1):
            own[(count - 1 - back) % self.depth] = own[(count - back) % self.depth]
        own[(count - 1) % self.depth] = now << ROW_BITS | item

    def save(self, Py_ssize_t users):
        """Return the number of items added for each user, and the entries of all users, concatenated."""
        entries, counts = self.arrays
        if self.depth == 0:
            users = 0
        counts = np.array(counts[:users])
        used = np.arange(entries.shape[1]) < counts[:, None]
        return {"seen.counts": counts, "seen.entries": entries[:users][used]}

    def restore(self, counts, entries, Py_ssize_t users, Py_ssize_t items, long long n_events):
        """Restore the arrays that `save` returned.

        Args:
            counts: Number of items added for each user.
            entries: Entries of all users, concatenated.
            users: Number of user rows in use.
            items: Number of item rows in use.
            n_events: Number of events learned so far.

        Raises:
            ValueError: If the arrays do not match these numbers.
        """
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
