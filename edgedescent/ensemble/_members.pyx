"""Members of an ensemble that learn: recursive least squares and networks."""
from libc.stdint cimport uint64_t

from edgedescent.ensemble._event_ring cimport EventRing
from edgedescent.ensemble._inputs cimport Inputs, without_values
from edgedescent.ensemble._member cimport LabelScale, to_label, to_target


cdef class LeastSquaresMember(Member):
    """Recursive least squares on the change against the last label, or on the label.

    Args:
        model: The recursive least squares.
        on_change: True for the change, False for the label.
        intercept: Slot of the input that is always 1.
    """

    def __init__(self, LeastSquares model, bint on_change, Py_ssize_t intercept):
        Member.__init__(self, 1)
        self.intercept = intercept
        self.model, self.on_change, self.has_target = model, on_change, True

    cdef int grow(self, Py_ssize_t slots) except -1:
        return self.model.reserve(slots)

    cdef void start_slot(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept nogil:
        self.model.start(slot)

    cdef void reopen_slot(self, Py_ssize_t slot) noexcept nogil:
        self.model.reopen(slot)

    cdef void begin_anew(self, EventRing ring) noexcept nogil:
        self.model.forget_scale()

    cdef void rescale(self, double factor, double shift) noexcept nogil:
        self.model.rescale(factor, shift, self.intercept)

    cdef void predict(self, const Inputs* inputs, const LabelScale* scale, double* out) noexcept nogil:
        out[0] = to_label(scale, self.on_change, self.model.predict(inputs.slots, inputs.exact, inputs.n_plain))

    cdef void learn(self, const Inputs* inputs, const LabelScale* scale, double y) noexcept nogil:
        self.model.learn(inputs.slots, inputs.exact, inputs.n_plain, to_target(scale, self.on_change, y))

    def names(self):
        target = "change" if self.on_change else "label"
        return [f"least squares, forgetting {self.model.forgetting:g}, on the {target}"]

    def counts(self):
        return {"members_restarted": self.model.n_restarts}

    def save(self, Py_ssize_t slots, Py_ssize_t n_values):
        return self.model.save()

    def restore(self, dict state, Py_ssize_t slots, Py_ssize_t n_values):
        self.model.restore(state, slots)


cdef class NetworkMember(Member):
    """Network on the change against the last label, or on the label.

    Args:
        model: The network.
        on_change: True for the change, False for the label.
    """

    def __init__(self, Network model, bint on_change):
        Member.__init__(self, 1)
        self.model, self.on_change, self.has_target = model, on_change, True
        self.has_value_slots = True

    cdef int grow(self, Py_ssize_t slots) except -1:
        return self.model.grow(slots)

    cdef void start_slot(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept nogil:
        self.model.start_slot(slot, word, deviation)

    cdef void begin_anew(self, EventRing ring) noexcept nogil:
        self.model.begin_anew(ring)

    cdef void rescale(self, double factor, double shift) noexcept nogil:
        self.model.rescale(factor, shift)

    cdef inline Inputs _taken(self, const Inputs* inputs) noexcept nogil:
        """Return the inputs that the network takes."""
        return inputs[0] if self.model.takes_values else without_values(inputs)

    cdef void predict(self, const Inputs* inputs, const LabelScale* scale, double* out) noexcept nogil:
        cdef Inputs taken = self._taken(inputs)
        out[0] = to_label(scale, self.on_change, self.model.serve(&taken))

    cdef void learn(self, const Inputs* inputs, const LabelScale* scale, double y) noexcept nogil:
        cdef Inputs taken = self._taken(inputs)
        self.model.learn(&taken, to_target(scale, self.on_change, y))

    cdef void replay(self, EventRing ring, Inputs* scratch, const LabelScale* scale) noexcept nogil:
        cdef LabelScale then = scale[0]
        cdef Inputs stored, taken
        cdef Py_ssize_t step, place
        cdef long long number
        for step in range(self.model.replay_steps):
            number = self.model.draw(ring)
            place = <Py_ssize_t>(number % ring.size)
            stored = ring.stored(number, scratch)
            taken = self._taken(&stored)
            then.base = ring.bases[place]
            self.model.replay(&taken, to_target(&then, self.on_change, ring.labels[place]))
        self.model.end_replay(ring)

    def names(self):
        widths = "-".join(str(width) for width in self.model.hidden)
        target = "change" if self.on_change else "label"
        values = ", with repeated values" if self.model.takes_values else ""
        return [
            f"network {widths}, {self.model.lags_used} lags{values}, replay of {self.model.replay_size}, on the {target}"]

    def counts(self):
        return {"members_restarted": self.model.n_restarts, "replays_let_go": self.model.agreement.n_let_go}

    def save(self, Py_ssize_t slots, Py_ssize_t n_values):
        return self.model.save(slots, n_values if self.model.takes_values else 0)

    def restore(self, dict state, Py_ssize_t slots, Py_ssize_t n_values):
        self.model.restore(state, slots, n_values if self.model.takes_values else 0)
