"""Matrix factorization with biases: two tables of rows ``[bias, factor 1, …, factor k]``."""
import numpy as np

from cpython.list cimport PyList_GET_SIZE
from libc.math cimport fabs
from libc.stdint cimport uint64_t

from edgedescent.optim._stepper cimport Stepper
from edgedescent.losses._losses cimport Loss, make_loss, observe, restore_loss
from edgedescent.features._scaler cimport Scaler
from edgedescent.numerics._numbers cimport bounded, check_text, is_sane, to_number, to_text
from edgedescent.optim._parameter_table cimport ParameterTable, Table
from edgedescent.numerics._random cimport next_normal
from edgedescent.learners._top_k cimport TopK
from edgedescent.learners._replay_buffer cimport ReplayBuffer
from edgedescent.learners._user_history cimport UserHistory
from edgedescent.features._hash cimport hash_text
from edgedescent.numerics._vectors cimport dot
from edgedescent.features._vocabulary cimport Vocabulary, check_history

from edgedescent.validation import as_numbers


cdef str as_id(str role, object value):
    """Ids are strings; an integer is the same id as its decimal digits, as in a JSON key or an ONNX snapshot."""
    if type(value) is str:
        return value
    if isinstance(value, str):
        return to_text(role, value)
    if isinstance(value, bool) or not hasattr(value, "__index__") or getattr(value, "ndim", 0):
        raise ValueError(f"{role} must be a string or an integer. Got {value!r:.80}.")
    return str(int(value))


cdef inline int check_unknown(Py_ssize_t u, str user, Py_ssize_t i, str item) except -1:
    """Raise ValueError for ids that are no Unicode text; one that has a row was looked at when it got it."""
    if u == 0:
        check_text("The user id", user)
    if i == 0:
        check_text("The item id", item)
    return 0


cdef class MatrixFactorizationModel:
    """The state and arithmetic of `edgedescent.MatrixFactorization`, which validates and documents the parameters.

    Row 0 of either table stands for every id without a row of its own. Its factors are zero; its bias is learned from
    the first rating of each new id, and is where the new id's own bias starts and what the penalty pulls it to.
    """

    def _set_up(self, optimizer, loss, Py_ssize_t n_factors, double init_scale, double l2_bias, double l2_factors,
                double rate_min, Py_ssize_t users_max, Py_ssize_t items_max, str when_full, Py_ssize_t replay_size,
                Py_ssize_t replay_steps, Py_ssize_t seen_max, uint64_t seed):
        self.users = Vocabulary(users_max + 1, when_full)
        self.items = Vocabulary(items_max + 1, when_full)
        self.user_rows = ParameterTable(optimizer, n_factors + 1, 16)
        self.item_rows = ParameterTable(optimizer, n_factors + 1, 16)
        self.target = Scaler(10.0, rate_min, 1)
        self.stepper = Stepper(optimizer)
        self.stepper.make_room(4, n_factors + 1)
        self.replay_buffer = ReplayBuffer(replay_size if replay_steps else 0, seed)
        self.seen = UserHistory(seen_max)
        self.loss = make_loss(loss.rule, loss.hyper)
        self.k = n_factors
        self.init_scale = init_scale
        self.l2_bias = l2_bias
        self.l2_factors = l2_factors
        self.seed = seed
        self.replay_steps = replay_steps
        self.n_events = self.n_skipped_targets = 0
        self.y_min = self.y_max = 0.0
        self.user_gradient = np.zeros(n_factors + 1)
        self.item_gradient = np.zeros(n_factors + 1)

    cdef Py_ssize_t _row_to_learn(self, Vocabulary ids, ParameterTable table, str key, uint64_t salt) except -1:
        cdef Py_ssize_t row, i
        cdef uint64_t random
        # Before the id is registered, so that running out of memory leaves no id without a row.
        if PyList_GET_SIZE(ids.key_of) >= table.rows:
            table.grow(2 * table.rows)
        row = ids.learn(key, self.n_events)
        if ids.is_new:
            table.clear_row(row)
            table.table.w[row * table.width] = table.table.w[0]
            table.table.serving[row * table.width] = table.table.serving[0]
            # Seeded by the id itself, so that the first factors of an id depend on nothing that came before it.
            random = hash_text(key) ^ (self.seed * 2 + salt)
            for i in range(row * table.width + 1, (row + 1) * table.width):
                table.table.w[i] = table.table.serving[i] = self.init_scale * next_normal(&random)
        return row

    cdef inline double _score(self, const double* users, const double* items, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The prediction in standardized units: b_u + b_i + Σ p q."""
        cdef const double* p = users + u * (self.k + 1)
        cdef const double* q = items + i * (self.k + 1)
        return bounded(p[0] + q[0] + dot(p + 1, q + 1, self.k))

    cdef double _served(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The prediction for a pair of rows."""
        return self._in_units(self._score(self.user_rows.table.serving, self.item_rows.table.serving, u, i))

    cdef double _in_units(self, double score) noexcept nogil:
        cdef double value = self.target.mean[0]
        if self.target.variance[0] > 0.0:
            value += score / self.target.inverse[0]
        if value < self.y_min:
            return self.y_min
        return value if value < self.y_max else self.y_max

    cdef double _descend(self, Py_ssize_t u, Py_ssize_t i, double target, bint new_user, bint new_item) noexcept nogil:
        """Loss, gradient, step; returns the score before it."""
        cdef Table* users = &self.user_rows.table
        cdef Table* items = &self.item_rows.table
        cdef const double* p = users.w + u * (self.k + 1)
        cdef const double* q = items.w + i * (self.k + 1)
        cdef double* gp = &self.user_gradient[0]
        cdef double* gq = &self.item_gradient[0]
        cdef double score = self._score(users.w, items.w, u, i)
        cdef double slope = self.loss.slope(&self.loss, target, score)
        cdef Py_ssize_t f
        gp[0] = slope + self.l2_bias * (p[0] - users.w[0])
        gq[0] = slope + self.l2_bias * (q[0] - items.w[0])
        for f in range(1, self.k + 1):
            gp[f] = slope * q[f] + self.l2_factors * p[f]
            gq[f] = slope * p[f] + self.l2_factors * q[f]
        if u:
            self.stepper.add(users, u * (self.k + 1), self.k + 1, gp, True)
        if i:
            self.stepper.add(items, i * (self.k + 1), self.k + 1, gq, True)
        self.cold_gradient[0] = self.cold_gradient[1] = slope
        if new_user or u == 0:
            self.stepper.add(users, 0, 1, self.cold_gradient, False)
        if new_item or i == 0:
            self.stepper.add(items, 0, 1, self.cold_gradient + 1, False)
        self.stepper.step(slope, &self.loss, target, score, 1.0)
        return score

    cdef double _in_loss_units(self, double y) noexcept nogil:
        return self.target.standardized(y)

    cdef void _learn(self, Py_ssize_t u, Py_ssize_t i, double y, bint new_user, bint new_item) noexcept nogil:
        cdef double target = self._in_loss_units(y)
        cdef double score = self._descend(u, i, target, new_user, new_item)
        cdef Py_ssize_t rows[2]
        cdef double values[2]
        self.stepper.learned(&self.loss, target, score)
        observe(&self.loss, target, score)
        self.target.update(&y, 0, 1)
        self.y_min = y if self.n_events == 0 or y < self.y_min else self.y_min
        self.y_max = y if self.n_events == 0 or y > self.y_max else self.y_max
        if self.replay_buffer.size:
            rows[0], rows[1] = u, i
            values[0] = values[1] = 0.0
            self.replay_buffer.push(rows, values, 2, y, self.n_events)
            self._replay()
        self.n_events += 1

    cdef void _replay(self) noexcept nogil:
        """Learn from random ratings of the ring again, unless a row of theirs went to another id since."""
        cdef Py_ssize_t s, slot, u, i
        cdef double target
        for s in range(self.replay_steps):
            slot = self.replay_buffer.draw()
            # Two cells each, and an even number of them: those of one rating are never torn apart.
            u = self.replay_buffer.rows[self.replay_buffer.starts[slot]]
            i = self.replay_buffer.rows[self.replay_buffer.starts[slot] + 1]
            target = self._in_loss_units(self.replay_buffer.targets[slot])
            # One broken rating must not be learned again and again.
            if (self.users.born[u] <= self.replay_buffer.times[slot] and self.items.born[i] <= self.replay_buffer.times[slot]
                    and fabs(target) < self.target.clip):
                self._descend(u, i, target, False, False)

    cdef int _require_set_up(self) except -1:
        """Raise TypeError where a subclass did not call the constructor: there is nothing to work on then."""
        if self.stepper is None:
            raise TypeError(f"{type(self).__name__} must call the constructor of its base class before it is used.")
        return 0

    cdef double _predict(self, str user, str item) except? -1.0:
        self._require_set_up()
        cdef Py_ssize_t u = self.users.find(user), i = self.items.find(item)
        check_unknown(u, user, i, item)
        return self._served(u, i)

    cdef double _predict_learn(self, str user, str item, double y) except? -1.0:
        self._require_set_up()
        cdef Py_ssize_t u = self.users.find(user), i = self.items.find(item)
        cdef bint new_user = u == 0, new_item = i == 0
        check_unknown(u, user, i, item)
        # A new id has random factors only once it is learned: until then it is predicted like any unknown one.
        cdef double prediction = self._served(u, i)
        if not is_sane(y):
            self.n_skipped_targets += 1
            return prediction
        if new_user:
            u = self._row_to_learn(self.users, self.user_rows, user, 0)
            self.seen.make_room(self.user_rows.rows)
            self.seen.clear(u)
        else:
            self.users.stamp[u] = self.n_events
        if new_item:
            i = self._row_to_learn(self.items, self.item_rows, item, 1)
        else:
            self.items.stamp[i] = self.n_events
        self.seen.add(u, i, self.n_events, self.items.born)
        self.replay_buffer.make_room(2)
        self._learn(u, i, y, new_user, new_item)
        self.stepper.check()
        return prediction

    def predict_one(self, user, item):
        """Predict the rating that `user` will give `item`; the state stays as it is."""
        return self._predict(as_id("The user id", user), as_id("The item id", item))

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
        self._require_set_up()
        cdef Py_ssize_t u = self.users.find(as_id("The user id", user)), i, n = self.items.size()
        cdef double[::1] result = np.empty(n - 1)
        for i in range(1, n):
            result[i - 1] = self._served(u, i)
        return np.asarray(result)

    def _recommend(self, user, Py_ssize_t k, exclude, among, bint exclude_seen):
        """The ids of the `k` items with the highest scores, best first."""
        self._require_set_up()
        cdef Py_ssize_t u = self.users.find(as_id("The user id", user)), place, row, n = self.items.size()
        cdef const double* users = self.user_rows.table.serving
        cdef const double* items = self.item_rows.table.serving
        cdef char[::1] left_out = np.zeros(n, dtype=np.int8)
        cdef Py_ssize_t[::1] rows
        cdef TopK best = TopK(min(k, n))
        for item in exclude:
            left_out[self.items.find(as_id("An item id", item))] = True
        if exclude_seen and u:
            for place in range(self.seen.size(u)):
                left_out[self.seen.item(u, place, self.items.born)] = True
        # Row 0 stands for whatever has no row, so nothing is known to be left out there.
        left_out[0] = False
        if among is None:
            with nogil:
                for row in range(1, n):
                    if not left_out[row]:
                        best.offer(self._score(users, items, u, row), row)
            keys = self.items.keys()
            return [keys[row - 1] for row in best.places()]
        candidates = list(dict.fromkeys(as_id("An item id", item) for item in among))
        unwanted = {as_id("An item id", item) for item in exclude}
        rows = np.array([self.items.find(item) for item in candidates], dtype=np.intp)
        best = TopK(min(k, len(candidates)))
        for place in range(rows.shape[0]):
            if not left_out[rows[place]] and candidates[place] not in unwanted:
                best.offer(self._score(users, items, u, rows[place]), place)
        return [candidates[place] for place in best.places()]

    def _save(self):
        self._require_set_up()
        users, user_stamps, user_born = self.users.save()
        items, item_stamps, item_born = self.items.save()
        return {
            "users": users,
            "user_stamps": user_stamps,
            "user_born": user_born,
            "user_rows": self.user_rows.save(self.users.size()),
            "items": items,
            "item_stamps": item_stamps,
            "item_born": item_born,
            "item_rows": self.item_rows.save(self.items.size()),
            "target": self.target.save(1),
            "stepper": self.stepper.save(),
            "loss": np.array([self.loss.scale, self.loss.count, self.y_min, self.y_max]),
            "counts": np.array(
                [self.n_events, self.n_skipped_targets, self.users.evicted, self.users.shared,
                 self.items.evicted, self.items.shared], dtype=np.int64),
            **self.replay_buffer.save(),
            **self.seen.save(self.users.size()),
        }

    def _restore(self, **state):
        self._require_set_up()
        counts, loss, users, items = state["counts"], state["loss"], state["users"], state["items"]
        if len(counts) != 6 or len(loss) != 4 or len(state["target"][0]) != 1:
            raise ValueError("The state must have 6 `counts`, 4 numbers in `loss` and 1 `target`.")
        n_events, n_skipped, users_evicted, users_shared, items_evicted, items_shared = counts.tolist()
        scale, count, y_min, y_max = loss.tolist()
        n_users, n_items = len(state["user_rows"][0]), len(state["item_rows"][0])
        if len(users) + 1 != n_users or len(items) + 1 != n_items or y_min > y_max:
            raise ValueError(
                f"The state has {len(users)} users and {len(items)} items but {n_users} and {n_items} rows of "
                f"parameters, and ratings from {y_min} to {y_max}.")
        ring, lengths = state["replay_buffer.rows"], state["replay_buffer.lengths"]
        if (lengths != 2).any() or len(ring) != 2 * len(lengths) or (
                ring.size and (ring[::2].max() >= n_users or ring[1::2].max() >= n_items)):
            raise ValueError("The state's ring refers to rows that do not exist.")
        for history in ("user_stamps", "user_born", "item_stamps", "item_born"):
            check_history(counts, state[history])
        self.seen.restore(state["seen.counts"], state["seen.entries"], n_users, n_items, n_events)
        self.users.restore(users, state["user_stamps"], state["user_born"], users_evicted, users_shared)
        self.items.restore(items, state["item_stamps"], state["item_born"], items_evicted, items_shared)
        self.user_rows.restore(state["user_rows"])
        self.item_rows.restore(state["item_rows"])
        self.target.restore(state["target"])
        self.stepper.restore(state["stepper"])
        self.replay_buffer.restore(*(state[f"replay_buffer.{part}"] for part in ("rows", "values", "targets", "lengths", "times", "draws")),
                          max(n_users, n_items))
        restore_loss(&self.loss, scale, count)
        self.y_min, self.y_max = y_min, y_max
        self.n_events, self.n_skipped_targets = n_events, n_skipped
