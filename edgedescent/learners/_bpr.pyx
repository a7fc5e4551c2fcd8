"""Bayesian personalized ranking: learns to score the items of a user above randomly drawn items."""
import numpy as np

from libc.math cimport NAN
from libc.stdint cimport uint64_t

from edgedescent.features._id_encoder cimport EncodedPair, IdEncoder
from edgedescent.learners._matrix_factorization cimport MatrixFactorizationModel
from edgedescent.losses._losses cimport logistic
from edgedescent.numerics._random cimport next_below
from edgedescent.optim._parameter_table cimport Table

from edgedescent.losses import LogisticLoss


cdef class BPRModel(MatrixFactorizationModel):
    """Compiled model of `edgedescent.BPR`.

    The tables are those of `MatrixFactorizationModel`. The biases of users stay zero, because they cancel in the
    comparison of two items. Row 0 stays zero too: an unknown item has score 0, the value towards which the penalty
    shrinks all scores.

    Args:
        encoder: Encoder of user and item ids.
        parameters: The `edgedescent.BPR`, which validates and documents the parameters.
    """

    cdef uint64_t random
    cdef Py_ssize_t n_negatives
    cdef double[::1] negative_gradient

    def __init__(self, IdEncoder encoder, parameters):
        # Targets are not standardized, so the value of `forgetting` has no effect.
        MatrixFactorizationModel.__init__(self, encoder, parameters, loss=LogisticLoss(), forgetting=0.5)
        self.n_negatives = parameters.n_negatives
        self.negative_gradient = np.zeros(self.k + 1)
        # A sequence different from that of the replay buffer, which starts at the seed itself.
        self.random = self.seed ^ <uint64_t>0x5DEECE66D

    cdef double usable_target(self, double y) noexcept nogil:
        # Items that were not taken are already represented by the random draws, so they count as missing ratings.
        return y if y > 0.0 else NAN

    cdef double to_prediction(self, double score) noexcept nogil:
        return logistic(score)

    cdef double to_loss_target(self, double y) noexcept nogil:
        return 1.0

    cdef double descend(self, const EncodedPair* pair, double target) noexcept nogil:
        """Take one step for each drawn item; return the mean score difference before the steps."""
        cdef Py_ssize_t n = self.encoder.items.size(), i = pair.item, s, j
        cdef double total = 0.0
        # A comparison needs two known items (row 0 is not an item).
        if pair.user == 0 or i == 0 or n < 3:
            return 0.0
        for s in range(self.n_negatives):
            # Any row except 0 and i. A recent item of the user is redrawn only once, as there may be no other.
            j = 1 + next_below(&self.random, n - 2)
            j = j if j < i else j + 1
            if self.encoder.seen.holds(pair.user, j, self.encoder.items.assigned_at):
                j = 1 + next_below(&self.random, n - 2)
                j = j if j < i else j + 1
            total += self._prefer(pair.user, i, j)
        return total / self.n_negatives

    cdef double _prefer(self, Py_ssize_t u, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
        """Take one step along the gradient of -log σ(f_ui - f_uj); return the difference before the step."""
        cdef Table* users = &self.user_rows.table
        cdef Table* items = &self.item_rows.table
        cdef Py_ssize_t width = self.k + 1, f
        cdef const double* p = users.w + u * width
        cdef const double* q = items.w + i * width
        cdef const double* r = items.w + j * width
        cdef double* gp = &self.user_gradient[0]
        cdef double* gq = &self.item_gradient[0]
        cdef double* gr = &self.negative_gradient[0]
        cdef double difference = self.score(users.w, items.w, u, i) - self.score(users.w, items.w, u, j)
        cdef double slope = -logistic(-difference)
        gq[0] = slope + self.l2_bias * q[0]
        gr[0] = -slope + self.l2_bias * r[0]
        for f in range(1, width):
            gp[f] = slope * (q[f] - r[f]) + self.l2_factors * p[f]
            gq[f] = slope * p[f] + self.l2_factors * q[f]
            gr[f] = -slope * p[f] + self.l2_factors * r[f]
        self.stepper.add(users, u * width + 1, self.k, gp + 1, True)
        self.stepper.add(items, i * width, width, gq, True)
        self.stepper.add(items, j * width, width, gr, True)
        self.stepper.step(slope, &self.loss, 1.0, difference, 1.0)
        return difference

    def save(self):
        return {**MatrixFactorizationModel.save(self), "draws": np.array([self.random], dtype=np.uint64)}

    def restore(self, dict state):
        draws = state["draws"]
        if len(draws) != 1:
            raise ValueError(f"The state's `draws` must have 1 number. Got {len(draws)}.")
        MatrixFactorizationModel.restore(self, state)
        self.random = int(draws[0])
