"""Member of an ensemble: the interface that the model calls, and the units of its target."""
from libc.stdint cimport uint64_t

from edgedescent.ensemble._event_ring cimport EventRing
from edgedescent.ensemble._inputs cimport Inputs

# Location and scale of the labels. `base` is the last label, `mean` and `deviation` are those of the labels, and `change`
# is the deviation of their changes; both deviations are > 0.
cdef struct LabelScale:
    double base
    double mean
    double deviation
    double change

cdef class Member:
    cdef readonly Py_ssize_t n_outputs
    # Whether there is one output, with a target, on the change or on the label.
    cdef readonly bint has_target
    cdef readonly bint on_change
    # Whether there are weights for slots below 0, which are those of values.
    cdef readonly bint has_value_slots

    cdef int grow(self, Py_ssize_t slots) except -1
    cdef void start_slot(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept nogil
    cdef void forget_slot(self, Py_ssize_t slot) noexcept nogil
    cdef void reopen_slot(self, Py_ssize_t slot) noexcept nogil
    cdef void begin_anew(self, EventRing ring) noexcept nogil
    cdef void rescale(self, double factor, double shift) noexcept nogil
    cdef void predict(self, const Inputs* inputs, const LabelScale* scale, double* out) noexcept nogil
    cdef void learn(self, const Inputs* inputs, const LabelScale* scale, double y) noexcept nogil
    cdef void replay(self, EventRing ring, Inputs* scratch, const LabelScale* scale) noexcept nogil

cdef double to_target(const LabelScale* scale, bint on_change, double y) noexcept nogil
cdef double to_label(const LabelScale* scale, bint on_change, double output) noexcept nogil
