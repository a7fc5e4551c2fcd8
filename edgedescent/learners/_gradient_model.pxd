"""Base of the models of named features that descend a gradient."""
from cython cimport final
from libc.stdint cimport uint64_t

from edgedescent.features._encoder cimport EncodedEvent, Encoder
from edgedescent.features._scaler cimport Scaler
from edgedescent.learners._feature_model cimport FeatureModel
from edgedescent.learners._replay_buffer cimport ReplayBuffer
from edgedescent.losses._losses cimport Loss
from edgedescent.numerics._agreement cimport Agreement
from edgedescent.optim._average_rate cimport AverageRate
from edgedescent.optim._stepper cimport Stepper

cdef enum:
    # Each feature of an event moves the score by a step of its own. Of so many, the moves add up to no more than is
    # good; events of more take smaller steps.
    WIDE = 16
    # Bound on the parameters that the replay after one event visits, so that even the largest network takes a fraction of
    # a second for an event.
    REPLAYED_PARAMETERS_MAX = 1 << 26

cdef class GradientModel(FeatureModel):
    cdef readonly Scaler target
    cdef readonly Stepper stepper
    cdef readonly ReplayBuffer replay_buffer
    cdef Loss loss
    # Kept alive: a loss written in Python is called through the struct.
    cdef object declared_loss
    # True if a prediction is another pass than that which a step follows.
    cdef bint predicts_apart
    cdef bint scales_itself
    # Of the average that predicts; None where it is not adapted.
    cdef readonly AverageRate average_rate
    cdef double l2
    cdef uint64_t seed
    cdef Py_ssize_t replay_steps
    cdef Py_ssize_t replay_batch
    # Whether what the replay buffer holds still agrees with new events.
    cdef readonly Agreement agreement
    # The event that is learned again. A scratch of its own, as the encoder's event is still needed by other models.
    cdef EncodedEvent replayed

    # What a kind of model defines; the rest is shared.
    cdef double forward(self, const EncodedEvent* event, bint serving) noexcept nogil
    cdef void backward(self, const EncodedEvent* event, double slope) noexcept nogil
    cdef int make_scratch(self, Py_ssize_t n) except -1
    cdef int grow_tables(self, Py_ssize_t rows) except -1
    cdef void start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil
    cdef long long n_parameters(self, Py_ssize_t n) noexcept nogil

    cdef Stepper make_stepper(self, optimizer, double l1)
    cdef void accumulate(self, const EncodedEvent* event, double target, double score) noexcept nogil
    cdef void finish_batch(self) noexcept nogil

    cdef void descend(self, const EncodedEvent* event, double target, double score) noexcept nogil

    @final
    cdef double to_prediction(self, double score) noexcept nogil
    @final
    cdef double to_loss_target(self, double y) noexcept nogil
    cdef int check_rows(self, dict state, str table) except -1
    @final
    cdef double _error(self, double target, double score) noexcept nogil
    @final
    cdef void _replay(self) noexcept nogil
    cdef void reopen_row(self, Py_ssize_t row) noexcept nogil
    cdef void reopen_rest(self) noexcept nogil
