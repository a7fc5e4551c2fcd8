"""The model of rankers: popularity that forgets, neighbours of the user's latest items, and factors, in one score."""
from edgedescent.features._id_encoder cimport EncodedPair, IdEncoder
from edgedescent.learners._recommender_model cimport RecommenderModel
from edgedescent.ranking._choice_factors cimport ChoiceFactors
from edgedescent.ranking._choice_weights cimport FEATURES_MAX, Candidate, ChoiceWeights
from edgedescent.ranking._decayed_counts cimport DecayedCounts
from edgedescent.ranking._pair_table cimport PairTable
from edgedescent.ranking._popular_rows cimport PopularRows
from edgedescent.ranking._top_k cimport TopK
from edgedescent.ranking._user_habits cimport UserHabits

cdef enum:
    # Sparse features: those of items near the user's latest ones, and of the user's own items.
    N_SPARSE = 7
    # A row of sparse features in working memory has one place more, so that it fills a vector register.
    STRIDE = 8
    N_CONTEXTS = 9
    # Number of items, the best by the first weights, among which a choice is learned.
    HEAD = 100
    # Number of the user's latest items that are candidates too.
    OWN_MAX = 28
    # Number of popular items that are kept for the search of the head: some of them may be the user's own.
    LISTED = 400

cdef class RankingModel(RecommenderModel):
    cdef readonly DecayedCounts popularity
    cdef readonly PairTable together
    cdef readonly PairTable following
    cdef bint uses_together
    cdef bint uses_following
    cdef readonly PopularRows popular
    cdef readonly UserHabits habits
    cdef readonly ChoiceWeights choice
    # Its score is the last feature; None without factors.
    cdef readonly ChoiceFactors factors
    cdef bint uses_factors
    cdef readonly double mean_weight
    cdef Py_ssize_t latest
    cdef Py_ssize_t n_dense
    cdef Py_ssize_t n_features
    cdef double shrinkage
    # What was read of a user: context, weights, sparse features by item row, and which rows have any.
    cdef Py_ssize_t user_read
    cdef long long read_at
    cdef double context[N_CONTEXTS]
    cdef float weights[FEATURES_MAX]
    cdef float* sparse
    cdef float* bonus
    cdef float* inverse_roots
    cdef int* touched
    cdef char* is_touched
    cdef Py_ssize_t n_touched
    cdef Py_ssize_t scratch_rows
    cdef list scratch
    # Candidates of the event at hand, at last an unknown item and the chosen one; none if the event teaches no weights.
    cdef float first[FEATURES_MAX]
    cdef TopK best
    cdef Candidate candidates[HEAD + OWN_MAX + 1]
    cdef Py_ssize_t n_read
    cdef bint is_chosen_read
    cdef Py_ssize_t n_candidates

    cdef int _make_scratch(self, Py_ssize_t rows) except -1
    cdef void _read_user(self, Py_ssize_t u) noexcept nogil
    cdef void _read_context(self, Py_ssize_t u) noexcept nogil
    cdef void _read_neighbours(self, Py_ssize_t u) noexcept nogil
    cdef float* _touch(self, Py_ssize_t row) noexcept nogil
    cdef void _read_item(self, Py_ssize_t i, float* x) noexcept nogil
    cdef float _log_age(self, Py_ssize_t i) noexcept nogil
    cdef double _score(self, const float* x) noexcept nogil
    cdef void _find_candidates(self, const EncodedPair* pair) noexcept nogil
    cdef void _add_candidate(self, Py_ssize_t row, Py_ssize_t chosen) noexcept nogil
    cdef void _find_head(self) noexcept nogil
    cdef float _first_score(self, Py_ssize_t row) noexcept nogil
    cdef void _count_pairs(self, const EncodedPair* pair, double weight, long long now) noexcept nogil
    cdef void _count_choice(self, Py_ssize_t item, double weight) noexcept nogil
