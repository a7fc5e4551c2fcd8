"""Member of an ensemble: the interface that the model calls, and the units of its target.

A member learns one of two standardized targets, each clipped at ±10::

    on the change:  t = (y - base) / change            base is the last label
    on the label:   t = (y - mean) / deviation
"""
import numpy as np

from edgedescent.ensemble._inputs cimport InputBuffer

# Standardized targets are clipped at so many deviations.
cdef double TARGET_CLIP = 10.0


cdef class Member:
    """Base of the members of an ensemble.

    For an event the model calls `predict`, `learn` and `replay`, in this order and with the same inputs and scale.

    Args:
        n_outputs: Number of predictions that the member makes for an event.
    """

    def __init__(self, Py_ssize_t n_outputs):
        self.n_outputs = n_outputs
        self.has_target = self.on_change = False

    cdef int grow(self, Py_ssize_t slots) except -1:
        """Make room for the weights of so many inputs."""
        return 0

    cdef void start_slot(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept nogil:
        """Give the weights of an input their first values.

        Args:
            slot: Slot of the input; there is room for it.
            word: Seed of random values.
            deviation: Deviation of random values.
        """

    cdef void forget_slot(self, Py_ssize_t slot) noexcept nogil:
        """Remove an input from stored events: its slot belongs to another feature from now on."""

    cdef void reopen_slot(self, Py_ssize_t slot) noexcept nogil:
        """Keep the weights of an input, but step them as if they were new: its scale has changed."""

    cdef void begin_anew(self, EventRing ring) noexcept nogil:
        """Let go of what holds in a former scale only: how large errors are, and all events stored until now."""

    cdef void rescale(self, double factor, double shift) noexcept nogil:
        """Replace the output o by ``factor * o + shift`` for any inputs, if there is a target."""

    cdef void predict(self, const Inputs* inputs, const LabelScale* scale, double* out) noexcept nogil:
        """Write the `n_outputs` predictions for an event; nothing that is state changes."""

    cdef void learn(self, const Inputs* inputs, const LabelScale* scale, double y) noexcept nogil:
        """Learn the event that was predicted last."""

    cdef void replay(self, EventRing ring, Inputs* scratch, const LabelScale* scale) noexcept nogil:
        """Learn stored events again.

        Args:
            ring: Stored events, the newest of which is the one that was learned last.
            scratch: Room for the inputs of any of them.
            scale: Scale of the labels.
        """

    def predict_one(self, InputBuffer buffer, base, mean, deviation, change):
        """Return the predictions for an event, shape (n_outputs,); the numbers are those of `LabelScale`."""
        cdef LabelScale scale = LabelScale(base, mean, deviation, change)
        cdef double[::1] out = np.zeros(self.n_outputs)
        self.predict(&buffer.inputs, &scale, &out[0])
        return np.asarray(out)

    def learn_one(self, InputBuffer buffer, base, mean, deviation, change, double y):
        """Learn the event that was predicted last."""
        cdef LabelScale scale = LabelScale(base, mean, deviation, change)
        self.learn(&buffer.inputs, &scale, y)

    def names(self):
        """Return a name for each prediction."""
        return [type(self).__name__] * self.n_outputs

    def counts(self):
        """Return what the member counts, by the names of the metrics."""
        return {}

    def save(self, Py_ssize_t slots, Py_ssize_t n_values):
        """Return the state by name, with the weights of the first `slots` inputs."""
        return {}

    def restore(self, dict state, Py_ssize_t slots, Py_ssize_t n_values):
        """Restore what `save` returned.

        Raises:
            ValueError: If it is inconsistent.
        """


cdef double to_target(const LabelScale* scale, bint on_change, double y) noexcept nogil:
    """Return a label as the standardized target of a member."""
    cdef double target = (y - scale.base) / scale.change if on_change else (y - scale.mean) / scale.deviation
    target = target if target < TARGET_CLIP else TARGET_CLIP
    return target if target > -TARGET_CLIP else -TARGET_CLIP


cdef double to_label(const LabelScale* scale, bint on_change, double output) noexcept nogil:
    """Return the label that a standardized output stands for."""
    return scale.base + scale.change * output if on_change else scale.mean + scale.deviation * output
