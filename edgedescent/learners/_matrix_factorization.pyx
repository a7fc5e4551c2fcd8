"""Matrix factorization with biases: two tables of rows ``[bias, factor 1, …, factor k]``."""
import numpy as np

from libc.math cimport fabs
from libc.stdint cimport uint64_t

from edgedescent.losses._losses cimport make_loss, observe, restore_loss
from edgedescent.numerics._numbers cimport bounded
from edgedescent.numerics._random cimport next_normal
from edgedescent.numerics._ranking_kernels cimport f64_score_rows
from edgedescent.numerics._vectors cimport dot
from edgedescent.optim._parameter_table cimport Table

# A rating is clipped at so many standard deviations from the mean.
cdef double RATING_CLIP = 10.0

cdef enum:
    # So many ratings count for the mean whatever their ids.
    RATINGS_FIRST = 32


cdef class MatrixFactorizationModel(RecommenderModel):
    """Biases and factors of `edgedescent.MatrixFactorization`.

    Row 0 of either table stands for every id without a row of its own. Its factors are zero; its bias is learned from
    the first rating of each new id, and is where the new id's own bias starts and what the penalty pulls it to.

    Args:
        encoder: what the model reads ratings from.
        parameters: the learner whose fields are the hyper-parameters.
        loss: what to minimize.
        forgetting: the least rate at which the mean rating follows new ratings.
    """

    def __init__(self, IdEncoder encoder, parameters, *, loss, double forgetting):
        optimizer = parameters.optimizer
        RecommenderModel.__init__(self, encoder)
        self.k = parameters.n_factors
        self.user_rows = ParameterTable(optimizer, self.k + 1, 16)
        self.item_rows = ParameterTable(optimizer, self.k + 1, 16)
        self.target = Scaler(RATING_CLIP, forgetting, 1, False)
        self.stepper = Stepper(optimizer)
        self.stepper.make_room(4, self.k + 1)
        self.replay_buffer = ReplayBuffer(parameters.replay_size if parameters.replay_steps else 0, parameters.seed)
        self.declared_loss = loss
        self.loss = make_loss(loss, &self.stepper.context.error)
        self.init_scale = parameters.init_scale
        self.l2_bias = parameters.l2_bias
        self.l2_factors = parameters.l2_factors
        self.stepper.context.penalized = self.l2_bias > 0.0 or self.l2_factors > 0.0
        self.seed = parameters.seed
        self.replay_steps = parameters.replay_steps
        self.y_min = self.y_max = 0.0
        self.user_gradient = np.zeros(self.k + 1)
        self.item_gradient = np.zeros(self.k + 1)

    # --- What a kind of model defines -----------------------------------------------------------------------------

    cdef double to_prediction(self, double score) noexcept nogil:
        """The rating that a score stands for, within the ratings seen."""
        cdef double value = self.target.mean[0]
        if self.target.variance[0] > 0.0:
            value += score / self.target.inverse[0]
        if value < self.y_min:
            return self.y_min
        return value if value < self.y_max else self.y_max

    cdef double to_loss_target(self, double y) noexcept nogil:
        """A rating as the loss compares it with a score."""
        return self.target.standardized(y)

    cdef double descend(self, const EncodedPair* pair, double target) noexcept nogil:
        """Take one step along the gradient of the loss; returns the score before it."""
        cdef Table* users = &self.user_rows.table
        cdef Table* items = &self.item_rows.table
        cdef Py_ssize_t width = self.k + 1, f
        cdef const double* p = users.w + pair.user * width
        cdef const double* q = items.w + pair.item * width
        cdef double* gp = &self.user_gradient[0]
        cdef double* gq = &self.item_gradient[0]
        cdef double score = self.score(users.w, items.w, pair.user, pair.item)
        cdef double slope = self.loss.slope(&self.loss, target, score)
        gp[0] = slope + self.l2_bias * (p[0] - users.w[0])
        gq[0] = slope + self.l2_bias * (q[0] - items.w[0])
        for f in range(1, width):
            gp[f] = slope * q[f] + self.l2_factors * p[f]
            gq[f] = slope * p[f] + self.l2_factors * q[f]
        if pair.user:
            self.stepper.add(users, pair.user * width, width, gp, True)
        if pair.item:
            self.stepper.add(items, pair.item * width, width, gq, True)
        self.cold_gradient[0] = self.cold_gradient[1] = slope
        if pair.new_user or pair.user == 0:
            self.stepper.add(users, 0, 1, self.cold_gradient, False)
        if pair.new_item or pair.item == 0:
            self.stepper.add(items, 0, 1, self.cold_gradient + 1, False)
        self.stepper.step(slope, &self.loss, target, score, 1.0)
        return score

    # --- One rating -----------------------------------------------------------------------------------------------

    cdef inline double score(self, const double* users, const double* items, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The prediction in standardized units: b_u + b_i + Σ p q."""
        cdef const double* p = users + u * (self.k + 1)
        cdef const double* q = items + i * (self.k + 1)
        return bounded(p[0] + q[0] + dot(p + 1, q + 1, self.k))

    cdef double predict(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The prediction for a pair of rows."""
        return self.to_prediction(self.score(self.user_rows.table.serving, self.item_rows.table.serving, u, i))

    def rated(self, Py_ssize_t u, Py_ssize_t i):
        """Return the prediction for a pair of rows; row 0 is that of unknown ids."""
        return self.predict(u, i)

    cdef int check(self) except -1:
        return self.stepper.check()

    cdef void score_items(self, Py_ssize_t u, Py_ssize_t begin, Py_ssize_t n, double* scores) noexcept nogil:
        """Fill in the scores of `n` rows of items, with the bits of `score`."""
        cdef Py_ssize_t width = self.k + 1, i
        f64_score_rows(scores, self.user_rows.table.serving + u * width, self.item_rows.table.serving + begin * width,
                       self.k, n)
        for i in range(n):
            scores[i] = bounded(scores[i])

    cdef int prepare(self) except -1:
        if self.encoder.pair.new_user and self.encoder.users.size() >= self.user_rows.rows:
            self.user_rows.grow(2 * self.user_rows.rows)
        if self.encoder.pair.new_item and self.encoder.items.size() >= self.item_rows.rows:
            self.item_rows.grow(2 * self.item_rows.rows)
        return self.replay_buffer.make_room(2)

    cdef int start_new_rows(self) except -1:
        if self.encoder.starts_user:
            self._start_row(self.user_rows, self.encoder.pair.user, self.encoder.user_hash() ^ (self.seed * 2))
        if self.encoder.starts_item:
            self._start_row(self.item_rows, self.encoder.pair.item, self.encoder.item_hash() ^ (self.seed * 2 + 1))
        return 0

    cdef void _start_row(self, ParameterTable table, Py_ssize_t row, uint64_t word) noexcept nogil:
        # Seeded by the id itself, so that the first factors of an id depend on nothing that came before it.
        cdef Py_ssize_t i
        table.clear_row(row)
        table.table.w[row * table.width] = table.table.w[0]
        table.table.serving[row * table.width] = table.table.serving[0]
        for i in range(row * table.width + 1, (row + 1) * table.width):
            table.table.w[i] = table.table.serving[i] = self.init_scale * next_normal(&word)

    cdef void learn(self, double y) noexcept nogil:
        """Take one step on the encoder's rating, then replay."""
        cdef const EncodedPair* pair = &self.encoder.pair
        cdef double target = self.to_loss_target(y)
        cdef double score = self.descend(pair, target)
        cdef Py_ssize_t rows[2]
        cdef double values[2]
        self.stepper.learned(&self.loss, target, score)
        observe(&self.loss, target, score)
        # Ratings of which neither id is known say nothing about those that are: the biases of row 0 follow them. Else a
        # flood of ids would move every prediction.
        if not (pair.new_user and pair.new_item) or self.target.count[0] < RATINGS_FIRST:
            self.target.update(&y, 0, 1)
        self.y_min = y if self.encoder.n_events == 0 or y < self.y_min else self.y_min
        self.y_max = y if self.encoder.n_events == 0 or y > self.y_max else self.y_max
        if self.replay_buffer.size:
            rows[0], rows[1] = pair.user, pair.item
            values[0] = values[1] = 0.0
            self.replay_buffer.push(rows, values, 2, y, self.encoder.n_events)
            self._replay()

    cdef void _replay(self) noexcept nogil:
        """Learn from random ratings again, unless a row of theirs was assigned to another id since."""
        cdef Py_ssize_t s, slot
        cdef EncodedPair pair
        cdef double target
        pair.new_user = pair.new_item = False
        for s in range(self.replay_steps):
            slot = self.replay_buffer.draw()
            # Two cells each, and an even number of them: those of one rating are never torn apart.
            pair.user = self.replay_buffer.rows[self.replay_buffer.starts[slot]]
            pair.item = self.replay_buffer.rows[self.replay_buffer.starts[slot] + 1]
            target = self.to_loss_target(self.replay_buffer.targets[slot])
            # One broken rating must not be learned again and again.
            if (self.encoder.users.assigned_at[pair.user] <= self.replay_buffer.times[slot]
                    and self.encoder.items.assigned_at[pair.item] <= self.replay_buffer.times[slot]
                    and fabs(target) < self.target.clip):
                self.descend(&pair, target)

    # --- State ----------------------------------------------------------------------------------------------------

    def save(self):
        """Learned arrays of the model, by their names in a learner's state."""
        return {
            "user_rows": self.user_rows.save(self.encoder.users.size()),
            "item_rows": self.item_rows.save(self.encoder.items.size()),
            "target": self.target.save(1),
            "stepper": self.stepper.save(),
            "loss": np.array([self.loss.scale, self.loss.count, self.y_min, self.y_max]),
            **self.replay_buffer.save(),
        }

    def restore(self, dict state):
        """Take what `save` returned, once the encoder is restored; raises ValueError where it is inconsistent."""
        loss = state["loss"]
        if len(loss) != 4 or len(state["target"][0]) != 1:
            raise ValueError("The state must have 4 numbers in `loss` and 1 `target`.")
        scale, count, y_min, y_max = loss.tolist()
        n_users, n_items = self.encoder.users.size(), self.encoder.items.size()
        if n_users != len(state["user_rows"][0]) or n_items != len(state["item_rows"][0]) or y_min > y_max:
            raise ValueError(
                f"The state has {n_users - 1} users and {n_items - 1} items but {len(state['user_rows'][0])} and "
                f"{len(state['item_rows'][0])} rows of parameters, and ratings from {y_min} to {y_max}.")
        rows, lengths = state["replay_buffer.rows"], state["replay_buffer.lengths"]
        if (lengths != 2).any() or len(rows) != 2 * len(lengths) or (
                rows.size and (rows[::2].max() >= n_users or rows[1::2].max() >= n_items)):
            raise ValueError("The state's replay buffer refers to rows that do not exist.")
        self.user_rows.restore(state["user_rows"])
        self.item_rows.restore(state["item_rows"])
        self.target.restore(state["target"])
        self.stepper.restore(state["stepper"])
        self.replay_buffer.restore(state, max(n_users, n_items))
        restore_loss(&self.loss, scale, count)
        self.y_min, self.y_max = y_min, y_max
