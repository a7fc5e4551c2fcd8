"""Base of the models of named features: the steps that a learner calls for an event, and changes of scale."""
from cpython.object cimport PyObject

from edgedescent.features._encoder cimport EncodedEvent, Encoder
from edgedescent.features._scaler cimport Scaler

cdef class FeatureModel:
    # Shared with other models.
    cdef readonly Encoder encoder
    # For how many features the scratch has room, and for how many rows the tables.
    cdef Py_ssize_t room
    cdef Py_ssize_t rows
    # True if the model keeps events, for which `prepare` makes room each time.
    cdef bint keeps_events
    # True if the targets are limited, and `check_target` has to be asked.
    cdef bint limits_targets
    # Where an exception of a part that is written in Python is kept until `check_steps` raises it.
    cdef PyObject** kept_error
    cdef PyObject* no_error
    # Mean absolute error over about the last 10 and 500 events, and the number of events in them.
    cdef double recent_error
    cdef double usual_error
    cdef long long n_errors
    # True if the latest event completed a change of scale of the target.
    cdef bint target_changed

    cdef int check_target(self, double y) except -1
    cdef int prepare(self) except -1
    cdef void start_new_rows(self) noexcept nogil
    cdef double predict(self, const EncodedEvent* event) noexcept nogil
    cdef double predict_past(self, const EncodedEvent* event) noexcept nogil
    cdef double learn(self, double y) noexcept nogil
    cdef void after_update(self, double y) noexcept nogil
    cdef bint is_unusual(self, int change) noexcept nogil
    cdef bint is_unexplained(self, int change, double deviation) noexcept nogil
    cdef bint follow_target(self, Scaler target) noexcept nogil
    cdef void follow_change(self, Py_ssize_t row) noexcept nogil
    cdef void begin_anew(self) noexcept nogil
    cdef int check_steps(self) except -1

# Rates of the mean errors, which are plain averages at first, and bound on a single error in units of the usual one, so
# that no outlier decides alone.
cdef enum:
    RECENT = 10
    USUAL = 500
    OUTLYING = 10

cdef inline void observe_error(FeatureModel model, double error) noexcept nogil:
    """Take in the absolute error of the prediction for the event that is being learned."""
    model.target_changed = False
    model.n_errors += 1
    if model.n_errors >= USUAL:
        error = error if error < OUTLYING * model.usual_error else OUTLYING * model.usual_error
        model.recent_error += (1.0 / RECENT) * (error - model.recent_error)
        model.usual_error += (1.0 / USUAL) * (error - model.usual_error)
        return
    if model.n_errors > 1 and error > OUTLYING * model.usual_error:
        error = OUTLYING * model.usual_error
    model.recent_error += (error - model.recent_error) / (model.n_errors if model.n_errors < RECENT else RECENT)
    model.usual_error += (error - model.usual_error) / model.n_errors

cdef inline bint has_room(FeatureModel model, Encoder encoder) noexcept:
    """True if the model can learn the encoder's event without `prepare`, which is the rule: it saves a call per event."""
    return model.room == encoder.room and model.rows >= encoder.scaler.rows and not model.keeps_events
