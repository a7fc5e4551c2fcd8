# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Matrix factorization with biases: two tables of rows ``[bias, factor 1, …, factor k]``."""
import numpy as np

from cpython.list cimport PyList_GET_SIZE
from libc.math cimport cos, log, sqrt
from libc.stdint cimport uint64_t

from edgedescent.kernels.losses cimport Loss, make_loss, restore_loss
from edgedescent.kernels.moments cimport Moments
from edgedescent.kernels.numbers cimport bounded, check_text, is_sane, to_number, to_text
from edgedescent.kernels.parameters cimport ParameterTable
from edgedescent.kernels.siphash cimport hash_text
from edgedescent.kernels.vocabulary cimport Vocabulary, check_history

from edgedescent.validation import as_numbers

cdef double TWO_PI = 6.283185307179586


cdef inline uint64_t next_word(uint64_t* state) noexcept nogil:
    # SplitMix64 (Steele, Lea, Flood 2014, OOPSLA).
    cdef uint64_t z
    state[0] += <uint64_t>0x9E3779B97F4A7C15
    z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline double next_uniform(uint64_t* state) noexcept nogil:
    """A double in (0, 1]."""
    return ((next_word(state) >> 11) + 1) * (1.0 / 9007199254740992.0)


cdef str as_id(str role, object value):
    """Ids are strings; an integer is the same id as its decimal digits, as in a JSON key or an ONNX snapshot."""
    if type(value) is str:
        return value
    if isinstance(value, str):
        return to_text(role, value)
    if isinstance(value, bool) or not hasattr(value, "__index__") or getattr(value, "ndim", 0):
        raise ValueError(f"{role} must be a string or an integer. Got {value!r:.80}.")
    return str(int(value))


cdef class FactorKernel:
    """The state and arithmetic of `edgedescent.MatrixFactorization`, which validates and documents the parameters."""

    cdef readonly Vocabulary users
    cdef readonly Vocabulary items
    cdef readonly ParameterTable user_rows
    cdef readonly ParameterTable item_rows
    cdef readonly Moments target
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
    cdef double[::1] user_gradient
    cdef double[::1] item_gradient

    def __cinit__(self):
        # A subclass may fail to call `__init__`. It then has a small model, not invalid memory.
        FactorKernel._set_up(self, "sgd", (0.01,), "squared", (), 1, 0.0, 0.0, 0.0, 0.001, 1, 1, "evict", 0)

    def _set_up(self, str rule, tuple hyper, str loss, tuple loss_hyper, Py_ssize_t n_factors, double init_scale,
                double l2_bias, double l2_factors, double rate_min, Py_ssize_t users_max, Py_ssize_t items_max,
                str when_full, uint64_t seed):
        self.users = Vocabulary(users_max + 1, when_full)
        self.items = Vocabulary(items_max + 1, when_full)
        self.user_rows = ParameterTable(rule, hyper, n_factors + 1, 16)
        self.item_rows = ParameterTable(rule, hyper, n_factors + 1, 16)
        self.target = Moments(10.0, rate_min, 1)
        self.loss = make_loss(loss, loss_hyper)
        self.k = n_factors
        self.init_scale = init_scale
        self.l2_bias = l2_bias
        self.l2_factors = l2_factors
        self.seed = seed
        self.n_events = self.n_skipped_targets = 0
        self.y_min = self.y_max = 0.0
        self.user_gradient = np.zeros(n_factors + 1)
        self.item_gradient = np.zeros(n_factors + 1)

    cdef Py_ssize_t _row_to_learn(self, Vocabulary ids, ParameterTable table, str key, uint64_t salt) except -1:
        cdef Py_ssize_t row, i
        cdef uint64_t state
        cdef double radius
        # Before the id is registered, so that running out of memory leaves no id without a row.
        if PyList_GET_SIZE(ids.key_of) >= table.rows:
            table.grow(2 * table.rows)
        row = ids.learn(key, self.n_events)
        if ids.is_new:
            table.clear_row(row)
            # Seeded by the id itself, so that the first factors of an id depend on nothing that came before it.
            state = hash_text(key) ^ (self.seed * 2 + salt)
            for i in range(1, self.k + 1):
                # Box and Muller 1958.
                radius = sqrt(-2.0 * log(next_uniform(&state)))
                table.w[row * table.width + i] = self.init_scale * radius * cos(TWO_PI * next_uniform(&state))
        return row

    cdef inline double _score(self, const double* p, const double* q) noexcept nogil:
        """The prediction in standardized units: b_u + b_i + Σ p q."""
        cdef double total = p[0] + q[0]
        cdef Py_ssize_t i
        for i in range(1, self.k + 1):
            total += p[i] * q[i]
        return total

    cdef inline double _in_units(self, double score) noexcept nogil:
        cdef double value = self.target.mean[0]
        if self.target.variance[0] > 0.0:
            value += score / self.target.inverse[0]
        if value < self.y_min:
            return self.y_min
        return value if value < self.y_max else self.y_max

    cdef void _learn(self, Py_ssize_t user, Py_ssize_t item, double y) noexcept nogil:
        """Loss, gradient, step."""
        cdef double* p = self.user_rows.w + user * self.user_rows.width
        cdef double* q = self.item_rows.w + item * self.item_rows.width
        cdef double score = self._score(p, q)
        cdef double target = bounded((y - self.target.mean[0]) * self.target.inverse[0])
        cdef double slope = self.loss.gradient(&self.loss, target, bounded(score))
        cdef double* gp = &self.user_gradient[0]
        cdef double* gq = &self.item_gradient[0]
        cdef Py_ssize_t i
        gp[0] = bounded(slope + self.l2_bias * p[0])
        gq[0] = bounded(slope + self.l2_bias * q[0])
        for i in range(1, self.k + 1):
            gp[i] = bounded(slope * q[i] + self.l2_factors * p[i])
            gq[i] = bounded(slope * p[i] + self.l2_factors * q[i])
        # Row 0 stands for every id without a row of its own and is never learned.
        if user:
            self.user_rows.step(user, 1, gp)
        if item:
            self.item_rows.step(item, 1, gq)
        self.target.update(&y, 0, 1)
        self.y_min = y if self.n_events == 0 or y < self.y_min else self.y_min
        self.y_max = y if self.n_events == 0 or y > self.y_max else self.y_max
        self.n_events += 1

    def predict_one(self, user, item):
        """Predict the rating that `user` will give `item`; the state stays as it is."""
        return self._predict(as_id("The user id", user), as_id("The item id", item))

    cdef double _predict(self, str user, str item) except? -1.0:
        cdef Py_ssize_t u = self.users.find(user), i = self.items.find(item)
        # An id that has a row was looked at when it got it.
        if u == 0:
            check_text("The user id", user)
        if i == 0:
            check_text("The item id", item)
        return self._in_units(self._score(
            self.user_rows.w + u * self.user_rows.width, self.item_rows.w + i * self.item_rows.width))

    cdef double _predict_learn(self, str user, str item, double y) except? -1.0:
        # A new id has random factors only once it is learned: until then it is predicted like any unknown one.
        cdef double prediction = self._predict(user, item)
        if is_sane(y):
            self._learn(
                self._row_to_learn(self.users, self.user_rows, user, 0),
                self._row_to_learn(self.items, self.item_rows, item, 1), y)
        else:
            self.n_skipped_targets += 1
        return prediction

    def predict_learn_one(self, user, item, y):
        """Predict, then learn from the same rating; returns what `predict_one` would have returned before."""
        return self._predict_learn(as_id("The user id", user), as_id("The item id", item), to_number("The rating", y))

    def learn_one(self, user, item, y):
        """Take one gradient step on a rating; a rating that is not finite is counted and skipped."""
        self._predict_learn(as_id("The user id", user), as_id("The item id", item), to_number("The rating", y))

    def learn_many(self, users, items, y):
        """Predict each rating, then learn from it, in order; returns the predictions.

        Args:
            users: ids, n_events of them.
            items: ids, n_events of them.
            y: ratings, shape (n_events,).
        """
        cdef double[::1] targets = as_numbers("y", y, 1)
        cdef double[::1] predictions = np.empty(targets.shape[0])
        cdef list user_ids = [to_text("The user id", as_id("The user id", user)) for user in users]
        cdef list item_ids = [to_text("The item id", as_id("The item id", item)) for item in items]
        cdef Py_ssize_t n
        if not len(user_ids) == len(item_ids) == targets.shape[0]:
            raise ValueError(
                f"{len(user_ids)} users, {len(item_ids)} items and {targets.shape[0]} ratings do not pair up.")
        for n in range(targets.shape[0]):
            predictions[n] = self._predict_learn(user_ids[n], item_ids[n], targets[n])
        return np.asarray(predictions)

    def scores(self, user):
        """The predictions of all known items for one user, in the order of ``items.keys()``."""
        cdef Py_ssize_t u = self.users.find(as_id("The user id", user)), i, n = self.items.size()
        cdef double[::1] result = np.empty(n - 1)
        cdef double* p = self.user_rows.w + u * self.user_rows.width
        for i in range(1, n):
            result[i - 1] = self._in_units(self._score(p, self.item_rows.w + i * self.item_rows.width))
        return np.asarray(result)

    def _save(self):
        users, user_stamps = self.users.save()
        items, item_stamps = self.items.save()
        return {
            "users": users,
            "user_stamps": user_stamps,
            "user_rows": self.user_rows.save(self.users.size()),
            "items": items,
            "item_stamps": item_stamps,
            "item_rows": self.item_rows.save(self.items.size()),
            "target": self.target.save(1),
            "loss": np.array([self.loss.scale, self.loss.count, self.y_min, self.y_max]),
            "counts": np.array(
                [self.n_events, self.n_skipped_targets, self.users.evicted, self.users.shared,
                 self.items.evicted, self.items.shared], dtype=np.int64),
        }

    def _restore(self, list users, user_stamps, list user_rows, list items, item_stamps, list item_rows, list target,
                 loss, counts):
        if len(counts) != 6 or len(loss) != 4 or len(target[0]) != 1:
            raise ValueError("The state must have 6 `counts`, 4 numbers in `loss` and 1 `target`.")
        n_events, n_skipped, users_evicted, users_shared, items_evicted, items_shared = counts.tolist()
        scale, count, y_min, y_max = loss.tolist()
        if len(users) + 1 != len(user_rows[0]) or len(items) + 1 != len(item_rows[0]) or y_min > y_max:
            raise ValueError(
                f"The state has {len(users)} users and {len(items)} items but {len(user_rows[0])} and "
                f"{len(item_rows[0])} rows of parameters, and ratings from {y_min} to {y_max}.")
        check_history(counts, user_stamps)
        check_history(counts, item_stamps)
        self.users.restore(users, user_stamps, users_evicted, users_shared)
        self.items.restore(items, item_stamps, items_evicted, items_shared)
        self.user_rows.restore(user_rows)
        self.item_rows.restore(item_rows)
        self.target.restore(target)
        restore_loss(&self.loss, scale, count)
        self.y_min, self.y_max = y_min, y_max
        self.n_events, self.n_skipped_targets = n_events, n_skipped
