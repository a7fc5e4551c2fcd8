"""The model of the automatic recommender: least squares on estimates of the user and the item, mixed with simpler ones."""
from libc.stdint cimport uint64_t

from edgedescent.ensemble._least_squares cimport LeastSquares
from edgedescent.ensemble._mixture cimport Mixture
from edgedescent.ensemble._rating_rows cimport RatingRows
from edgedescent.features._scaler cimport Scaler
from edgedescent.learners._recommender_model cimport RecommenderModel
from edgedescent.losses._losses cimport Loss

# Inputs of the least squares.
cdef enum:
    N_INPUTS = 16

cdef class AutoRecommenderModel(RecommenderModel):
    cdef readonly RatingRows users
    cdef readonly RatingRows items
    cdef readonly Scaler target
    cdef readonly LeastSquares stack
    cdef readonly Mixture mixture
    cdef readonly double y_min
    cdef readonly double y_max
    cdef Loss loss
    cdef object declared_loss
    cdef Py_ssize_t k
    cdef double init_scale
    cdef double factor_max
    cdef uint64_t seed
    cdef int places[N_INPUTS]
    cdef double x[N_INPUTS]
    # Weight of each input in the prediction, all experts together.
    cdef double weights[N_INPUTS]
    # Scratch: the row of a user as scores need it.
    cdef double* user
    cdef object scratch

    cdef void _read(self, const double* p, const double* q, double taste) noexcept nogil
    cdef void _combine(self) noexcept nogil
    cdef double _score(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil
    cdef void _read_user(self, Py_ssize_t u, double* row) noexcept nogil
    cdef void _start_factors(self, double* row, uint64_t word) noexcept nogil
    cdef double _taste(self, const double* p, const double* q) noexcept nogil
    cdef void _learn_experts(self, double target, double taste) noexcept nogil
    cdef void _learn_rows(self, double target, double taste) noexcept nogil
    cdef void _learn_factors(self, double slope) noexcept nogil
