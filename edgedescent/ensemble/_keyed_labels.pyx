"""Last labels by the value of a feature, such as a site, a sensor or an hour.

Where the events of many sites are interleaved, the last label of the same site says more than the last label. Which
feature names the site is found online: for each feature, the gain of the last label with the same value k over the last
label of all, both as forecasts::

    gain <- gain + ρ ((|y - y₁| - |y - yₖ|) / s - gain)                s is the deviation of the labels

The feature of an event with the largest gain is its key, if the gain is positive. The two lags of the key are, clipped
at ±5 and with d the deviation of the changes of the labels::

    (yₖ - y₁) / s,  (yₖ - the label with this value before it) / d

Where labels come late, an event is learned with those that were known when it was predicted: if yₖ is not among them, the
label before it takes its place, and the second lag is 0.

The table has a fixed number of places, of which a value may have one of four by its hash; where they are taken, the value
that came least recently makes room. A feature whose values hardly ever come again takes no places after a while.
"""
import numpy as np

from libc.math cimport fabs
from libc.stdint cimport uint64_t

from edgedescent.numerics._fast_hash cimport hash_number, mixed
from edgedescent.numerics._numbers cimport clipped

# Rate of the gain and of the share of known values.
cdef double RATE = 0.02
cdef double GAIN_MIN = 0.02
cdef double CLIP = 5.0
# After so many events a feature takes places only if at least this share of its values was known.
cdef double TRIED = 1000.0
cdef double KNOWN_MIN = 0.1


cdef class KeyedLabels:
    """Table of the last two labels by feature and value."""

    def __cinit__(self):
        cdef long long[:, ::1] numbers_of = np.zeros((2, PLACES), dtype=np.int64)
        cdef double[:, ::1] numbers = np.zeros((3, PLACES))
        self.features, self.stored_at = &numbers_of[0, 0], &numbers_of[1, 0]
        self.values, self.labels, self.before = &numbers[0, 0], &numbers[1, 0], &numbers[2, 0]
        self.tables = [np.asarray(numbers_of)[0], np.asarray(numbers), np.asarray(numbers_of)[1]]
        self.n_stored = 1
        self.row_tables = [np.zeros(0) for _ in range(3)]
        self.rows = 0
        self.place = -1
        self.is_late = False

    cdef int grow(self, Py_ssize_t rows) except -1:
        """Make room for so many rows of the encoder."""
        cdef double[::1] seen, known, gain
        if rows <= self.rows:
            return 0
        larger = [np.zeros(rows) for _ in range(3)]
        for new, old in zip(larger, self.row_tables):
            new[: len(old)] = old
        self.row_tables = larger
        seen, known, gain = larger
        self.seen, self.known, self.gain, self.rows = &seen[0], &known[0], &gain[0], rows
        return 0

    cdef void start_row(self, Py_ssize_t row) noexcept nogil:
        """Begin with a row that belongs to a new feature."""
        self.seen[row] = self.known[row] = self.gain[row] = 0.0

    cdef void forget_row(self, Py_ssize_t row) noexcept nogil:
        """Empty the places of a row that belonged to another feature before."""
        cdef Py_ssize_t i
        for i in range(PLACES):
            if self.features[i] == row:
                self.features[i] = 0

    cdef void forget_labels(self) noexcept nogil:
        """Empty all places: the labels in them are of a former scale."""
        cdef Py_ssize_t i
        for i in range(PLACES):
            self.features[i] = 0
        self.place = -1

    cdef Py_ssize_t _find(self, Py_ssize_t row, double value) noexcept nogil:
        """Return the place of a feature's value, -1 if it has none."""
        cdef Py_ssize_t first = first_place(row, value), i
        for i in range(first, first + WAYS):
            if self.features[i] == row and self.values[i] == value:
                return i
        return -1

    cdef Py_ssize_t _free(self, Py_ssize_t row, double value) noexcept nogil:
        """Return a place for a value that has none: an empty one, or that of the value which came least recently."""
        cdef Py_ssize_t first = first_place(row, value), best = first, i
        for i in range(first, first + WAYS):
            if self.features[i] == 0:
                return i
            if self.stored_at[i] < self.stored_at[best]:
                best = i
        return best

    cdef bint _is_late(self, Py_ssize_t place, Py_ssize_t hidden) noexcept nogil:
        """Return True if the last label of a place is among so many last ones."""
        return hidden > 0 and self.stored_at[place] >= self.n_stored - hidden

    cdef void look_up(self, const EncodedEvent* event, Py_ssize_t hidden) noexcept nogil:
        """Choose the key of an event, from whose last labels `last` and `lags` are made.

        Args:
            event: Event.
            hidden: Number of last labels that are not used.
        """
        cdef Py_ssize_t i, row, at
        cdef double best = GAIN_MIN
        self.place = -1
        # All of them, so that the key does not depend on the order of the event.
        for i in range(event.n):
            row = event.rows[i]
            if self.gain[row] > best:
                at = self._find(row, event.x[i])
                if at >= 0:
                    self.place, best = at, self.gain[row]
        self.is_late = self.place >= 0 and self._is_late(self.place, hidden)

    cdef double last(self, double otherwise) noexcept nogil:
        """Return the last label of the key; `otherwise` if there is none."""
        if self.place < 0:
            return otherwise
        return self.before[self.place] if self.is_late else self.labels[self.place]

    cdef void lags(self, double* z, double base, double deviation, double change) noexcept nogil:
        """Write the `KEY_LAGS` lags of the key; 0 without one."""
        z[0] = z[1] = 0.0
        if self.place >= 0:
            z[0] = clipped((self.last(base) - base) / deviation, CLIP)
        if self.place >= 0 and not self.is_late:
            z[1] = clipped((self.labels[self.place] - self.before[self.place]) / change, CLIP)

    cdef void push(self, const EncodedEvent* event, double y, double base, double deviation, Py_ssize_t delay) noexcept nogil:
        """Take in the label of an event.

        Args:
            event: Event.
            y: Label.
            base: Last label that was known when the event was predicted.
            deviation: Deviation of the labels.
            delay: Number of labels since then.
        """
        cdef Py_ssize_t i, n = event.n if event.n < KEYS_MAX else KEYS_MAX, row, at
        cdef double gain, last
        cdef bint known
        for i in range(n):
            row = event.rows[i]
            if self.seen[row] >= TRIED and self.known[row] < KNOWN_MIN:
                continue
            at = self._find(row, event.x[i])
            known = at >= 0
            if not known:
                at = self._free(row, event.x[i])
            gain = 0.0
            if known:
                last = self.before[at] if self._is_late(at, delay) else self.labels[at]
                gain = clipped((fabs(y - base) - fabs(y - last)) / deviation, CLIP)
            self.seen[row] += 1.0
            self.known[row] += RATE * (known - self.known[row])
            self.gain[row] += RATE * (gain - self.gain[row])
            self.before[at] = self.labels[at] if known else y
            self.features[at], self.values[at], self.labels[at] = row, event.x[i], y
            self.stored_at[at] = self.n_stored
            if delay == 0:
                self.n_stored += 1
        if delay > 0:
            # Numbers of events, by which `_is_late` tells how old a label is.
            self.n_stored += 1

    def key(self):
        """Return the row with the largest gain, 0 if there is none."""
        gains = self.row_tables[2]
        row = int(np.argmax(gains)) if len(gains) else 0
        return row if len(gains) and gains[row] > GAIN_MIN else 0

    def save(self, Py_ssize_t rows):
        """Return the table, and what is known of the first `rows` rows of the encoder."""
        return {
            "keys.features": self.tables[0].copy(),
            "keys.labels": self.tables[1].copy(),
            "keys.stored_at": self.tables[2].copy(),
            "keys.gains": np.array([table[:rows] for table in self.row_tables]),
        }

    def restore(self, dict state, Py_ssize_t n_rows):
        """Restore what `save` returned; there is room for as many rows.

        Raises:
            ValueError: If it is inconsistent.
        """
        features, labels, gains = state["keys.features"], state["keys.labels"], state["keys.gains"]
        stored_at = state["keys.stored_at"]
        if stored_at.shape != (PLACES,) or (stored_at < 0).any():
            raise ValueError(f"The state's labels by key must have {PLACES} numbers of labels >= 0.")
        if features.shape != (PLACES,) or labels.shape != (3, PLACES) or gains.shape != (3, n_rows):
            raise ValueError(f"The state's labels by key must be of {PLACES} places and {n_rows} rows.")
        if (features < 0).any() or (features >= max(n_rows, 1)).any():
            raise ValueError("The state's labels by key refer to features that do not exist.")
        if (gains[:2] < 0.0).any() or (gains[1] > 1.0).any() or (np.abs(gains[2]) > CLIP).any():
            raise ValueError("The state's gains of the keys are out of range.")
        self.tables[0][:], self.tables[1][:], self.tables[2][:] = features, labels, stored_at
        self.n_stored = int(stored_at.max()) + 1
        for table, saved in zip(self.row_tables, gains):
            table[:] = 0.0
            table[:n_rows] = saved
        self.place = -1


cdef inline Py_ssize_t first_place(Py_ssize_t row, double value) noexcept nogil:
    """Return the first of the places in the table that a feature's value may have."""
    return <Py_ssize_t>(mixed(hash_number(mixed(<uint64_t>row), value)) >> (64 - PLACES_LOG2)) // WAYS * WAYS
