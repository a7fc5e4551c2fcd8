"""Mapping of feature names, categories and ids to table rows, with a bound on the number of rows."""
from heapq import heapify, heappop, heappush, heapreplace

import numpy as np

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject

from edgedescent.numerics.growth import grown


cdef class Vocabulary:
    """Mapping of names to table rows, for at most `rows_max` rows. Row 0 is reserved and belongs to no name.

    When all rows are in use, a new name gets row 0 (``when_full="share"``), or it has to come more often than a name
    that has a row (``when_full="evict"``). The row that it competes for is the one with the fewest uses lately, among
    those the one that was not learned for the longest time. It gets this row if the row was used only once lately, or
    fewer times than the new name came lately, this time included; else it gets row 0 (admission by frequency). So names
    that come once take turns at the rows of other such names, and leave all others alone.

    Uses of a row are counted up to 15. Both counts age. Those of new names are halved after about as many new names as
    there are rows (`FrequencySketch`). Those of rows are halved after as many events as there are rows in which a name
    that had come before was turned away: only names that come again wear off what is in use.

    `evicted` counts names that lost their row, `shared` those that came without getting one.

    Args:
        rows_max: Maximum number of rows, row 0 included.
        when_full: ``"evict"`` or ``"share"``.

    Raises:
        ValueError: If `rows_max` is less than 2, or `when_full` has another value.

    References:
        Einziger, Friedman and Manes (2017), "TinyLFU: a highly efficient cache admission policy", ACM Transactions on
        Storage 13(4).
    """

    def __init__(self, Py_ssize_t rows_max, str when_full):
        if rows_max < 2:
            raise ValueError(f"A vocabulary must have at least 2 rows. Got {rows_max}.")
        if when_full not in ("evict", "share"):
            raise ValueError(f"The `when_full` of a vocabulary must be 'evict' or 'share'. Got {when_full!r}.")
        self.rows_max = rows_max
        self.evicts = when_full == "evict"
        self.newcomers = FrequencySketch(rows_max)
        self._set_names([])
        self.forget_order()

    cdef Py_ssize_t size(self) noexcept nogil:
        """Number of rows in use, row 0 included."""
        return self.rows_in_use

    cdef Py_ssize_t find(self, object name) except -1:
        """Return the row of `name`, or 0 if it has none."""
        cdef PyObject* row = PyDict_GetItemWithError(self.row_of, name)
        return 0 if row is NULL else <object>row

    cdef bint came_before(self, uint64_t word) noexcept nogil:
        """True if a name without a row, given by its hash, came lately since the table is full."""
        return self.newcomers.estimate(word) > 0

    cdef Py_ssize_t learn(self, str name, uint64_t word, long long now) except -1:
        """Return the row of `name`, assigning one if needed, in event number `now`; 0 if it gets none.

        Args:
            name: The name.
            word: Hash of the name.
            now: Number of the event. The rows of all its names that have one are marked before.
        """
        cdef PyObject* known = PyDict_GetItemWithError(self.row_of, name)
        cdef Py_ssize_t row
        self.is_new = False
        if known is not NULL:
            row = <object>known
            self.mark(row, now)
            return row
        if self.rows_in_use < self.rows_max:
            row = self.rows_in_use
            if row >= len(self.last_learned_array):
                self._grow(grown(row, row + 1, self.rows_max))
            self.name_of.append(name)
            self.rows_in_use = row + 1
            self.uses[row] = 0
        else:
            row = self._admit(word, now) if self.evicts else 0
            if row == 0:
                self.shared += 1
                return 0
            self.name_of[row] = name
        self.row_of[name] = row
        self.is_new = True
        self.assigned_at[row] = now
        self.mark(row, now)
        if self.key(row) <= self.queue_limit:
            heappush(self.queue, (self.key(row), row))
        return row

    def _grow(self, Py_ssize_t rows):
        """Enlarge the arrays to at least `rows` rows."""
        cdef long long[::1] view
        cdef unsigned char[::1] uses_view
        cdef Py_ssize_t n = len(self.last_learned_array)
        last_learned, assigned_at = (np.zeros(max(rows, 16), dtype=np.int64) for _ in range(2))
        uses = np.zeros(max(rows, 16), dtype=np.uint8)
        last_learned[:n] = self.last_learned_array
        assigned_at[:n] = self.assigned_at_array
        uses[:n] = self.uses_array
        view = self.last_learned_array = last_learned
        self.last_learned = &view[0]
        view = self.assigned_at_array = assigned_at
        self.assigned_at = &view[0]
        uses_view = self.uses_array = uses
        self.uses = &uses_view[0]

    # --- The full table -------------------------------------------------------------------------------------------

    cdef Py_ssize_t _admit(self, uint64_t word, long long now) except -1:
        """Free and return the row that a new name gets; 0 if it gets none."""
        cdef int came = self.newcomers.add(word)
        cdef Py_ssize_t row = self._least_used(now)
        if row == 0:
            return 0
        if self.uses[row] > 1 and came <= self.uses[row]:
            if came > 1 and now != self.pressed_at:
                self.pressed_at = now
                self.pressure += 1
                if self.pressure >= self.rows_max:
                    self._age()
            return 0
        # It is the first of the queue.
        heappop(self.queue)
        del self.row_of[self.name_of[row]]
        self.evicted += 1
        self.version += 1
        # What it came before counts for it, except once, because hashes collide: free rows must not come to look used.
        # `learn` adds this time.
        self.uses[row] = <unsigned char>(min(max(came - 1, 1), USES_MAX) - 1)
        return row

    def _age(self):
        """Halve the uses of all rows."""
        self.uses_array >>= 1
        self.pressure = 0
        self.forget_order()

    def forget_order(self):
        """Empty the queue; it is filled again when it is needed."""
        self.queue, self.set_aside = [], []
        self.queue_limit = self.set_aside_by = self.needed_by = -1

    cdef Py_ssize_t _least_used(self, long long now) except -1:
        """Row with the smallest key among those that event `now` does not use itself; 0 if it uses all of them.

        Keys only grow, so the key that a row has in the queue is at most its own, and the row is put back by its own
        key when its turn comes.
        """
        cdef long long key, current
        cdef Py_ssize_t row
        if now == self.needed_by:
            return 0
        if self.set_aside and now != self.set_aside_by:
            for pair in self.set_aside:
                heappush(self.queue, pair)
            self.set_aside = []
        while self.queue or self._fill_queue(now):
            key, row = self.queue[0]
            current = self.key(row)
            if current > self.queue_limit:
                heappop(self.queue)
            elif current != key:
                heapreplace(self.queue, (current, row))
            elif self.last_learned[row] == now:
                self.set_aside.append(heappop(self.queue))
                self.set_aside_by = now
            else:
                return row
        self.needed_by = now
        return 0

    cdef bint _fill_queue(self, long long now) except -1:
        """Fill the empty queue with a sixteenth of the rows; False if event `now` uses all rows."""
        last = self.last_learned_array[1 : self.rows_in_use]
        keys = self.uses_array[1 : self.rows_in_use].astype(np.int64) << 56 | last
        free = np.flatnonzero(last != now)
        if not len(free):
            return False
        count = min(max(len(keys) // 16, 1), len(free))
        self.queue_limit = np.partition(keys[free], count - 1)[count - 1]
        is_least = keys <= self.queue_limit
        self.queue = pairs(keys, is_least & (last != now))
        self.set_aside = pairs(keys, is_least & (last == now))
        self.set_aside_by = now
        heapify(self.queue)
        return True

    # --- Names and state ------------------------------------------------------------------------------------------

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
        """Return the state by name: the names and what is known of each in row order, and the names without a row."""
        cdef Py_ssize_t size = self.rows_in_use
        return {
            "names": self.keys(),
            "stamps": np.array(self.last_learned_array[1:size]),
            "born": np.array(self.assigned_at_array[1:size]),
            "uses": np.array(self.uses_array[1:size]),
            "newcomers": self.newcomers.save(),
            "aging": np.array([self.newcomers.n_added, self.pressure], dtype=np.int64),
        }

    def restore(self, dict state, long long n_events, long long evicted, long long shared):
        """Restore what `save` returned, and the counts of evicted and shared names.

        Args:
            state: What `save` returned.
            n_events: Number of events learned so far.
            evicted: Number of names that lost their row.
            shared: Number of names that came without getting a row.

        Raises:
            ValueError: If there are too many names, a name occurs twice, the lengths differ, or a count cannot be.
        """
        names, last_learned, assigned_at, uses, aging = (
            state[name] for name in ("names", "stamps", "born", "uses", "aging"))
        if (len(names) + 1 > self.rows_max or not len(last_learned) == len(assigned_at) == len(uses) == len(names)
                or len(set(names)) != len(names)):
            raise ValueError(
                f"A vocabulary of at most {self.rows_max - 1} keys cannot take {len(names)} keys "
                f"({len(set(names))} distinct) with {len(last_learned)} stamps and {len(uses)} uses."
            )
        check_history(last_learned, n_events)
        check_history(assigned_at, n_events)
        if (uses > USES_MAX).any() or len(aging) != 2 or not 0 <= aging[1] < self.rows_max:
            raise ValueError(f"The state's uses must be at most {USES_MAX}, and its aging {aging!r:.80} fit the rows.")
        self.newcomers.restore(state["newcomers"], aging[0])
        self._set_names(names)
        self.last_learned_array[1 : self.rows_in_use] = last_learned
        self.assigned_at_array[1 : self.rows_in_use] = assigned_at
        self.uses_array[1 : self.rows_in_use] = uses
        self.pressure = aging[1]
        self.evicted = evicted
        self.shared = shared

    def _set_names(self, list names):
        """Give these names the first rows; what is known of them is 0."""
        self.name_of = [None, *names]
        self.rows_in_use = len(self.name_of)
        self.row_of = {name: row for row, name in enumerate(names, start=1)}
        self.last_learned_array = self.assigned_at_array = np.zeros(0, dtype=np.int64)
        self.uses_array = np.zeros(0, dtype=np.uint8)
        self._grow(self.rows_in_use)
        self.evicted = self.shared = self.pressure = 0
        self.pressed_at = -1
        self.version += 1
        self.forget_order()


cdef list pairs(keys, chosen):
    """The chosen keys, each in a pair with its row."""
    places = np.flatnonzero(chosen)
    return list(zip(keys[places].tolist(), (places + 1).tolist()))


cdef int check_history(numbers, long long n_events) except -1:
    """Raise ValueError unless all `numbers` are at least 0 and less than `n_events`."""
    if (numbers < 0).any() or (numbers >= n_events).any():
        raise ValueError(f"The state's stamps or counts do not fit its {n_events} events.")
    return 0
