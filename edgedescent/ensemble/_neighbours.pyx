"""Nearest neighbours among the latest events (k-NN), weighted by their distance.

::

    wᵢ = 1 / (0.01 + |z - zᵢ|²)                     for the k nearest events i
    by change:  y₁ + Σ wᵢ (yᵢ - baseᵢ) / Σ wᵢ
    by label:        Σ wᵢ yᵢ / Σ wᵢ

The events lie as columns, one for each of the first `width` inputs; later ones do not count. The scan is exact.
"""
import numpy as np

from edgedescent.ensemble._event_ring cimport EventRing
from edgedescent.ensemble._inputs cimport Inputs
from edgedescent.ensemble._member cimport LabelScale
from edgedescent.numerics._kernels cimport f32_distances, f32_first_below

cdef enum:
    # Fewer events say nothing.
    HELD_MIN = 10

cdef double SOFTENING = 0.01


cdef class Neighbours(Member):
    """Ring of events with an exact search for the nearest ones.

    Args:
        size: Number of latest events.
        k: Number of neighbours.
        width: Number of inputs that count.
    """

    def __init__(self, Py_ssize_t size, Py_ssize_t k, Py_ssize_t width):
        cdef float[:, ::1] columns = np.zeros((width, size), dtype=np.float32)
        cdef float[::1] query = np.zeros(width, dtype=np.float32), distances = np.zeros(size, dtype=np.float32)
        cdef double[::1] changes = np.zeros(size), labels = np.zeros(size)
        Member.__init__(self, 2)
        if not 1 <= k <= NEIGHBOURS_MAX:
            raise ValueError(f"The number of neighbours must be 1 to {NEIGHBOURS_MAX}. Got {k}.")
        self.size, self.k, self.width, self.n_pushed, self.used = size, k, width, 0, 0
        self.columns, self.query, self.distances = &columns[0, 0], &query[0], &distances[0]
        self.changes, self.labels = &changes[0], &labels[0]
        self.arrays = [np.asarray(columns), np.asarray(changes), np.asarray(labels), query, distances]

    cdef void _lay_out(self, const Inputs* inputs) noexcept nogil:
        """Write the inputs as a vector into the query."""
        cdef Py_ssize_t i
        for i in range(self.width):
            self.query[i] = 0.0
        for i in range(inputs.n_plain):
            if inputs.slots[i] < self.width:
                self.query[inputs.slots[i]] = inputs.z[i]
                if inputs.slots[i] >= self.used:
                    self.used = inputs.slots[i] + 1

    cdef void predict(self, const Inputs* inputs, const LabelScale* scale, double* out) noexcept nogil:
        """Write the predictions by change and by label; without enough events both are the last label."""
        cdef float nearest[NEIGHBOURS_MAX]
        cdef Py_ssize_t places[NEIGHBOURS_MAX]
        cdef Py_ssize_t held = <Py_ssize_t>self.n_pushed if self.n_pushed < self.size else self.size
        cdef Py_ssize_t n = 0, i = 0, at
        cdef double weight, total = 0.0, change = 0.0, label = 0.0
        cdef float d
        out[0] = out[1] = scale.base
        if held <= HELD_MIN:
            return
        self._lay_out(inputs)
        f32_distances(self.distances, self.columns, self.query, held, self.size, self.used)
        while i < held:
            if n < self.k:
                n += 1
            else:
                i = f32_first_below(self.distances, nearest[n - 1], i, held)
                if i == held:
                    break
            d = self.distances[i]
            at = n - 1
            while at > 0 and nearest[at - 1] > d:
                nearest[at], places[at] = nearest[at - 1], places[at - 1]
                at -= 1
            nearest[at], places[at] = d, i
            i += 1
        for i in range(n):
            weight = 1.0 / (SOFTENING + nearest[i])
            total += weight
            change += weight * self.changes[places[i]]
            label += weight * self.labels[places[i]]
        out[0] = scale.base + change / total
        out[1] = label / total

    cdef void learn(self, const Inputs* inputs, const LabelScale* scale, double y) noexcept nogil:
        """Store an event in place of the oldest one."""
        cdef Py_ssize_t place = self.n_pushed % self.size, i
        self._lay_out(inputs)
        for i in range(self.width):
            self.columns[i * self.size + place] = self.query[i]
        self.changes[place] = y - scale.base
        self.labels[place] = y
        self.n_pushed += 1

    cdef void forget_slot(self, Py_ssize_t slot) noexcept nogil:
        """Set an input to 0 in all events: it belongs to another feature from now on."""
        cdef Py_ssize_t i
        if slot < self.width:
            for i in range(self.size):
                self.columns[slot * self.size + i] = 0.0

    cdef void begin_anew(self, EventRing ring) noexcept nogil:
        self.n_pushed = 0

    def names(self):
        return [f"{self.k} nearest neighbours, on the change", f"{self.k} nearest neighbours, on the label"]

    def save(self, Py_ssize_t slots, Py_ssize_t n_values):
        """Return the events in the order of the ring."""
        held = min(self.n_pushed, self.size)
        return {
            "inputs": np.array(self.arrays[0][:, :held].T, order="C"),
            "changes": np.array(self.arrays[1][:held]),
            "labels": np.array(self.arrays[2][:held]),
            "pushed": np.array([self.n_pushed], dtype=np.int64),
        }

    def restore(self, dict state, Py_ssize_t slots, Py_ssize_t n_values):
        """Restore what `save` returned.

        Raises:
            ValueError: If the arrays are inconsistent.
        """
        inputs, changes, labels = state["inputs"], state["changes"], state["labels"]
        pushed = state["pushed"]
        if (len(pushed) != 1 or pushed[0] < 0 or inputs.shape != (min(pushed[0], self.size), self.width)
                or not len(inputs) == len(changes) == len(labels)):
            raise ValueError("The state's neighbours are inconsistent.")
        for array, saved in zip(self.arrays, (inputs.T, changes, labels)):
            array[:] = 0.0
            array[..., : len(labels)] = saved
        self.n_pushed = int(pushed[0])
        self.used = int(np.flatnonzero(inputs.any(axis=0)).max(initial=-1)) + 1
