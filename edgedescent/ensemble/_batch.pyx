"""Batch of eight events of a network, and the gradients of the weights of their inputs."""
import numpy as np

from libc.string cimport memcpy, memset

from edgedescent.ensemble._repeated_values cimport VALUE_SLOTS


cdef class Batch:
    """Scratch for a batch, which networks share that finish their batches one after the other."""

    def __cinit__(self):
        self.room = self.slots = self.width = self.units = 0
        self.n = self.widest = self.n_touched = 0

    cdef int reserve(self, Py_ssize_t slots, Py_ssize_t width, Py_ssize_t units) except -1:
        """Make room for a network.

        Args:
            slots: Number of slots from 0 on, beside those of values.
            width: Length of a row of the weights of an input.
            units: Number of units of the widest layer.
        """
        cdef float[:, ::1] by_event, by_unit, gradient
        cdef int[:, ::1] numbers
        if slots <= self.slots and width <= self.width and units <= self.units:
            return 0
        self.slots, self.width, self.units = max(slots, self.slots), max(width, self.width), max(units, self.units)
        size = VALUE_SLOTS + self.slots
        # Rows of units are moved four at a time.
        rows = 1 + (self.units + 3) // 4 * 4
        by_event = np.zeros((2, BATCH * max(self.width, rows)), dtype=np.float32)
        by_unit = np.ones((4, rows * BATCH), dtype=np.float32)
        gradient = np.zeros((size, self.width), dtype=np.float32)
        numbers = np.full((2, size), -1, dtype=np.int32)
        self.layers, self.gradients = (by_event.base, by_unit.base), (gradient.base, numbers.base)
        self.by_event1, self.by_event2 = &by_event[0, 0], &by_event[1, 0]
        self.active1, self.active2 = &by_unit[0, BATCH], &by_unit[1, BATCH]
        self.delta1, self.delta2 = &by_unit[2, BATCH], &by_unit[3, BATCH]
        self.gradient = &gradient[0, 0]
        self.touched, self.place_of = &numbers[0, 0], &numbers[1, VALUE_SLOTS]
        return 0

    cdef int make_room(self, Py_ssize_t n) except -1:
        """Make room for `n` inputs of an event."""
        cdef int[:, ::1] slots
        cdef float[:, ::1] z
        if n <= self.room:
            return 0
        slots, z = np.zeros((BATCH, n), dtype=np.int32), np.zeros((BATCH, n), dtype=np.float32)
        self.inputs = (slots.base, z.base)
        self.slots_of, self.z, self.room = &slots[0, 0], &z[0, 0], n
        return 0

    cdef void add(self, const Inputs* inputs, Py_ssize_t lags_used, Py_ssize_t n_lags, double target) noexcept nogil:
        """Add an event, with the first `lags_used` of its lags; the caller has made room for it."""
        cdef int* slots = self.slots_of + self.n * self.room
        cdef float* z = self.z + self.n * self.room
        cdef Py_ssize_t left_out = n_lags - lags_used, n = inputs.n - left_out, i
        memcpy(slots, inputs.slots + left_out, n * sizeof(int))
        memcpy(z, inputs.z + left_out, n * sizeof(float))
        if left_out:
            for i in range(lags_used):
                slots[i], z[i] = <int>i, inputs.z[i]
        self.lengths[self.n] = n
        self.targets[self.n] = target
        self.widest = inputs.n if inputs.n > self.widest else self.widest
        self.n += 1

    cdef void touch(self, Py_ssize_t width) noexcept nogil:
        """Replace the slots of all inputs by the places of their gradients, which begin with 0."""
        cdef Py_ssize_t b, i
        cdef int* slots
        cdef int slot
        for b in range(self.n):
            slots = self.slots_of + b * self.room
            for i in range(self.lengths[b]):
                slot = slots[i]
                if self.place_of[slot] < 0:
                    self.place_of[slot] = <int>self.n_touched
                    self.touched[self.n_touched] = slot
                    self.n_touched += 1
                slots[i] = self.place_of[slot]
        memset(self.gradient, 0, self.n_touched * width * sizeof(float))

    cdef void clear(self) noexcept nogil:
        """Begin the next batch."""
        cdef Py_ssize_t i
        for i in range(self.n_touched):
            self.place_of[self.touched[i]] = -1
        self.n = self.widest = self.n_touched = 0
