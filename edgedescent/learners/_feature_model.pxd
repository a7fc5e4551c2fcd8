from libc.stdint cimport uint64_t

from edgedescent.optim._stepper cimport Stepper
from edgedescent.losses._losses cimport Loss
from edgedescent.features._scaler cimport Scaler
from edgedescent.features._encoder cimport Encoder
from edgedescent.learners._replay_buffer cimport ReplayBuffer

cdef enum:
    # Each feature of an event moves the score by a step of its own. Of so many, the moves add up to no more than is
    # good; events of more take smaller steps.
    WIDE = 16

# Features whose rows lie side by side are worked on as one run, which is what lets the compiler vectorize.
cdef struct Run:
    Py_ssize_t row
    Py_ssize_t start
    Py_ssize_t length
    bint category

cdef class FeatureModel(Encoder):
    cdef readonly Scaler inputs
    cdef readonly Scaler target
    cdef readonly Stepper stepper
    cdef readonly ReplayBuffer replay_buffer
    cdef readonly long long n_events
    cdef readonly long long n_skipped_targets
    cdef readonly long long n_skipped_values
    cdef Loss loss
    cdef bint scales_itself
    cdef double l2
    cdef uint64_t seed
    cdef Py_ssize_t replay_steps
    # The event at hand, beside what the reader has of it. None of this is state: every call fills it anew.
    cdef double* z
    cdef Run* runs
    cdef Py_ssize_t n_runs
    cdef char* is_category
    cdef object is_category_memory

    # What a learner is made of: the rest is shared.
    cdef double _forward(self, bint serving) noexcept nogil
    cdef void _backward(self, double slope) noexcept nogil
    cdef int _make_scratch(self, Py_ssize_t n) except -1
    cdef int _grow_tables(self, Py_ssize_t rows) except -1
    cdef void _start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil

    cdef int _check_target(self, double y) except -1
    cdef bint _settle(self, bint learning) except -1
    cdef Py_ssize_t _row_for(self, str name, bint category) except -1
    cdef void _stamp(self) noexcept nogil
    cdef void _find_runs(self) noexcept nogil
    cdef void _standardize(self) noexcept nogil
    cdef double _in_units(self, double score) noexcept nogil
    cdef double _in_loss_units(self, double y) noexcept nogil
    cdef void _descend(self, double target, double score) noexcept nogil
    cdef double _learn(self, double y) noexcept nogil
    cdef void _replay(self) noexcept nogil
    cdef int _require_set_up(self) except -1
    cdef double _predict(self, dict x) except? -1.0
    cdef double _predict_read(self) except? -1.0
    cdef double _predict_learn(self, dict x, object y) except? -1.0
