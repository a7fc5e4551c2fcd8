"""Mapping of feature names, categories and ids to table rows, with a bound on the number of rows."""
import numpy as np

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject


cdef class Vocabulary:
    """Mapping of names to table rows, for at most `rows_max` rows. Row 0 is reserved and belongs to no name.

    When all rows are in use, a new name gets the row of the least recently learned name (``when_full="evict"``), or row
    0 (``when_full="share"``). `evicted` and `shared` count both cases.

    Args:
        rows_max: Maximum number of rows, row 0 included.
        when_full: ``"evict"`` or ``"share"``.

    Raises:
        ValueError: If `rows_max` is less than 2, or `when_full` has another value.
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
        """Number of rows in use, row 0 included."""
        return self.rows_in_use

    cdef Py_ssize_t find(self, object name) except -1:
        """Return the row of `name`, or 0 if it has none."""
        cdef PyObject* row = PyDict_GetItemWithError(self.row_of, name)
        return 0 if row is NULL else <object>row

    cdef Py_ssize_t learn(self, object name, long long now) except -1:
        """Return the row of `name`, assigning one if needed, in event number `now`; 0 if no row is available."""
        cdef PyObject* known = PyDict_GetItemWithError(self.row_of, name)
        cdef Py_ssize_t row
        self.is_new = False
        if known is not NULL:
            row = <object>known
        elif len(self.name_of) < self.rows_max:
            row = len(self.name_of)
            if row >= len(self.last_learned_array):
                self._grow(2 * row)
            self.name_of.append(name)
            self.rows_in_use = row + 1
            self.row_of[name] = row
            self.is_new = True
        else:
            row = self._evict(now) if self.evicts else 0
            if row == 0:
                self.shared += 1
                return 0
            self.name_of[row] = name
            self.row_of[name] = row
            self.is_new = True
        if self.is_new:
            self.assigned_at[row] = now
        self.last_learned[row] = now
        return row

    def _grow(self, Py_ssize_t rows):
        """Enlarge the arrays of event numbers to at least `rows` rows."""
        cdef long long[::1] view
        last_learned, assigned_at = (np.zeros(max(rows, 16), dtype=np.int64) for _ in range(2))
        last_learned[: len(self.last_learned_array)] = self.last_learned_array
        assigned_at[: len(self.assigned_at_array)] = self.assigned_at_array
        view = self.last_learned_array = last_learned
        self.last_learned = &view[0]
        view = self.assigned_at_array = assigned_at
        self.assigned_at = &view[0]

    def _evict(self, long long now):
        """Free and return the row of the least recently learned name; 0 if event `now` uses all rows."""
        cdef Py_ssize_t row
        cdef long long learned_at
        if now == self.needed_by:
            return 0
        while True:
            if not self.eviction_queue:
                # Queueing the oldest sixteenth of the table makes eviction cheap. The order stays exact: any row
                # outside the queue, or learned later, is more recent than all rows left in the queue.
                learned = self.last_learned_array[1 : len(self.name_of)]
                count = max(len(learned) // 16, 1)
                # Queue all rows of one event or none, so that the order of eviction does not depend on the size of the
                # queue.
                oldest = np.flatnonzero(learned <= np.partition(learned, count - 1)[count - 1])
                order = oldest[np.argsort(learned[oldest], kind="stable")]
                self.eviction_queue = [(int(i) + 1, int(learned[i])) for i in order[::-1]]
            row, learned_at = self.eviction_queue.pop()
            if self.last_learned[row] != learned_at:
                continue
            if learned_at == now:
                self.eviction_queue = []
                self.needed_by = now
                return 0
            del self.row_of[self.name_of[row]]
            self.evicted += 1
            self.version += 1
            return row

    def __len__(self):
        """Number of names that have a row."""
        return len(self.row_of)

    def __contains__(self, name):
        return name in self.row_of

    def keys(self):
        """Return the names in the order of their rows, starting with row 1."""
        return self.name_of[1:]

    def row(self, name):
        """Return the row of `name`, or 0 if it has none."""
        return self.find(name)

    def save(self):
        """Return the names, their last learned events and the events that assigned their rows, in row order."""
        size = len(self.name_of)
        return self.keys(), np.array(self.last_learned_array[1:size]), np.array(self.assigned_at_array[1:size])

    def restore(self, list names, last_learned, assigned_at, long long evicted, long long shared):
        """Restore what `save` returned, and the counts of evicted and shared names.

        Raises:
            ValueError: If there are too many names, a name occurs twice, or the lengths differ.
        """
        if (len(names) + 1 > self.rows_max or not len(last_learned) == len(assigned_at) == len(names)
                or len(set(names)) != len(names)):
            raise ValueError(
                f"A vocabulary of at most {self.rows_max - 1} keys cannot take {len(names)} keys "
                f"({len(set(names))} distinct) with {len(last_learned)} stamps."
            )
        self.name_of = [None, *names]
        self.rows_in_use = len(self.name_of)
        self.row_of = {name: row for row, name in enumerate(names, start=1)}
        self.last_learned_array = self.assigned_at_array = np.zeros(0, dtype=np.int64)
        self._grow(len(self.name_of))
        self.last_learned_array[1 : len(self.name_of)] = last_learned
        self.assigned_at_array[1 : len(self.name_of)] = assigned_at
        self.eviction_queue = []
        self.needed_by = -1
        self.version += 1
        self.evicted = evicted
        self.shared = shared


cdef int check_history(numbers, long long n_events) except -1:
    """Raise ValueError unless all `numbers` are at least 0 and less than `n_events`."""
    if (numbers < 0).any() or (numbers >= n_events).any():
        raise ValueError(f"The state's stamps or counts do not fit its {n_events} events.")
    return 0
