"""The learning of one rating, and the ranking of items."""
from edgedescent.features._id_encoder cimport IdEncoder
from edgedescent.learners._recommender_model cimport RecommenderModel

cdef class CompiledRecommender:
    cdef readonly IdEncoder encoder
    cdef readonly RecommenderModel model
    cdef readonly long long n_skipped_targets

    cdef int require_constructed(self) except -1
    cdef double predict_ids(self, str user, str item) except? -1.0
    cdef double predict_learn_ids(self, str user, str item, double y) except? -1.0
    cdef int learn_pair(self, double y) except -1
    cdef list _reranked(self, Py_ssize_t u, list places, Py_ssize_t[::1] rows)
