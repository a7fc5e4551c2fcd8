"""The model of matrix factorization: biases and factors over the rows of two id vocabularies."""
from cython cimport final
from libc.stdint cimport uint64_t

from edgedescent.features._id_encoder cimport EncodedPair, IdEncoder
from edgedescent.features._scaler cimport Scaler
from edgedescent.learners._recommender_model cimport RecommenderModel
from edgedescent.learners._replay_buffer cimport ReplayBuffer
from edgedescent.losses._losses cimport Loss
from edgedescent.optim._parameter_table cimport ParameterTable
from edgedescent.optim._stepper cimport Stepper

cdef class MatrixFactorizationModel(RecommenderModel):
    cdef readonly ParameterTable user_rows
    cdef readonly ParameterTable item_rows
    cdef readonly Scaler target
    cdef readonly Stepper stepper
    cdef readonly ReplayBuffer replay_buffer
    cdef readonly double y_min
    cdef readonly double y_max
    cdef Loss loss
    # Kept alive: a loss written in Python is called through the struct.
    cdef object declared_loss
    cdef Py_ssize_t k
    cdef double init_scale
    cdef double l2_bias
    cdef double l2_factors
    cdef uint64_t seed
    cdef Py_ssize_t replay_steps
    cdef double[::1] user_gradient
    cdef double[::1] item_gradient
    cdef double cold_gradient[2]

    # What a kind of model defines; the rest is shared.
    cdef double to_prediction(self, double score) noexcept nogil
    cdef double to_loss_target(self, double y) noexcept nogil
    cdef double descend(self, const EncodedPair* pair, double target) noexcept nogil

    @final
    cdef double score(self, const double* users, const double* items, Py_ssize_t u, Py_ssize_t i) noexcept nogil

    cdef void _start_row(self, ParameterTable table, Py_ssize_t row, uint64_t word) noexcept nogil
    cdef void _replay(self) noexcept nogil
