"""A model of named features: parameters over an encoder's rows."""
from libc.stdint cimport uint64_t

from edgedescent.features._encoder cimport EncodedEvent, Encoder
from edgedescent.features._scaler cimport Scaler
from edgedescent.learners._replay_buffer cimport ReplayBuffer
from edgedescent.losses._losses cimport Loss
from edgedescent.optim._stepper cimport Stepper

cdef enum:
    # Each feature of an event moves the score by a step of its own. Of so many, the moves add up to no more than is
    # good; events of more take smaller steps.
    WIDE = 16

cdef class FeatureModel:
    # Shared with other models.
    cdef readonly Encoder encoder
    cdef readonly Scaler target
    cdef readonly Stepper stepper
    cdef readonly ReplayBuffer replay_buffer
    cdef Loss loss
    # Kept alive: a loss written in Python is called through the struct.
    cdef object declared_loss
    cdef bint scales_itself
    cdef double l2
    cdef uint64_t seed
    cdef Py_ssize_t replay_steps
    # The event that is learned again. A scratch of its own, as the encoder's event is still needed by other models.
    cdef EncodedEvent replayed
    # For how many features the scratch has room, and for how many rows the tables.
    cdef Py_ssize_t room
    cdef Py_ssize_t rows

    # What a kind of model defines; the rest is shared.
    cdef double forward(self, const EncodedEvent* event, bint serving) noexcept nogil
    cdef void backward(self, const EncodedEvent* event, double slope) noexcept nogil
    cdef int make_scratch(self, Py_ssize_t n) except -1
    cdef int grow_tables(self, Py_ssize_t rows) except -1
    cdef void start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil

    cdef int check_target(self, double y) except -1
    cdef int prepare(self) except -1
    cdef void start_new_rows(self) noexcept nogil
    cdef double predict(self, const EncodedEvent* event) noexcept nogil
    cdef double learn(self, double y) noexcept nogil
    cdef void after_update(self, double y) noexcept nogil
    cdef void descend(self, const EncodedEvent* event, double target, double score) noexcept nogil

    cdef double to_prediction(self, double score) noexcept nogil
    cdef double to_loss_target(self, double y) noexcept nogil
    cdef int check_rows(self, dict state, str table) except -1
    cdef void _replay(self) noexcept nogil

cdef inline bint has_room(FeatureModel model, Encoder encoder) noexcept:
    """True if the model can learn the encoder's event without `prepare`, which is the rule: it saves a call per event."""
    return model.room == encoder.room and model.rows >= encoder.scaler.rows and model.replay_buffer.size == 0
