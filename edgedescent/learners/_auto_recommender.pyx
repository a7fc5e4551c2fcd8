"""The model of the automatic recommender: least squares on estimates of the user and the item, mixed with simpler ones.

Three experts predict the standardized rating: the sum of the biases, that sum with the product of the factors, and
recursive least squares on the inputs below. MLpol mixes them. All are linear in the inputs, and an input is a product of an
estimate of the user and one of the item, so that a score is a product of two rows: `_read_user` and `RatingRows.estimate`.

With the estimates of `edgedescent.ensemble._rating_rows`, u of the user and i of the item, the inputs are::

    1, bias_u, bias_i, factors_u · factors_i, last_u, recent_u, last_i, recent_i, spread_u,
    last_u familiarity_u, last_u familiarity_i, bias_u familiarity_i, spread_u bias_i, bias_u spread_i,
    spread_u familiarity_u, spread_u familiarity_i
"""
import numpy as np

from libc.math cimport sqrt
from libc.stdint cimport uint64_t

from edgedescent.ensemble._rating_rows cimport BIAS, FACTORS, FAMILIARITY, LAST, RECENT, SPREAD
from edgedescent.features._id_encoder cimport EncodedPair, IdEncoder
from edgedescent.losses._losses cimport make_loss, observe, restore_loss
from edgedescent.numerics._numbers cimport bounded, clipped
from edgedescent.numerics._random cimport next_normal
from edgedescent.numerics._ranking_kernels cimport f64_score_rows
from edgedescent.numerics._vectors cimport dot

from edgedescent.losses import AbsoluteLoss, AdaptiveHuberLoss

cdef enum:
    ONE = 0
    USER_BIAS = 1
    ITEM_BIAS = 2
    TASTE = 3
    USER_LAST = 4
    USER_RECENT = 5
    ITEM_LAST = 6
    ITEM_RECENT = 7
    USER_SPREAD = 8
    LAST_BY_USER = 9
    LAST_BY_ITEM = 10
    BIAS_BY_ITEM = 11
    SPREAD_BY_BIAS = 12
    BIAS_BY_SPREAD = 13
    SPREAD_BY_USER = 14
    SPREAD_BY_ITEM = 15
    # Experts.
    BIASES = 0
    FACTORIZATION = 1
    STACK = 2
    # So many ratings count for the mean whatever their ids.
    RATINGS_FIRST = 32

# A rating is clipped at so many standard deviations from the mean, and so are the predictions of the experts.
cdef double RATING_CLIP = 10.0
# Least rate at which the mean rating follows new ratings.
cdef double FORGETTING = 0.0002
cdef double STACK_FORGETTING = 0.9999
cdef double STACK_PRIOR = 0.05
# Errors are clipped at so many mean absolute errors: between the mean and the median of skewed ratings.
cdef double STACK_CLIP = 2.2
cdef double MIXTURE_FORGETTING = 0.9999
cdef double FACTOR_L2 = 0.05


cdef class AutoRecommenderModel(RecommenderModel):
    """Compiled model of `edgedescent.AutoRecommender`.

    Args:
        encoder: what the model reads ratings from.
        parameters: the learner whose fields are the hyper-parameters.
    """

    def __init__(self, IdEncoder encoder, parameters):
        cdef Py_ssize_t i
        cdef double[::1] user
        RecommenderModel.__init__(self, encoder)
        self.k, self.init_scale, self.seed = parameters.n_factors, parameters.init_scale, parameters.seed
        # No product of two rows is above the largest rating, whatever the first factors.
        self.factor_max = sqrt(RATING_CLIP / self.k)
        self.users = RatingRows(self.k, 0.9, 3.0, 3.0)
        self.items = RatingRows(self.k, 0.99, 5.0, 5.0)
        self.target = Scaler(RATING_CLIP, FORGETTING, 1, False)
        self.declared_loss = AdaptiveHuberLoss()
        self.loss = make_loss(self.declared_loss, NULL)
        self.stack = LeastSquares(N_INPUTS, STACK_FORGETTING, STACK_PRIOR, STACK_CLIP)
        self.stack.start_all(N_INPUTS)
        for i in range(N_INPUTS):
            self.places[i] = <int>i
        # It begins as the factorization.
        self.stack.w[USER_BIAS] = self.stack.w[ITEM_BIAS] = self.stack.w[TASTE] = 1.0
        self.mixture = Mixture(3, (), MIXTURE_FORGETTING, AbsoluteLoss())
        self.y_min = self.y_max = 0.0
        self.scratch = user = np.zeros(self.users.width)
        self.user = &user[0]
        self._combine()

    # --- Reading a pair -------------------------------------------------------------------------------------------

    cdef void _read(self, const double* p, const double* q, double taste) noexcept nogil:
        """Fill in the inputs for estimates of a user and of an item."""
        cdef double* x = self.x
        x[ONE] = 1.0
        x[USER_BIAS], x[ITEM_BIAS], x[TASTE] = p[BIAS], q[BIAS], taste
        x[USER_LAST], x[USER_RECENT], x[ITEM_LAST], x[ITEM_RECENT] = p[LAST], p[RECENT], q[LAST], q[RECENT]
        x[USER_SPREAD] = p[SPREAD]
        x[LAST_BY_USER], x[LAST_BY_ITEM] = p[LAST] * p[FAMILIARITY], p[LAST] * q[FAMILIARITY]
        x[BIAS_BY_ITEM] = p[BIAS] * q[FAMILIARITY]
        x[SPREAD_BY_BIAS], x[BIAS_BY_SPREAD] = p[SPREAD] * q[BIAS], p[BIAS] * q[SPREAD]
        x[SPREAD_BY_USER], x[SPREAD_BY_ITEM] = p[SPREAD] * p[FAMILIARITY], p[SPREAD] * q[FAMILIARITY]

    cdef void _combine(self) noexcept nogil:
        """Compute the weights of the inputs from those of the experts."""
        cdef const double* experts
        cdef double simple
        cdef Py_ssize_t i
        self.mixture.trust.weigh()
        experts = self.mixture.trust.weights
        for i in range(N_INPUTS):
            self.weights[i] = bounded(experts[STACK] * self.stack.w[i])
        simple = experts[BIASES] + experts[FACTORIZATION]
        self.weights[USER_BIAS] += simple
        self.weights[ITEM_BIAS] += simple
        self.weights[TASTE] += experts[FACTORIZATION]

    cdef void _read_user(self, Py_ssize_t u, double* row) noexcept nogil:
        """Fill in the row of a user whose product with the estimates of an item, plus its column 0, is the score."""
        cdef const double* w = self.weights
        cdef const double* p = self.users.estimate(u)
        cdef Py_ssize_t f
        row[0] = (
            w[ONE] + w[USER_BIAS] * p[BIAS] + w[USER_LAST] * p[LAST] + w[USER_RECENT] * p[RECENT]
            + p[FAMILIARITY] * (w[LAST_BY_USER] * p[LAST] + w[SPREAD_BY_USER] * p[SPREAD]) + w[USER_SPREAD] * p[SPREAD])
        row[BIAS] = w[ITEM_BIAS] + w[SPREAD_BY_BIAS] * p[SPREAD]
        row[RECENT], row[LAST], row[SPREAD] = w[ITEM_RECENT], w[ITEM_LAST], w[BIAS_BY_SPREAD] * p[BIAS]
        row[FAMILIARITY] = w[LAST_BY_ITEM] * p[LAST] + w[BIAS_BY_ITEM] * p[BIAS] + w[SPREAD_BY_ITEM] * p[SPREAD]
        for f in range(FACTORS, self.users.width):
            row[f] = w[TASTE] * p[f]

    cdef double _score(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The prediction for a pair of rows in standardized units."""
        cdef const double* item = self.items.estimate(i)
        self._read_user(u, self.user)
        return bounded(self.user[0] + item[0] + dot(self.user + 1, item + 1, self.users.width - 1))

    cdef double predict(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The prediction for a pair of rows, within the ratings seen."""
        cdef double value = self.target.mean[0]
        if self.target.variance[0] > 0.0:
            value += self._score(u, i) / self.target.inverse[0]
        if value < self.y_min:
            return self.y_min
        return value if value < self.y_max else self.y_max

    cdef void begin_scoring(self, Py_ssize_t u) noexcept nogil:
        self._read_user(u, self.user)

    cdef void score_items(self, Py_ssize_t u, Py_ssize_t begin, Py_ssize_t n, double* scores) noexcept nogil:
        """Fill in the scores of `n` rows of items for the user who was read, with the bits of `predict`."""
        cdef Py_ssize_t i
        f64_score_rows(scores, self.user, self.items.estimate(begin), self.users.width - 1, n)
        for i in range(n):
            scores[i] = bounded(scores[i])

    def rated(self, Py_ssize_t u, Py_ssize_t i):
        """Return the prediction for a pair of rows; row 0 is that of unknown ids."""
        return self.predict(u, i)

    def score(self, Py_ssize_t u, Py_ssize_t i):
        """Return the same in standardized units, not clipped."""
        return self._score(u, i)

    def taste(self, Py_ssize_t u, Py_ssize_t i):
        """Return what the factors of a pair of rows add to its score."""
        return self.weights[TASTE] * dot(self.users.estimate(u) + FACTORS, self.items.estimate(i) + FACTORS, self.k)

    def scoring_rows(self):
        """Return a row for each user and each item; a score is the sum of the columns 0 and the product of the others.

        Row 0 is that of unknown ids. The shapes are (n_users + 1, n) and (n_items + 1, n), in standardized units.
        """
        cdef Py_ssize_t u
        cdef double[:, ::1] rows = np.zeros((self.encoder.users.size(), self.users.width))
        for u in range(rows.shape[0]):
            self._read_user(u, &rows[u, 0])
        return np.asarray(rows), self.items.table(self.encoder.items.size())

    # --- One rating -----------------------------------------------------------------------------------------------

    cdef int prepare(self) except -1:
        if self.encoder.pair.new_user:
            self.users.make_room(self.encoder.users.size() + 1)
        if self.encoder.pair.new_item:
            self.items.make_room(self.encoder.items.size() + 1)
        return 0

    cdef int start_new_rows(self) except -1:
        cdef const EncodedPair* pair = &self.encoder.pair
        if self.encoder.starts_user:
            self.users.start(pair.user)
            self._start_factors(self.users.estimate(pair.user), self.encoder.user_hash() ^ (self.seed * 2))
        if self.encoder.starts_item:
            self.items.start(pair.item)
            self._start_factors(self.items.estimate(pair.item), self.encoder.item_hash() ^ (self.seed * 2 + 1))
        return 0

    cdef void _start_factors(self, double* row, uint64_t word) noexcept nogil:
        # Seeded by the id itself, so that the first factors of an id depend on nothing that came before it.
        cdef Py_ssize_t f
        for f in range(FACTORS, self.users.width):
            row[f] = clipped(self.init_scale * next_normal(&word), self.factor_max)

    cdef void learn(self, double y) noexcept nogil:
        """Let the experts, then the rows, learn the encoder's rating."""
        cdef const EncodedPair* pair = &self.encoder.pair
        cdef double target = self.target.standardized(y)
        cdef double taste = self._taste(self.users.estimate(pair.user), self.items.estimate(pair.item))
        self._learn_experts(target, taste)
        self._learn_rows(target, taste)
        # Ratings of which neither id is known say nothing about those that are, as in MatrixFactorizationModel.
        if not (pair.new_user and pair.new_item) or self.target.count[0] < RATINGS_FIRST:
            self.target.update(&y, 0, 1)
        self.y_min = y if self.encoder.n_events == 0 or y < self.y_min else self.y_min
        self.y_max = y if self.encoder.n_events == 0 or y > self.y_max else self.y_max

    cdef double _taste(self, const double* p, const double* q) noexcept nogil:
        """The product of the factors of the encoder's rating, as it was predicted: the factors of a new id were none."""
        if self.encoder.pair.new_user or self.encoder.pair.new_item:
            return 0.0
        return dot(p + FACTORS, q + FACTORS, self.k)

    cdef void _learn_experts(self, double target, double taste) noexcept nogil:
        cdef const EncodedPair* pair = &self.encoder.pair
        cdef const double* p = self.users.estimate(pair.user)
        cdef const double* q = self.items.estimate(pair.item)
        cdef double* predictions = self.mixture.predictions
        self._read(p, q, taste)
        predictions[BIASES] = p[BIAS] + q[BIAS]
        predictions[FACTORIZATION] = predictions[BIASES] + taste
        predictions[STACK] = self.stack.predict(self.places, self.x, N_INPUTS)
        self.mixture.mix(0.0, -RATING_CLIP, RATING_CLIP)
        self.mixture.learn(0.0, target)
        self.stack.learn(self.places, self.x, N_INPUTS, target)
        self._combine()

    cdef void _learn_rows(self, double target, double taste) noexcept nogil:
        """Take a step of the biases and factors, and let the estimates follow."""
        cdef const EncodedPair* pair = &self.encoder.pair
        cdef const double* p = self.users.estimate(pair.user)
        cdef const double* q = self.items.estimate(pair.item)
        cdef double score = p[BIAS] + q[BIAS] + taste
        cdef double slope = self.loss.slope(&self.loss, target, score)
        cdef double user_residual = target - q[BIAS] - taste, item_residual = target - p[BIAS] - taste
        observe(&self.loss, target, score)
        if pair.user:
            self.users.observe(pair.user, target, user_residual)
        if pair.item:
            self.items.observe(pair.item, target, item_residual)
        if pair.user and pair.item:
            self._learn_factors(slope)
        if pair.user:
            self.users.step_bias(pair.user, slope)
        if pair.item:
            self.items.step_bias(pair.item, slope)
        if pair.new_user or pair.user == 0:
            self.users.learn_cold(slope)
        if pair.new_item or pair.item == 0:
            self.items.learn_cold(slope)

    cdef void _learn_factors(self, double slope) noexcept nogil:
        """Take an implicit step of the factors: the product moves by less than the error, however large they are."""
        cdef const EncodedPair* pair = &self.encoder.pair
        cdef double* p = self.users.estimate(pair.user) + FACTORS
        cdef double* q = self.items.estimate(pair.item) + FACTORS
        # The random factors of a new id teach nothing. Else a flood of ids would wear down those that are known.
        cdef double user_rate = 0.0 if pair.new_item else self.users.factor_rate(pair.user), a, b
        cdef double item_rate = 0.0 if pair.new_user else self.items.factor_rate(pair.item)
        cdef Py_ssize_t f
        slope = slope / (1.0 + user_rate * dot(q, q, self.k) + item_rate * dot(p, p, self.k))
        for f in range(self.k):
            a, b = p[f], q[f]
            p[f] = clipped(a - user_rate * (slope * b + FACTOR_L2 * a), self.factor_max)
            q[f] = clipped(b - item_rate * (slope * a + FACTOR_L2 * b), self.factor_max)

    # --- State ----------------------------------------------------------------------------------------------------

    def save(self):
        """Learned arrays of the model, by their names in a learner's state."""
        users = self.users.save(self.encoder.users.size())
        items = self.items.save(self.encoder.items.size())
        return {
            "user_estimates": users[0],
            "user_numbers": users[1],
            "item_estimates": items[0],
            "item_numbers": items[1],
            "target": self.target.save(1),
            "loss": np.array([self.loss.scale, self.loss.count, self.y_min, self.y_max]),
            **{f"stack.{name}": value for name, value in self.stack.save().items()},
            **self.mixture.save(),
        }

    def restore(self, dict state):
        """Take what `save` returned, once the encoder is restored; raises ValueError where it is inconsistent."""
        loss = state["loss"]
        if len(loss) != 4 or len(state["target"][0]) != 1 or loss[2] > loss[3]:
            raise ValueError("The state must have 4 numbers in `loss`, the last two ascending, and 1 `target`.")
        self.users.restore(state, "user", self.encoder.users.size())
        self.items.restore(state, "item", self.encoder.items.size())
        self.target.restore(state["target"])
        prefix = "stack."
        self.stack.restore({name[len(prefix):]: value for name, value in state.items() if name.startswith(prefix)}, N_INPUTS)
        self.mixture.restore(state)
        scale, count, self.y_min, self.y_max = loss.tolist()
        restore_loss(&self.loss, scale, count)
        self._combine()
