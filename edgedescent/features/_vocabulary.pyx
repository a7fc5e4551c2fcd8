"""Names to rows, within a bound."""
import numpy as np

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject


cdef class Vocabulary:
    """Gives every key a row of its own until `rows_max` rows are in use. Row 0 is reserved and belongs to no key.

    Once full, a new key takes the row of the least recently learned one (``when_full="evict"``), or is shared into
    row 0 (``when_full="share"``). Both are counted.
    """

    def __init__(self, Py_ssize_t rows_max, str when_full):
        if rows_max < 2:
            raise ValueError(f"A vocabulary must have at least 2 rows. Got {rows_max}.")
        if when_full not in ("evict", "share"):
            raise ValueError(f"The `when_full` of a vocabulary must be 'evict' or 'share'. Got {when_full!r}.")
        self.rows_max = rows_max
        self.evicts = when_full == "evict"
        self.restore([], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 0, 0)

    cdef Py_ssize_t size(self) noexcept nogil:
        """How many rows are in use, with row 0."""
        return self.rows_in_use

    cdef Py_ssize_t find(self, object key) except -1:
        """The row of `key`; 0 where it has none."""
        cdef PyObject* row = PyDict_GetItemWithError(self.row_of, key)
        return 0 if row is NULL else <object>row

    cdef Py_ssize_t learn(self, object key, long long now) except -1:
        """The row of `key`, given one if need be and stamped with the event number `now`; 0 where it is shared."""
        cdef PyObject* known = PyDict_GetItemWithError(self.row_of, key)
        cdef Py_ssize_t row
        self.is_new = False
        if known is not NULL:
            row = <object>known
        elif len(self.key_of) < self.rows_max:
            row = len(self.key_of)
            if row >= len(self.stamps):
                self._grow_stamps(2 * row)
            self.key_of.append(key)
            self.rows_in_use = row + 1
            self.row_of[key] = row
            self.is_new = True
        else:
            row = self._evict(now) if self.evicts else 0
            if row == 0:
                self.shared += 1
                return 0
            self.key_of[row] = key
            self.row_of[key] = row
            self.is_new = True
        if self.is_new:
            self.born[row] = now
        self.stamp[row] = now
        return row

    def _grow_stamps(self, Py_ssize_t rows):
        cdef long long[::1] view
        stamps, births = (np.zeros(max(rows, 16), dtype=np.int64) for _ in range(2))
        stamps[: len(self.stamps)] = self.stamps
        births[: len(self.births)] = self.births
        view = self.stamps = stamps
        self.stamp = &view[0]
        view = self.births = births
        self.born = &view[0]

    def _evict(self, long long now):
        """Free the row of the least recently learned key; 0 where every row is needed by the event at hand."""
        cdef Py_ssize_t row
        cdef long long stamp
        if now == self.needed_by:
            return 0
        while True:
            if not self.oldest:
                # Sorting a sixteenth of the table ahead keeps eviction cheap, and exact: whatever is not in the
                # list, or was learned since, is younger than all that is left in it.
                stamps = self.stamps[1 : len(self.key_of)]
                count = max(len(stamps) // 16, 1)
                # All rows of the last stamp or none, so that the order in which they go does not hang on where it was cut.
                few = np.flatnonzero(stamps <= np.partition(stamps, count - 1)[count - 1])
                order = few[np.argsort(stamps[few], kind="stable")]
                self.oldest = [(int(i) + 1, int(stamps[i])) for i in order[::-1]]
            row, stamp = self.oldest.pop()
            if self.stamp[row] != stamp:
                continue
            if stamp == now:
                self.oldest = []
                self.needed_by = now
                return 0
            del self.row_of[self.key_of[row]]
            self.evicted += 1
            self.version += 1
            return row

    def __len__(self):
        """How many keys have a row."""
        return len(self.row_of)

    def __contains__(self, key):
        return key in self.row_of

    def keys(self):
        """The keys in the order of their rows, the first at row 1."""
        return self.key_of[1:]

    def row(self, key):
        """The row of `key`, 0 where it has none."""
        return self.find(key)

    def save(self):
        """The keys, their stamps and their births in row order."""
        size = len(self.key_of)
        return self.keys(), np.array(self.stamps[1:size]), np.array(self.births[1:size])

    def restore(self, list keys, stamps, births, long long evicted, long long shared):
        """Take what `save` returned; raises ValueError where it is inconsistent."""
        if len(keys) + 1 > self.rows_max or not len(stamps) == len(births) == len(keys) or len(set(keys)) != len(keys):
            raise ValueError(
                f"A vocabulary of at most {self.rows_max - 1} keys cannot take {len(keys)} keys "
                f"({len(set(keys))} distinct) with {len(stamps)} stamps."
            )
        self.key_of = [None, *keys]
        self.rows_in_use = len(self.key_of)
        self.row_of = {key: row for row, key in enumerate(keys, start=1)}
        self.stamps = self.births = np.zeros(0, dtype=np.int64)
        self._grow_stamps(len(self.key_of))
        self.stamps[1 : len(self.key_of)] = stamps
        self.births[1 : len(self.key_of)] = births
        self.oldest = []
        self.needed_by = -1
        self.version += 1
        self.evicted = evicted
        self.shared = shared


cdef int check_history(counts, stamps) except -1:
    """Raise ValueError unless `stamps` are numbers of events before ``counts[0]`` and no count is negative."""
    if (counts < 0).any() or (stamps < 0).any() or (stamps >= counts[0]).any():
        raise ValueError(f"The state's stamps or counts do not fit its {counts[0]} events.")
    return 0
