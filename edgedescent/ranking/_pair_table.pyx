"""Bounded lists of the items that were chosen together with each item, with weights that forget at several rates.

A list holds at most `depth` neighbours. Where it is full, a further one wears down the weakest entry by its own weight,
and takes its place once it outweighs it, so that what comes once leaves what comes often alone (the rule of the
"frequent" algorithm: Misra and Gries 1982, "Finding Repeated Elements", Science of Computer Programming 2).
"""
import numpy as np

from edgedescent.numerics.growth import grown

cdef double UNIT_MAX = 1e25


cdef class PairTable:
    """Neighbours of the rows of a table.

    Args:
        name: Name in the state.
        depth: Largest number of neighbours of a row.
        horizons: Numbers of events after which a pair counts 1/e. The weakest entry is that with the least weight over
            the last of them.
        rows_max: Number of rows that may ever be needed.
    """

    def __init__(self, str name, Py_ssize_t depth, tuple horizons, Py_ssize_t rows_max):
        cdef double[::1] units = np.ones(len(horizons)), growths = 1.0 / (1.0 - 1.0 / np.array(horizons, dtype=np.float64))
        self.name, self.depth, self.n_horizons, self.rows_max = name, depth, len(horizons), rows_max
        self.units_array, self.growths_array = np.asarray(units), np.asarray(growths)
        self.units, self.growths = &units[0], &growths[0]
        self._make(16)

    def _make(self, Py_ssize_t rows):
        cdef long long[:, ::1] entries = np.zeros((rows, self.depth), dtype=np.int64)
        cdef float[:, :, ::1] weights = np.zeros((rows, self.depth, self.n_horizons), dtype=np.float32)
        cdef float[:, ::1] totals = np.zeros((rows, self.n_horizons), dtype=np.float32)
        larger = [np.asarray(entries), np.asarray(weights), np.asarray(totals)]
        if self.arrays is not None:
            for new, old in zip(larger, self.arrays):
                new[: len(old)] = old
        self.arrays = larger
        self.entries, self.weights, self.totals, self.rows = &entries[0, 0], &weights[0, 0, 0], &totals[0, 0], rows

    cdef int make_room(self, Py_ssize_t rows) except -1:
        """Enlarge the table to at least `rows` rows."""
        if rows > self.rows:
            self._make(grown(self.rows, rows, self.rows_max))
        return 0

    cdef void clear(self, Py_ssize_t row) noexcept nogil:
        """Remove all neighbours of a row."""
        cdef Py_ssize_t at
        for at in range(row * self.depth, (row + 1) * self.depth):
            self.entries[at] = 0
        for at in range(row * self.depth * self.n_horizons, (row + 1) * self.depth * self.n_horizons):
            self.weights[at] = 0.0
        for at in range(row * self.n_horizons, (row + 1) * self.n_horizons):
            self.totals[at] = 0.0

    cdef void tick(self) noexcept nogil:
        """Let an event pass: all weights so far count less."""
        cdef Py_ssize_t h, i
        cdef float scale
        for h in range(self.n_horizons):
            self.units[h] *= self.growths[h]
            if self.units[h] > UNIT_MAX:
                scale = <float>(1.0 / self.units[h])
                for i in range(self.rows * self.depth):
                    self.weights[i * self.n_horizons + h] = scaled(self.weights[i * self.n_horizons + h], scale)
                for i in range(self.rows):
                    self.totals[i * self.n_horizons + h] = scaled(self.totals[i * self.n_horizons + h], scale)
                self.units[h] = 1.0

    cdef void count(self, Py_ssize_t row, double weight) noexcept nogil:
        """Add to the total of a row, by which its pairs are divided."""
        cdef Py_ssize_t h
        for h in range(self.n_horizons):
            self.totals[row * self.n_horizons + h] += <float>(weight * self.units[h])

    cdef void add(self, Py_ssize_t row, Py_ssize_t other, double weight, long long now,
                  const long long* assigned_at) noexcept nogil:
        """Count that `other` came with `row`, in event number `now`."""
        cdef Py_ssize_t n = self.n_horizons, at, first = row * self.depth, place = -1, weakest = first, h
        cdef Py_ssize_t slowest = n - 1, j
        cdef float least = self.weights[first * n + slowest], added
        for at in range(first, first + self.depth):
            j = self.neighbour(at, assigned_at)
            if j == other:
                for h in range(n):
                    self.weights[at * n + h] += <float>(weight * self.units[h])
                return
            if j == 0:
                place = at if place < 0 else place
            elif self.weights[at * n + slowest] < least:
                least = self.weights[at * n + slowest]
                weakest = at
        if place < 0:
            added = <float>(weight * self.units[slowest])
            if least > added:
                self.weights[weakest * n + slowest] -= added
                return
            place = weakest
        self.entries[place] = now << ROW_BITS | other
        for h in range(n):
            self.weights[place * n + h] = <float>(weight * self.units[h])

    def save(self, Py_ssize_t rows):
        """Return the neighbours of the first `rows` rows, their weights, the totals and the units."""
        entries, weights, totals = (np.array(array[:rows]) for array in self.arrays)
        return {f"{self.name}.entries": entries, f"{self.name}.weights": weights, f"{self.name}.totals": totals,
                f"{self.name}.units": np.array(self.units_array)}

    def restore(self, dict state, Py_ssize_t rows, long long n_events):
        """Take what `save` returned; raises ValueError where it does not fit `rows` rows."""
        entries, weights, totals, units = (state[f"{self.name}.{part}"] for part in ("entries", "weights", "totals", "units"))
        if entries.shape != (rows, self.depth) or weights.shape != (rows, self.depth, self.n_horizons) or (
                totals.shape != (rows, self.n_horizons)) or units.shape != (self.n_horizons,):
            raise ValueError(f"The state's {self.name} must have {self.depth} neighbours of each of {rows} rows.")
        if entries.size and (entries.min() < 0 or (entries & ROW_MASK).max() >= rows
                             or (entries >> ROW_BITS).max() >= max(n_events, 1)):
            raise ValueError(f"The state's {self.name} has neighbours that do not exist.")
        if (weights < 0.0).any() or (totals < 0.0).any() or (units < 1.0).any() or (units > UNIT_MAX).any():
            raise ValueError(f"The state's {self.name} must have weights >= 0 and units from 1 to {UNIT_MAX}.")
        self.arrays = None
        self._make(max(rows, 16))
        for array, saved in zip(self.arrays, (entries, weights, totals)):
            array[:rows] = saved
        self.units_array[:] = units


cdef inline float scaled(float value, float scale) noexcept nogil:
    """Return ``scale value``; 0 where it is next to 0, because subnormal numbers are slow."""
    return value * scale if value * scale > 1e-30 else 0.0
