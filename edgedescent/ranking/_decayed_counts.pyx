"""Counts of choices by item that forget at several rates: popularity over several horizons.

::

    c_i <- (1 - 1 / horizon) c_i + weight [i is chosen]          at every choice, for each horizon

Counts are kept in a unit that grows with every choice instead, so that only the chosen item is touched.
"""
import numpy as np

from edgedescent.numerics._ranking_kernels cimport f32_add_logs

# Unit of the counts at which they are scaled down; a float holds 1e38.
cdef double UNIT_MAX = 1e25


cdef class DecayedCounts:
    """Counts of choices by table row, over several horizons.

    Args:
        horizons: Numbers of choices after which a choice counts 1/e, each > 1.
        floor: What is added to a count before its logarithm, > 0.
    """

    def __init__(self, tuple horizons, double floor):
        cdef double[::1] units = np.ones(len(horizons)), growths = 1.0 / (1.0 - 1.0 / np.array(horizons, dtype=np.float64))
        self.n_horizons, self.floor = len(horizons), floor
        self.units_array, self.growths_array = np.asarray(units), np.asarray(growths)
        self.units, self.growths = &units[0], &growths[0]
        self._make(16)

    def _make(self, Py_ssize_t rows):
        cdef float[:, ::1] counts = np.zeros((self.n_horizons, rows), dtype=np.float32)
        if self.counts_array is not None:
            np.asarray(counts)[:, : self.rows] = self.counts_array
        self.counts_array, self.counts, self.rows = np.asarray(counts), &counts[0, 0], rows

    cdef int make_room(self, Py_ssize_t rows) except -1:
        """Enlarge the table to at least `rows` rows."""
        if rows > self.rows:
            self._make(max(rows, 2 * self.rows))
        return 0

    cdef void clear(self, Py_ssize_t row) noexcept nogil:
        """Forget the choices of a row."""
        cdef Py_ssize_t h
        for h in range(self.n_horizons):
            self.counts[h * self.rows + row] = 0.0

    cdef void add(self, Py_ssize_t row, double weight, bint passes) noexcept nogil:
        """Count a choice of a row, unless it is row 0; without `passes`, all others are forgotten no further.

        The choice of an item that never came before lets no time pass, so that a flood of ids makes nothing else forgotten.
        """
        cdef Py_ssize_t h, i
        cdef float scale
        for h in range(self.n_horizons):
            if passes:
                self.units[h] *= self.growths[h]
            if row:
                self.counts[h * self.rows + row] += <float>(weight * self.units[h])
            if self.units[h] > UNIT_MAX:
                scale = <float>(1.0 / self.units[h])
                for i in range(h * self.rows, (h + 1) * self.rows):
                    # A subnormal number would slow down every sum.
                    self.counts[i] = self.counts[i] * scale if self.counts[i] * scale > 1e-30 else 0.0
                self.units[h] = 1.0

    cdef void add_logs(self, float* sums, const float* weights, Py_ssize_t begin, Py_ssize_t n) noexcept nogil:
        """Add Σ weights[h] log(count_h + floor) to the sums of `n` rows from `begin`."""
        cdef Py_ssize_t h
        for h in range(self.n_horizons):
            f32_add_logs(sums, self.counts + h * self.rows + begin, <float>(1.0 / self.units[h]), <float>self.floor,
                         weights[h], n)

    def save(self, Py_ssize_t rows):
        """Return the counts of the first `rows` rows, and their units."""
        return {"popularity": np.array(self.counts_array[:, :rows]), "popularity_units": np.array(self.units_array)}

    def restore(self, counts, units, Py_ssize_t rows):
        """Take what `save` returned; raises ValueError where it does not fit `rows` rows."""
        if counts.shape != (self.n_horizons, rows) or units.shape != (self.n_horizons,) or (counts < 0.0).any() or (
                units < 1.0).any() or (units > UNIT_MAX).any():
            raise ValueError(f"The state's popularity must have {self.n_horizons} counts >= 0 of each of {rows} rows.")
        self.counts_array = None
        self._make(max(rows, 16))
        self.counts_array[:, :rows] = counts
        self.units_array[:] = units
