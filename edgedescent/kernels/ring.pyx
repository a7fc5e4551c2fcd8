# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Experience replay: a ring of the latest events, and draws from it."""
import numpy as np

from libc.stdint cimport uint64_t

from edgedescent.kernels.random cimport next_below


cdef class Ring:
    """The latest `size` events as rows, values and a target each, all in flat arrays of fixed size.

    The arrays are as wide as the widest event so far. Draws are uniform, from a generator whose word is part of the
    state (Lin 1992, "Self-improving reactive agents based on reinforcement learning, planning and teaching").
    """

    def __init__(self, Py_ssize_t size, uint64_t seed):
        self.size = size
        self.n_pushed = 0
        self.width = 0
        self.random = seed
        self._make(0)

    def _make(self, Py_ssize_t width):
        cdef int[:, ::1] rows = np.zeros((self.size, max(width, 1)), dtype=np.int32)
        cdef double[:, ::1] values = np.zeros((self.size, max(width, 1)))
        cdef double[::1] targets = np.zeros(max(self.size, 1))
        cdef int[::1] lengths = np.zeros(max(self.size, 1), dtype=np.int32)
        cdef long long[::1] times = np.zeros(max(self.size, 1), dtype=np.int64)
        arrays = [np.asarray(rows), np.asarray(values), np.asarray(targets), np.asarray(lengths), np.asarray(times)]
        if self.size and self.width:
            arrays[0][:, : self.width] = self.arrays[0]
            arrays[1][:, : self.width] = self.arrays[1]
            for i in (2, 3, 4):
                arrays[i][:] = self.arrays[i]
        if self.size:
            self.rows, self.values = &rows[0, 0], &values[0, 0]
        self.targets, self.lengths, self.times = &targets[0], &lengths[0], &times[0]
        self.arrays = arrays
        self.width = max(width, 1) if self.size else 0

    cdef int make_room(self, Py_ssize_t width) except -1:
        """Widen the ring to take events of `width` values."""
        if self.size and width > self.width:
            self._make(max(width, min(2 * self.width, 2 * width)))
        return 0

    cdef void push(self, const Py_ssize_t* rows, const double* values, Py_ssize_t n, double target,
                   long long now) noexcept nogil:
        """Take in an event in the place of the oldest; the ring must be wide enough."""
        cdef Py_ssize_t slot, i, start
        if self.size == 0:
            return
        slot = self.n_pushed % self.size
        start = slot * self.width
        for i in range(n):
            self.rows[start + i] = <int>rows[i]
            self.values[start + i] = values[i]
        self.lengths[slot] = <int>n
        self.targets[slot] = target
        self.times[slot] = now
        self.n_pushed += 1

    cdef Py_ssize_t draw(self) noexcept nogil:
        """The slot of a random event; only where one was pushed."""
        return next_below(&self.random, self.n_pushed if self.n_pushed < self.size else self.size)

    def save(self):
        """Rows, values, targets, lengths and times of the slots in use, and the generator's word and the count."""
        used = min(self.n_pushed, self.size)
        rows, values, targets, lengths, times = (array[:used] for array in self.arrays)
        width = int(lengths.max()) if used else 0
        # Beyond an event's length lies what an older, longer event left: it is no state.
        mask = np.arange(width) < lengths[:, None]
        return {
            "ring.rows": np.where(mask, rows[:, :width], 0).astype(np.int64),
            "ring.values": np.where(mask, values[:, :width], 0.0),
            "ring.targets": np.array(targets),
            "ring.lengths": lengths.astype(np.int64),
            "ring.times": np.array(times),
            "ring.draws": np.array([self.random, self.n_pushed], dtype=np.uint64),
        }

    def restore(self, rows, values, targets, lengths, times, draws, Py_ssize_t rows_max):
        """Take what `save` returned; raises ValueError where it is inconsistent."""
        used = len(targets)
        if not (used == len(rows) == len(values) == len(lengths) == len(times) and rows.shape == values.shape
                and len(draws) == 2 and used == min(int(draws[1]), self.size)):
            raise ValueError(f"The state's ring of {used} events does not fit one of {self.size}.")
        if used and (lengths.min() < 0 or lengths.max() > rows.shape[1] or ((rows < 0) | (rows >= rows_max)).any()):
            raise ValueError("The state's ring refers to rows that do not exist.")
        self.width = 0
        self._make(rows.shape[1])
        if used:
            for array, saved in zip(self.arrays, (rows, values, targets, lengths, times)):
                if array.ndim == 2:
                    array[:used, : rows.shape[1]] = saved
                else:
                    array[:used] = saved
        self.random, self.n_pushed = int(draws[0]), int(draws[1])
