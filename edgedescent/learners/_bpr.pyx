"""Bayesian personalized ranking: what a user took is scored above what was drawn at random."""
import numpy as np

from libc.math cimport NAN
from libc.stdint cimport uint64_t

from edgedescent.learners._matrix_factorization cimport MatrixFactorizationModel
from edgedescent.losses._losses cimport logistic
from edgedescent.optim._parameter_table cimport Table
from edgedescent.numerics._random cimport next_below


cdef class BPRModel(MatrixFactorizationModel):
    """The state and arithmetic of `edgedescent.BPR`, which documents the parameters.

    The tables are those of explicit ratings. The users' biases stay zero, for they cancel out of every comparison of
    two items; row 0 stays zero too, so that an unknown item scores 0, which is what the penalty pulls all scores to.
    """

    cdef uint64_t random
    cdef Py_ssize_t n_negatives
    cdef double[::1] negative_gradient

    def _set_up_negatives(self, Py_ssize_t n_negatives):
        self.n_negatives = n_negatives
        self.negative_gradient = np.zeros(self.k + 1)
        # Apart from the ring's generator, which starts at the seed itself.
        self.random = self.seed ^ <uint64_t>0x5DEECE66D

    cdef double _in_units(self, double score) noexcept nogil:
        return logistic(score)

    cdef double _in_loss_units(self, double y) noexcept nogil:
        return 1.0

    cdef double _predict_learn(self, str user, str item, double y) except? -1.0:
        # What was not taken teaches nothing that the draws do not: it is counted like a rating that is missing.
        return MatrixFactorizationModel._predict_learn(self, user, item, y if y > 0.0 else NAN)

    cdef double _descend(self, Py_ssize_t u, Py_ssize_t i, double target, bint new_user, bint new_item) noexcept nogil:
        """One step for each item drawn; returns the mean difference of the scores before the steps."""
        cdef Py_ssize_t n = self.items.size(), s, j
        cdef double total = 0.0
        # Without two items there is nothing to compare.
        if u == 0 or i == 0 or n < 3:
            return 0.0
        for s in range(self.n_negatives):
            # Any row but 0 and i. One that the user took lately is drawn again, but once only: there may be no other.
            j = 1 + next_below(&self.random, n - 2)
            j = j if j < i else j + 1
            if self._took(u, j):
                j = 1 + next_below(&self.random, n - 2)
                j = j if j < i else j + 1
            total += self._prefer(u, i, j)
        return total / self.n_negatives

    cdef bint _took(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        cdef Py_ssize_t place
        for place in range(self.seen.size(u)):
            if self.seen.item(u, place, self.items.born) == i:
                return True
        return False

    cdef double _prefer(self, Py_ssize_t u, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
        """One step along the gradient of -log σ(f_ui - f_uj); returns the difference before it."""
        cdef Table* users = &self.user_rows.table
        cdef Table* items = &self.item_rows.table
        cdef Py_ssize_t width = self.k + 1, f
        cdef const double* p = users.w + u * width
        cdef const double* q = items.w + i * width
        cdef const double* r = items.w + j * width
        cdef double* gp = &self.user_gradient[0]
        cdef double* gq = &self.item_gradient[0]
        cdef double* gr = &self.negative_gradient[0]
        cdef double difference = self._score(users.w, items.w, u, i) - self._score(users.w, items.w, u, j)
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

    def predict_learn_one(self, user, item, y=1.0):
        """Predict, then learn that `user` took `item`; returns what `predict_one` would have returned before."""
        return MatrixFactorizationModel.predict_learn_one(self, user, item, y)

    def learn_one(self, user, item, y=1.0):
        """Learn that `user` took `item`; a `y` that is not a finite number above 0 is counted and skipped."""
        MatrixFactorizationModel.learn_one(self, user, item, y)

    def learn_many(self, users, items, y=None):
        """Predict each interaction, then learn from it, in order; returns the predictions.

        Args:
            users: ids, n_events of them.
            items: ids, n_events of them.
            y: positive where the item was taken, shape (n_events,); may be left out where all were.
        """
        users = list(users)
        return MatrixFactorizationModel.learn_many(self, users, items, np.ones(len(users)) if y is None else y)

    def _save(self):
        return {**MatrixFactorizationModel._save(self), "draws": np.array([self.random], dtype=np.uint64)}

    def _restore(self, **state):
        draws = state.pop("draws")
        if len(draws) != 1:
            raise ValueError(f"The state's `draws` must have 1 number. Got {len(draws)}.")
        MatrixFactorizationModel._restore(self, **state)
        self.random = int(draws[0])
