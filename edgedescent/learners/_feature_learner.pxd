"""The learning of one event of named features by models that share an encoder."""
from cpython.object cimport PyObject

from edgedescent.conformal._prediction_intervals cimport PredictionIntervals
from edgedescent.features._encoder cimport EncodedEvent, Encoder

cdef class CompiledFeatureLearner:
    cdef readonly Encoder encoder
    cdef readonly tuple models
    cdef readonly long long n_skipped_targets
    # None where no levels were asked for.
    cdef readonly PredictionIntervals intervals
    # The models, borrowed from the tuple: looping over it takes a good part of the time of an event.
    cdef Py_ssize_t n_models
    cdef PyObject** members
    # True if the loss of a model is not defined for every target; asking each of them at every event takes time.
    cdef bint limits_targets
    # The prediction of each model for the event at hand.
    cdef double* model_predictions

    cpdef int require_constructed(self) except -1
    cdef int check_target(self, double y) except -1
    cdef double predict_event(self) except? -1.0
    cdef double learn_event(self, double y) except? -1.0
    cdef bint read_labelled(self, dict x, object y, double* target) except -1
    cdef double predict_dict(self, dict x) except? -1.0
    cdef double predict_learn_dict(self, dict x, object y) except? -1.0
    cdef void _predict_known(self, const EncodedEvent* event) noexcept
    cdef void _follow_changes(self) noexcept
    cdef int _check_steps(self) except -1
