from cython cimport final
from libc.stdint cimport uint64_t

from edgedescent.optim._stepper cimport Stepper
from edgedescent.losses._losses cimport Loss
from edgedescent.features._scaler cimport Scaler
from edgedescent.optim._parameter_table cimport ParameterTable
from edgedescent.learners._replay_buffer cimport ReplayBuffer
from edgedescent.learners._user_history cimport UserHistory
from edgedescent.features._vocabulary cimport Vocabulary

cdef class MatrixFactorizationModel:
    cdef readonly Vocabulary users
    cdef readonly Vocabulary items
    cdef readonly ParameterTable user_rows
    cdef readonly ParameterTable item_rows
    cdef readonly Scaler target
    cdef readonly Stepper stepper
    cdef readonly ReplayBuffer replay_buffer
    cdef readonly UserHistory seen
    cdef readonly long long n_events
    cdef readonly long long n_skipped_targets
    cdef readonly double y_min
    cdef readonly double y_max
    cdef Loss loss
    cdef Py_ssize_t k
    cdef double init_scale
    cdef double l2_bias
    cdef double l2_factors
    cdef uint64_t seed
    cdef Py_ssize_t replay_steps
    cdef double[::1] user_gradient
    cdef double[::1] item_gradient
    cdef double cold_gradient[2]

    # What a recommender is made of: the rest is shared.
    cdef double _in_units(self, double score) noexcept nogil
    cdef double _in_loss_units(self, double y) noexcept nogil
    cdef double _descend(self, Py_ssize_t u, Py_ssize_t i, double target, bint new_user, bint new_item) noexcept nogil

    cdef Py_ssize_t _row_to_learn(self, Vocabulary ids, ParameterTable table, str key, uint64_t salt) except -1
    @final
    cdef double _score(self, const double* users, const double* items, Py_ssize_t u, Py_ssize_t i) noexcept nogil
    @final
    cdef double _served(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil
    cdef void _learn(self, Py_ssize_t u, Py_ssize_t i, double y, bint new_user, bint new_item) noexcept nogil
    cdef void _replay(self) noexcept nogil
    cdef int _require_set_up(self) except -1
    cdef double _predict(self, str user, str item) except? -1.0
    cdef double _predict_learn(self, str user, str item, double y) except? -1.0
