"""Values that come again, of features with few whole numbers, as inputs of their own.

Hours, weekdays, months and codes of states are whole numbers, and few. Each value of such a feature is an input, which is 1
when the feature has it, beside the number itself (one-hot encoding). A network then need not bend its output at each hour.

A feature takes part once it has had 3 to 31 different values, and each has come again, after another one, twice on
average. So an hour takes part after three days, a weekday after three weeks, and a month not before its third year: until
then it tells when an event was, not what it is like. A feature is left out for good where a value is no whole number, where it
has more different ones, or where the places of all features together are taken.
"""
import numpy as np

from libc.math cimport fabs, floor

from edgedescent.features._kinds cimport CATEGORICAL

# Whole numbers up to there are codes rather than amounts.
cdef double LARGEST = 1e6

cdef enum:
    DIFFERENT_MIN = 3
    DIFFERENT_MAX = 31
    # How often a value must have come again, on average.
    RETURNS_MIN = 2

cdef enum Part:
    WATCHED = 0
    TAKES_PART = 1
    LEFT_OUT = 2


cdef class RepeatedValues:
    """Table of the values of features that are inputs."""

    def __cinit__(self):
        self.n_slots = self.n_rows = self.n_new = 0
        self.tables = [np.zeros(0, dtype=np.int64) for _ in range(4)]
        for i in range(VALUE_SLOTS):
            self.rows[i] = 0
            self.values[i] = 0.0

    cdef int grow(self, Py_ssize_t rows) except -1:
        """Make room for so many rows of the encoder."""
        cdef long long[::1] returns, last, parts, different
        if rows <= self.n_rows:
            return 0
        larger = [np.zeros(rows, dtype=np.int64) for _ in range(4)]
        for new, old in zip(larger, self.tables):
            new[: len(old)] = old
        self.tables = larger
        returns, last, parts, different = larger
        self.returns, self.last, self.parts, self.n_different = &returns[0], &last[0], &parts[0], &different[0]
        self.n_rows = rows
        return 0

    cdef void forget_row(self, Py_ssize_t row) noexcept nogil:
        """Forget a row that another feature has got."""
        self._leave_out(row)
        self.returns[row] = self.last[row] = 0
        self.parts[row] = WATCHED

    cdef Py_ssize_t look_up(self, const EncodedEvent* event, const char* kinds, int* slots) noexcept nogil:
        """Write the slots of the event's values that are inputs, at most `VALUE_SLOTS`; returns how many there are."""
        cdef Py_ssize_t i, place, n = 0
        for i in range(event.n):
            if n == VALUE_SLOTS:
                break
            if self.parts[event.rows[i]] == TAKES_PART and kinds[event.rows[i]] != CATEGORICAL:
                place = self._place_of(event.rows[i], event.x[i])
                if place >= 0:
                    slots[n] = <int>(-1 - place)
                    n += 1
        return n

    cdef void push(self, const EncodedEvent* event, const char* kinds) noexcept nogil:
        """Take in the values of an event."""
        cdef Py_ssize_t i, row, place
        cdef double value
        self.n_new = 0
        for i in range(event.n):
            row, value = event.rows[i], event.x[i]
            if self.parts[row] == LEFT_OUT or kinds[row] == CATEGORICAL:
                continue
            if not (floor(value) == value and fabs(value) <= LARGEST):
                self._leave_out(row)
                continue
            place = self._place_of(row, value)
            if place < 0:
                place = self._take_place(row, value)
                if place < 0:
                    self._leave_out(row)
                    continue
            else:
                self.returns[row] += place + 1 != self.last[row]
            self.last[row] = place + 1
            if self.n_different[row] >= DIFFERENT_MIN and self.returns[row] >= RETURNS_MIN * self.n_different[row]:
                self.parts[row] = TAKES_PART

    cdef Py_ssize_t _place_of(self, Py_ssize_t row, double value) noexcept nogil:
        """Return the place of a value, or -1."""
        cdef Py_ssize_t place
        for place in range(self.n_slots):
            if self.values[place] == value and self.rows[place] == row:
                return place
        return -1

    cdef Py_ssize_t _take_place(self, Py_ssize_t row, double value) noexcept nogil:
        """Give a place to a value and return it, or -1 if there is none."""
        cdef Py_ssize_t place = 0
        # Features that share a row may take and free many places in one event.
        if self.n_different[row] == DIFFERENT_MAX or self.n_new == VALUE_SLOTS:
            return -1
        while place < self.n_slots and self.rows[place]:
            place += 1
        if place == VALUE_SLOTS:
            return -1
        self.new_places[self.n_new], self.was_taken[self.n_new] = <int>place, place < self.n_slots
        self.n_new += 1
        self.n_slots = self.n_slots if place < self.n_slots else place + 1
        self.rows[place], self.values[place] = <int>row, value
        self.n_different[row] += 1
        return place

    cdef void _leave_out(self, Py_ssize_t row) noexcept nogil:
        """Free the places of a feature, which is left out from now on."""
        cdef Py_ssize_t place
        self.parts[row] = LEFT_OUT
        if self.n_different[row] == 0:
            return
        for place in range(self.n_slots):
            if self.rows[place] == row:
                self.rows[place] = 0
        self.n_different[row] = 0

    def learn_one(self, rows, x):
        """Take in the values of an event; the kinds of all its rows are numbers."""
        cdef Py_ssize_t[::1] row_view = np.array(rows, dtype=np.intp)
        cdef double[::1] value_view = np.array(x, dtype=np.float64)
        cdef char[::1] kinds = np.zeros(max(rows, default=0) + 1, dtype=np.int8)
        cdef EncodedEvent event
        event.n, event.rows, event.x = len(rows), &row_view[0], &value_view[0]
        self.grow(len(kinds))
        self.push(&event, &kinds[0])

    def inputs(self, rows, x):
        """Return the slots of the values of an event that are inputs."""
        cdef Py_ssize_t[::1] row_view = np.array(rows, dtype=np.intp)
        cdef double[::1] value_view = np.array(x, dtype=np.float64)
        cdef int[::1] slots = np.zeros(len(rows), dtype=np.int32)
        cdef char[::1] kinds = np.zeros(max(rows) + 1, dtype=np.int8)
        cdef EncodedEvent event
        event.n, event.rows, event.x = len(rows), &row_view[0], &value_view[0]
        self.grow(len(kinds))
        return slots.base[: self.look_up(&event, &kinds[0], &slots[0])].tolist()

    def save(self, Py_ssize_t rows):
        """Return the places with their rows and values, and what is kept of each row of the encoder."""
        returns, last, parts, _ = self.tables
        return {
            "values.rows": np.array([self.rows[i] for i in range(self.n_slots)], dtype=np.int64),
            "values.values": np.array([self.values[i] for i in range(self.n_slots)]),
            "values.returns": returns[:rows].copy(),
            "values.last": last[:rows].copy(),
            "values.parts": parts[:rows].copy(),
        }

    def restore(self, dict state, Py_ssize_t n_rows):
        """Restore what `save` returned, for an encoder of `n_rows` rows.

        Raises:
            ValueError: If the arrays are inconsistent.
        """
        cdef Py_ssize_t i
        rows, values = state["values.rows"], state["values.values"]
        returns, last, parts = state["values.returns"], state["values.last"], state["values.parts"]
        if not (len(rows) == len(values) <= VALUE_SLOTS and len(returns) == len(last) == len(parts) == n_rows):
            raise ValueError(f"The state's values of features must be of {VALUE_SLOTS} places at most and {n_rows} rows.")
        different = np.bincount(rows[rows > 0], minlength=n_rows) if len(rows) and (rows >= 0).all() else np.zeros(
            n_rows, dtype=np.int64)
        if ((rows < 0).any() or (rows >= n_rows).any() or (returns < 0).any() or (last < 0).any()
                or (last > len(rows)).any() or (parts < WATCHED).any()
                or (parts > LEFT_OUT).any() or (different > DIFFERENT_MAX).any() or (different[parts == LEFT_OUT] > 0).any()):
            raise ValueError("The state's values of features are out of range.")
        self.grow(n_rows)
        for table, saved in zip(self.tables, (returns, last, parts, different)):
            table[:] = 0
            table[:n_rows] = saved
        self.n_slots, self.n_new = len(rows), 0
        for i in range(self.n_slots):
            self.rows[i], self.values[i] = rows[i], values[i]
