"""Experience replay: ring buffer of the latest events, with random sampling."""
import numpy as np

from libc.stdint cimport uint64_t

from edgedescent.numerics._numbers cimport EVENT_VALUES_MAX
from edgedescent.numerics._random cimport next_below, next_uniform

cdef enum:
    # Average number of values per event above which fewer than `size` events fit: 3 MiB for 2000 events.
    VALUES_PER_EVENT = 128


cdef class ReplayBuffer:
    """Ring buffer of the latest `size` events, each with its rows, values and target.

    There are two rings of flat arrays: one with a slot per event, and one with a cell per value. The second grows on
    demand, up to 128 cells per slot. If the events have more values than that, fewer events are kept. Sampling is
    uniform; the state of its generator is saved with the buffer (Lin 1992, "Self-improving reactive agents based on
    reinforcement learning, planning and teaching").

    Args:
        size: Maximum number of events; 0 disables the buffer.
        seed: Seed of the sampling.
    """

    def __init__(self, Py_ssize_t size, uint64_t seed):
        self.size = size
        # The lower bound guarantees that any single event fits.
        self.cells_max = max(VALUES_PER_EVENT * size, EVENT_VALUES_MAX) if size else 0
        self._clear()
        self.random = seed
        self.n_pushed = 0

    def _clear(self):
        """Allocate empty slots and cells."""
        cdef double[::1] targets = np.zeros(max(self.size, 1))
        cdef int[::1] lengths = np.zeros(max(self.size, 1), dtype=np.int32)
        cdef int[::1] starts = np.zeros(max(self.size, 1), dtype=np.int32)
        cdef long long[::1] times = np.zeros(max(self.size, 1), dtype=np.int64)
        self.targets, self.lengths, self.starts, self.times = &targets[0], &lengths[0], &starts[0], &times[0]
        self.slots = [np.asarray(targets), np.asarray(lengths), np.asarray(starts), np.asarray(times)]
        self.first = self.held = self.n_values = 0
        self._set_cells(np.zeros(1, dtype=np.int32), np.zeros(1))

    def _set_cells(self, rows, values):
        """Use `rows` and `values` as the arrays of the cells."""
        cdef int[::1] row_view = rows
        cdef double[::1] value_view = values
        self.rows, self.values = &row_view[0], &value_view[0]
        self.cells = [rows, values]
        self.n_cells = len(rows)

    cdef int make_room(self, Py_ssize_t n) except -1:
        """Enlarge the cells for another event of `n` values, up to `cells_max`."""
        if self.size and self.n_values + n > self.n_cells and self.n_cells < self.cells_max:
            self._grow(min(max(self.n_values + n, 2 * self.n_cells), self.cells_max))
        return 0

    def _grow(self, Py_ssize_t n_cells):
        """Copy the cells into larger arrays, oldest first."""
        rows, values = np.zeros(n_cells, dtype=np.int32), np.zeros(n_cells)
        _, lengths, starts, _ = self._oldest_first()
        places = (np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(self.n_values)) % self.n_cells
        rows[: self.n_values] = self.cells[0][places]
        values[: self.n_values] = self.cells[1][places]
        # The slots stay in place; only the starts of their cells change.
        order = (self.first + np.arange(self.held)) % max(self.size, 1)
        self.slots[2][order] = np.cumsum(lengths) - lengths
        self._set_cells(rows, values)

    def _oldest_first(self):
        """Return the targets, lengths, starts and times of the stored events, oldest first."""
        order = (self.first + np.arange(self.held)) % max(self.size, 1)
        return [array[order] for array in self.slots]

    cdef void push(self, const Py_ssize_t* rows, const double* values, Py_ssize_t n, double target,
                   long long now) noexcept nogil:
        """Store an event and drop the oldest ones until it fits. The caller must call `make_room` first."""
        cdef Py_ssize_t slot, i, cell
        if self.size == 0:
            return
        while self.held == self.size or self.n_values + n > self.n_cells:
            self._drop_oldest()
        slot = (self.first + self.held) % self.size
        cell = 0
        if self.held:
            cell = (self.starts[self.first] + self.n_values) % self.n_cells
        self.starts[slot] = <int>cell
        for i in range(n):
            self.rows[cell] = <int>rows[i]
            self.values[cell] = values[i]
            cell = cell + 1 if cell + 1 < self.n_cells else 0
        self.lengths[slot] = <int>n
        self.targets[slot] = target
        self.times[slot] = now
        self.held += 1
        self.n_values += n
        self.n_pushed += 1

    cdef void _drop_oldest(self) noexcept nogil:
        self.n_values -= self.lengths[self.first]
        self.first = self.first + 1 if self.first + 1 < self.size else 0
        self.held -= 1

    cdef Py_ssize_t draw(self) noexcept nogil:
        """Return the slot of a random event. The buffer must not be empty."""
        return (self.first + next_below(&self.random, self.held)) % self.size

    cdef Py_ssize_t draw_recent(self) noexcept nogil:
        """Return the slot of a random event whose age is ``held u²`` for a uniform u, so that newer ones come more often.

        An event of age a is drawn with a probability of about ``1 / (2 sqrt(a held))``. The buffer must not be empty.
        """
        cdef double u = next_uniform(&self.random)
        cdef Py_ssize_t age = <Py_ssize_t>(u * u * self.held)
        age = age if age < self.held else self.held - 1
        return (self.first + self.held - 1 - age) % self.size

    cdef void keep_newest(self, Py_ssize_t n) noexcept nogil:
        """Drop all but the newest `n` events."""
        while self.held > n:
            self._drop_oldest()

    cdef Py_ssize_t recall(self, Py_ssize_t slot, const long long* assigned_at, Py_ssize_t* rows,
                           double* values) noexcept nogil:
        """Copy the rows and values of an event, except rows assigned to another name later; return their number."""
        cdef Py_ssize_t cell = self.starts[slot], n = 0, i, row
        for i in range(self.lengths[slot]):
            row = self.rows[cell]
            if assigned_at[row] <= self.times[slot]:
                rows[n] = row
                values[n] = self.values[cell]
                n += 1
            cell = cell + 1 if cell + 1 < self.n_cells else 0
        return n

    def save(self):
        """Return the events, oldest first: concatenated rows and values, and the target, length and time of each."""
        targets, lengths, starts, times = self._oldest_first()
        places = (np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(self.n_values)) % self.n_cells
        return {
            "replay_buffer.rows": self.cells[0][places].astype(np.int64),
            "replay_buffer.values": self.cells[1][places],
            "replay_buffer.targets": targets,
            "replay_buffer.lengths": lengths.astype(np.int64),
            "replay_buffer.times": times,
            "replay_buffer.draws": np.array([self.random, self.n_pushed], dtype=np.uint64),
        }

    def restore(self, dict state, Py_ssize_t rows_max):
        """Restore what `save` returned.

        Args:
            state: State with the arrays of the buffer.
            rows_max: Number of rows in the tables; larger row numbers are rejected.

        Raises:
            ValueError: If the arrays are inconsistent or do not fit this buffer.
        """
        rows, values = state["replay_buffer.rows"], state["replay_buffer.values"]
        targets, lengths = state["replay_buffer.targets"], state["replay_buffer.lengths"]
        times, draws = state["replay_buffer.times"], state["replay_buffer.draws"]
        held = len(targets)
        if not (held == len(lengths) == len(times) and len(rows) == len(values) <= self.cells_max
                and len(draws) == 2 and held <= min(int(draws[1]), self.size) and (held or not int(draws[1]))):
            raise ValueError(f"The state's replay buffer of {held} events does not fit one of {self.size}.")
        if held and (lengths.min() < 0 or lengths.sum() != len(rows) or ((rows < 0) | (rows >= rows_max)).any()):
            raise ValueError("The state's replay buffer refers to rows that do not exist.")
        self._clear()
        self.make_room(len(rows))
        for array, saved in zip(self.slots, (targets, lengths, np.cumsum(lengths) - lengths, times)):
            array[:held] = saved
        for array, saved in zip(self.cells, (rows, values)):
            array[: len(saved)] = saved
        self.held, self.n_values = held, len(rows)
        self.random, self.n_pushed = int(draws[0]), int(draws[1])
