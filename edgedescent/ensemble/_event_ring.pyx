"""Ring of the latest events, from which all networks of an ensemble replay."""
import numpy as np

from libc.string cimport memcpy

from edgedescent.ensemble._inputs cimport InputBuffer
from edgedescent.ensemble._repeated_values cimport with_values
from edgedescent.numerics._numbers cimport EVENT_VALUES_MAX

cdef enum:
    # Average number of inputs per event above which fewer than `size` events fit.
    VALUES_PER_EVENT = 128


cdef class EventRing:
    """Ring of the inputs and labels of the latest `size` events.

    The inputs of all events lie in one ring of cells, which grows on demand up to 128 cells per event; where events have
    more inputs than that, fewer events are kept.

    Args:
        size: Maximum number of events.
        inputs_min: Number of inputs of an event without features.
    """

    def __init__(self, Py_ssize_t size, Py_ssize_t inputs_min):
        self.size = size
        # Any single event fits.
        self.cells_max = max(VALUES_PER_EVENT * size, with_values(EVENT_VALUES_MAX) + inputs_min)
        self._clear()

    def _clear(self):
        cdef double[::1] bases = np.zeros(self.size), labels = np.zeros(self.size)
        cdef int[::1] starts = np.zeros(self.size, dtype=np.int32), lengths = np.zeros(self.size, dtype=np.int32)
        self.bases, self.labels, self.starts, self.lengths = &bases[0], &labels[0], &starts[0], &lengths[0]
        self.arrays = [np.asarray(bases), np.asarray(labels), np.asarray(starts), np.asarray(lengths)]
        self.n_pushed = self.held = self.n_values = 0
        self._set_cells(np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.float32))

    def _set_cells(self, slots, z):
        cdef int[::1] slot_view = slots
        cdef float[::1] z_view = z
        self.cell_slots, self.cell_z = &slot_view[0], &z_view[0]
        self.cells = [slots, z]
        self.n_cells = len(slots)

    def _places(self):
        """Places in the ring of the stored events, oldest first, and the cells of their inputs."""
        places = (self.n_pushed - self.held + np.arange(self.held)) % self.size
        starts, lengths = self.arrays[2][places], self.arrays[3][places]
        total = np.cumsum(lengths)
        cells = (np.repeat(starts - total + lengths, lengths) + np.arange(self.n_values)) % self.n_cells
        return places, cells, total - lengths

    cdef int make_room(self, Py_ssize_t n) except -1:
        """Enlarge the cells for another event of `n` inputs, up to the bound."""
        if self.n_values + n > self.n_cells and self.n_cells < self.cells_max:
            self._grow(min(max(self.n_values + n, 2 * self.n_cells), self.cells_max))
        return 0

    def _grow(self, Py_ssize_t n_cells):
        slots, z = np.zeros(n_cells, dtype=np.int32), np.zeros(n_cells, dtype=np.float32)
        places, cells, starts = self._places()
        slots[: self.n_values] = self.cells[0][cells]
        z[: self.n_values] = self.cells[1][cells]
        self.arrays[2][places] = starts
        self._set_cells(slots, z)

    cdef void push(self, const Inputs* inputs, double base, double label) noexcept nogil:
        """Store an event and drop the oldest ones until it fits; the caller has called `make_room`."""
        cdef Py_ssize_t place = self.n_pushed % self.size, oldest, cell = 0, i
        while self.held == self.size or self.n_values + inputs.n > self.n_cells:
            oldest = (self.n_pushed - self.held) % self.size
            self.n_values -= self.lengths[oldest]
            self.held -= 1
        if self.held:
            oldest = (self.n_pushed - self.held) % self.size
            cell = (self.starts[oldest] + self.n_values) % self.n_cells
        self.starts[place] = <int>cell
        self.lengths[place] = <int>inputs.n
        self.bases[place] = base
        self.labels[place] = label
        for i in range(inputs.n):
            self.cell_slots[cell] = inputs.slots[i]
            self.cell_z[cell] = inputs.z[i]
            cell = cell + 1 if cell + 1 < self.n_cells else 0
        self.held += 1
        self.n_values += inputs.n
        self.n_pushed += 1

    cdef Py_ssize_t recall(self, long long number, Inputs* inputs) noexcept nogil:
        """Copy the inputs of event `number`, which is stored; returns its place for `bases` and `labels`."""
        cdef Py_ssize_t place = number % self.size, cell = self.starts[place], n = self.lengths[place]
        cdef Py_ssize_t first = n if n < self.n_cells - cell else self.n_cells - cell
        memcpy(inputs.slots, self.cell_slots + cell, first * sizeof(int))
        memcpy(inputs.z, self.cell_z + cell, first * sizeof(float))
        memcpy(inputs.slots + first, self.cell_slots, (n - first) * sizeof(int))
        memcpy(inputs.z + first, self.cell_z, (n - first) * sizeof(float))
        inputs.n = n
        inputs.n_plain = n_plain(inputs)
        return place

    cdef Inputs stored(self, long long number, const Inputs* scratch) noexcept nogil:
        """Return the inputs of event `number`, which is stored, where they lie; a copy in `scratch` where the ring ends in them.

        There are none in double precision.
        """
        cdef Py_ssize_t place = number % self.size, cell = self.starts[place]
        cdef Inputs inputs = scratch[0]
        if cell + self.lengths[place] > self.n_cells:
            self.recall(number, &inputs)
            return inputs
        inputs.slots, inputs.z, inputs.n = self.cell_slots + cell, self.cell_z + cell, self.lengths[place]
        inputs.n_plain = n_plain(&inputs)
        return inputs

    cdef void forget_slot(self, int slot) noexcept nogil:
        """Set the inputs of a slot to 0 in all events: it belongs to another feature from now on."""
        cdef Py_ssize_t i
        for i in range(self.n_cells):
            if self.cell_slots[i] == slot:
                self.cell_z[i] = 0.0

    def push_one(self, InputBuffer buffer, double base, double label):
        """Store an event."""
        self.make_room(buffer.inputs.n)
        self.push(&buffer.inputs, base, label)

    def event(self, long long number):
        """Return the slots, inputs, base and label of a stored event."""
        if not self.n_pushed - self.held <= number < self.n_pushed:
            raise ValueError(f"The `number` must be that of one of the {self.held} latest events. Got {number}.")
        place = number % self.size
        cells = (self.arrays[2][place] + np.arange(self.arrays[3][place])) % self.n_cells
        return self.cells[0][cells], self.cells[1][cells], self.arrays[0][place], self.arrays[1][place]

    def save(self):
        """Return the stored events, oldest first, by the names that they have in a learner's state."""
        places, cells, _ = self._places()
        return {
            "ring.slots": self.cells[0][cells].astype(np.int64),
            "ring.inputs": self.cells[1][cells],
            "ring.lengths": self.arrays[3][places].astype(np.int64),
            "ring.bases": self.arrays[0][places],
            "ring.labels": self.arrays[1][places],
            "ring.pushed": np.array([self.n_pushed], dtype=np.int64),
        }

    def restore(self, dict state, Py_ssize_t n_slots, Py_ssize_t inputs_min, Py_ssize_t n_values=0):
        """Restore what `save` returned.

        Args:
            state: The state.
            n_slots: Number of slots from 0 on.
            inputs_min: Number of inputs of an event without features.
            n_values: Number of slots below 0.

        Raises:
            ValueError: If the arrays are inconsistent or do not fit this ring.
        """
        slots, z, lengths = state["ring.slots"], state["ring.inputs"], state["ring.lengths"]
        bases, labels, pushed = state["ring.bases"], state["ring.labels"], state["ring.pushed"]
        held = len(lengths)
        if not (len(pushed) == 1 and held == len(bases) == len(labels) and held <= min(int(pushed[0]), self.size)
                and len(slots) == len(z) <= self.cells_max and (held or not int(pushed[0]))):
            raise ValueError(f"The state's ring of {held} events does not fit one of {self.size}.")
        if held and (lengths.min() < inputs_min or lengths.sum() != len(slots) or (slots < -n_values).any()
                     or (slots >= n_slots).any()):
            raise ValueError("The state's ring of events refers to inputs that do not exist.")
        self._clear()
        self.n_pushed = int(pushed[0])
        self._set_cells(np.zeros(max(len(slots), 1), dtype=np.int32), np.zeros(max(len(slots), 1), dtype=np.float32))
        self.cells[0][: len(slots)] = slots
        self.cells[1][: len(slots)] = z
        self.held, self.n_values = held, len(slots)
        places = (self.n_pushed - held + np.arange(held)) % self.size
        for array, saved in zip(self.arrays, (bases, labels, np.cumsum(lengths) - lengths, lengths)):
            array[places] = saved


cdef inline Py_ssize_t n_plain(const Inputs* inputs) noexcept nogil:
    """Return the number of inputs that are no values that come again, which are the last ones."""
    cdef Py_ssize_t n = inputs.n
    while n and inputs.slots[n - 1] < 0:
        n -= 1
    return n
