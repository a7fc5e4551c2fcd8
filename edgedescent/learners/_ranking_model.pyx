"""The model of rankers: popularity that forgets, neighbours of the user's latest items, and factors, in one score.

The score of an item is a sum of features with weights that depend on the user's context (`ChoiceWeights`)::

    f = Σ_h w_h log(c_h + floor)                 popularity over each horizon h (`DecayedCounts`)
        + w log(1 + age) / 3                     age of the item in events
        + Σ_g w_g log(1 + s_g x_g)               neighbours of the user's latest items h_0, h_1, …, the latest first
        + w s_ui                                 factors of the user and the item (`ChoiceFactors`)

    x_cos  = mean_p n(h_p, i) / sqrt(n(h_p) n(i)) · n(h_p, i) / (n(h_p, i) + shrinkage)
    x_next = Σ_p 0.8^p m(h_p, i) / (m(h_p) + shrinkage)

n counts users who chose both items, m how soon i followed h: 0.7^distance, over three horizons. x_next of h_0 alone is
a feature of its own. Two last features tell the user's own items. The context holds whether the user is new, how many
items the user chose, how popular and how old they were, and how long ago the last choice was.
"""
import numpy as np

from libc.math cimport NAN, log1p, sqrt
from libc.string cimport memset

from edgedescent.losses._losses cimport logistic
from edgedescent.numerics._ranking_kernels cimport f32_log_rows, quick_log
from edgedescent.ranking._user_habits cimport HABITS

cdef enum:
    COSINE = 0
    NEXT_OF_LAST = 1
    NEXT = 2
    OWN = 5
    OWN_RECENT = 6
    # Latest items that a further one is paired with as a follower.
    FOLLOWED = 5
    SCORED_AT_ONCE = 512
    ITEMS_PER_STEP = 8000

# Horizons of the followers.
cdef tuple HORIZONS = (1e6, 2000.0, 6000.0)
# Factors within the logarithms of the sparse features.
cdef float SCALES[8]
SCALES[:] = [100.0, 50.0, 50.0, 50.0, 50.0, 1.7182818, 1.7182818, 0.0]
cdef double WEIGHT_MAX = 4.0
# Least weight: the root of a smaller total would leave single precision.
cdef double WEIGHT_MIN = 1e-6
cdef double TOTAL_MIN = 1e-12
cdef double MEAN_RATE = 0.01


cdef class RankingModel(RecommenderModel):
    """Compiled model of `edgedescent.AutoRanker` and of its parts.

    Args:
        encoder: what the model reads events from.
        parameters: the learner whose fields are the hyper-parameters.
        horizons: horizons of the popularity.
        first: weights of the features to begin with: popularities, age, sparse ones, and factors where there are any.
        rate: learning rate of these weights; 0 keeps them.
    """

    def __init__(self, IdEncoder encoder, parameters, *, tuple horizons, tuple first, double rate):
        RecommenderModel.__init__(self, encoder)
        n_factors = getattr(parameters, "n_factors", 0)
        self.uses_factors = n_factors > 0
        self.n_dense = len(horizons) + 1
        self.n_features = self.n_dense + N_SPARSE + self.uses_factors
        if self.n_features > FEATURES_MAX or len(first) != self.n_features:
            raise ValueError(
                f"A ranking model has {self.n_features} weights, {FEATURES_MAX} at most. Got {len(first)}.")
        self.popularity = DecayedCounts(horizons, 0.05)
        # A table is kept where a weight on it can be other than 0.
        self.uses_together = rate > 0.0 or first[self.n_dense + COSINE] != 0.0
        self.uses_following = rate > 0.0 or any(first[self.n_dense + NEXT_OF_LAST : self.n_dense + OWN])
        depth = getattr(parameters, "n_neighbours", 1)
        # Row 0, and one more, because room is made before it is known whether a new item takes a row of another.
        rows_max = parameters.items_max + 2
        self.together = PairTable("together", depth if self.uses_together else 1, (1e6,), rows_max)
        self.following = PairTable("following", depth if self.uses_following else 1, HORIZONS, rows_max)
        self.popular = PopularRows(LISTED)
        self.habits = UserHabits(16)
        self.choice = ChoiceWeights(first, N_CONTEXTS, rate)
        self.factors = ChoiceFactors(n_factors, parameters.seed) if self.uses_factors else None
        self.latest = getattr(parameters, "latest", 0)
        self.shrinkage = getattr(parameters, "shrinkage", 0.0)
        self.mean_weight = 0.0
        self.n_touched = self.n_candidates = 0
        self.best = TopK(HEAD)
        self.head = HEAD if rate > 0.0 else 0
        self.learns_from_prediction = False
        for f in range(FEATURES_MAX):
            self.first[f] = first[f] if f < self.n_features else 0.0
        self._make_scratch(16)

    cdef int _make_scratch(self, Py_ssize_t rows) except -1:
        """Allocate working memory for `rows` rows of items."""
        cdef float[:, ::1] sparse = np.zeros((rows, STRIDE), dtype=np.float32)
        cdef float[:, ::1] numbers = np.zeros((2, rows), dtype=np.float32)
        cdef int[::1] touched = np.zeros(rows, dtype=np.int32)
        cdef char[::1] is_touched = np.zeros(rows, dtype=np.int8)
        if self.scratch is not None:
            np.asarray(numbers)[1, : self.scratch_rows] = self.scratch[1][1]
        self.scratch = [np.asarray(sparse), np.asarray(numbers), touched, is_touched]
        self.sparse, self.bonus, self.inverse_roots = &sparse[0, 0], &numbers[0, 0], &numbers[1, 0]
        self.touched, self.is_touched = &touched[0], &is_touched[0]
        self.scratch_rows, self.n_touched = rows, 0
        self.user_read = -1
        return 0

    # --- Reading a user and an item -------------------------------------------------------------------------------

    cdef void _read_user(self, Py_ssize_t u) noexcept nogil:
        """Read the context and the sparse features of a user, unless they are read already."""
        cdef Py_ssize_t n, row
        if self.user_read == u and self.read_at == self.encoder.n_events:
            return
        self._read_context(u)
        self.choice.combine(self.context, self.weights)
        for n in range(self.n_touched):
            row = self.touched[n]
            self.is_touched[row] = 0
            self.bonus[row] = 0.0
            memset(self.sparse + row * STRIDE, 0, STRIDE * sizeof(float))
        self.n_touched = 0
        self._read_neighbours(u)
        f32_log_rows(self.sparse, self.bonus, self.touched, SCALES, self.first + self.n_dense, self.n_touched)
        self.user_read, self.read_at = u, self.encoder.n_events

    cdef void _read_context(self, Py_ssize_t u) noexcept nogil:
        cdef double* c = self.context
        cdef const double* habit = self.habits.numbers + u * HABITS
        cdef Py_ssize_t a
        cdef double n = habit[0] if u else 0.0
        for a in range(N_CONTEXTS):
            c[a] = 0.0
        c[0] = 1.0
        if n == 0.0:
            c[1] = 1.0
            return
        c[2], c[3], c[4] = n < 3.0, n >= 8.0, n >= 30.0
        # Centred and scaled by what is usual.
        c[5] = (habit[1] / n + 2.0) / 2.0
        c[6] = (habit[2] / n - 7.0) / 2.0
        c[7] = (log1p(<double>self.encoder.n_events - habit[4]) - 6.0) / 3.0
        c[8] = (habit[3] + 2.0) / 2.0

    cdef float* _touch(self, Py_ssize_t row) noexcept nogil:
        """Return the sparse features of a row, which count from now on."""
        if not self.is_touched[row]:
            self.is_touched[row] = 1
            self.touched[self.n_touched] = <int>row
            self.n_touched += 1
        return self.sparse + row * STRIDE

    cdef void _read_neighbours(self, Py_ssize_t u) noexcept nogil:
        cdef const long long* assigned_at = self.encoder.items.assigned_at
        cdef Py_ssize_t p, h, j, at, g, counted = 0, size = self.encoder.seen.size(u) if u else 0
        cdef Py_ssize_t n = self.following.n_horizons
        cdef float decay = 1.0, count, root, shrinkage = <float>self.shrinkage
        cdef float inverse[4]
        cdef float* x
        for p in range(size):
            h = self.encoder.seen.latest(u, p, assigned_at)
            if h == 0:
                continue
            x = self._touch(h)
            x[OWN] = 1.0
            x[OWN_RECENT] = decay
            root = self.inverse_roots[h]
            # Of an item that no other user chose, there is nothing to learn what comes with it.
            if counted < self.latest and self.uses_together and 0.0 < root < 1.0:
                counted += 1
                for at in range(h * self.together.depth, (h + 1) * self.together.depth):
                    j = self.together.neighbour(at, assigned_at)
                    if j:
                        count = self.together.weights[at] * <float>(1.0 / self.together.units[0])
                        self._touch(j)[COSINE] += count * root * self.inverse_roots[j] * count / (count + shrinkage)
            if p < self.latest and self.uses_following:
                for g in range(n):
                    inverse[g] = decay / (
                        self.following.totals[h * n + g] + <float>(self.shrinkage * self.following.units[g]))
                for at in range(h * self.following.depth, (h + 1) * self.following.depth):
                    j = self.following.neighbour(at, assigned_at)
                    if j:
                        x = self._touch(j)
                        for g in range(n):
                            x[NEXT + g] += self.following.weights[at * n + g] * inverse[g]
                        if p == 0:
                            x[NEXT_OF_LAST] = self.following.weights[at * n] * inverse[0]
            decay *= <float>0.8
        if counted:
            for p in range(self.n_touched):
                self.sparse[self.touched[p] * STRIDE + COSINE] /= counted

    cdef void _read_item(self, Py_ssize_t i, float* x) noexcept nogil:
        """Fill in the features of an item for the user who was read; row 0 is an unknown one."""
        cdef Py_ssize_t f
        for f in range(self.popularity.n_horizons):
            x[f] = self.popularity.log_count(f, i)
        x[self.n_dense - 1] = self._log_age(i)
        for f in range(N_SPARSE):
            x[self.n_dense + f] = self.sparse[i * STRIDE + f]
        if self.uses_factors:
            x[self.n_features - 1] = self.factors.score(self.user_read, i)

    cdef float _log_age(self, Py_ssize_t i) noexcept nogil:
        cdef long long age = self.encoder.n_events - self.encoder.items.assigned_at[i] if i else 0
        return quick_log(<float>(1 + age)) / <float>3.0

    cdef double _score(self, const float* x) noexcept nogil:
        cdef Py_ssize_t f
        cdef double total = 0.0
        for f in range(self.n_features):
            total += self.weights[f] * x[f]
        return total

    cdef double predict(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The probability that the user prefers the item to an unknown one."""
        cdef float item[FEATURES_MAX]
        cdef float unknown[FEATURES_MAX]
        self._read_user(u)
        self._read_item(i, item)
        self._read_item(0, unknown)
        return logistic(self._score(item) - self._score(unknown))

    cdef void begin_scoring(self, Py_ssize_t u) noexcept nogil:
        self._read_user(u)

    cdef void score_items(self, Py_ssize_t u, Py_ssize_t begin, Py_ssize_t n, double* scores) noexcept nogil:
        """Fill in the scores of `n` rows by the first weights, for the user who was read."""
        cdef float sums[SCORED_AT_ONCE]
        cdef Py_ssize_t i, at = 0, count
        while at < n:
            count = n - at if n - at < SCORED_AT_ONCE else SCORED_AT_ONCE
            for i in range(count):
                sums[i] = self.bonus[begin + at + i]
            self.popularity.add_logs(sums, self.first, begin + at, count)
            if self.uses_factors:
                self.factors.add_scores(sums, u, self.first[self.n_features - 1], begin + at, count)
            for i in range(count):
                scores[at + i] = sums[i]
            at += count

    cdef double rescore(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        cdef float x[FEATURES_MAX]
        self._read_item(i, x)
        return self._score(x)

    # --- Learning -------------------------------------------------------------------------------------------------

    cdef double usable_target(self, double y) noexcept nogil:
        # What was not taken is represented by the drawn candidates.
        return y if y > 0.0 else NAN

    cdef int prepare(self) except -1:
        """Make room for new rows, and read the candidates before the event changes anything."""
        cdef Py_ssize_t users = self.encoder.users.size() + 1, items = self.encoder.items.size() + 1
        self.habits.make_room(users)
        self.popularity.make_room(items)
        if self.uses_factors:
            self.factors.make_room(users, items)
        self.popular.make_room(items)
        if self.uses_together:
            self.together.make_room(items)
        if self.uses_following:
            self.following.make_room(items)
        if items > self.scratch_rows:
            self._make_scratch(max(items, 2 * self.scratch_rows))
        if self.choice.rate > 0.0:
            if self.popular.is_due(items - 1, self.encoder.n_events):
                self.popular.renew(self.popularity, self.first, items - 1)
            self._find_candidates(&self.encoder.pair)
        return 0

    cdef void _find_candidates(self, const EncodedPair* pair) noexcept nogil:
        """Read the user's latest items and the best `HEAD` others by the first weights, if one of them is the chosen one.

        What decides at the top of a list is the order there, of which the bulk of the items says nothing. The more items
        there are, the fewer events are learned from, so that the cost of an event does not grow with them.
        """
        cdef Py_ssize_t n, size = self.encoder.items.size()
        cdef const long long* assigned_at = self.encoder.items.assigned_at
        self.n_candidates = self.n_read = 0
        self.is_chosen_read = False
        if pair.item == 0 or size < 3:
            return
        if self.encoder.n_events % (1 + size // ITEMS_PER_STEP):
            return
        self._read_user(pair.user)
        self._find_head()
        for n in range(self.best.n):
            self._add_candidate(self.best.heap[n].place, pair.item)
        for n in range(self.encoder.seen.size(pair.user) if pair.user else 0):
            if n == OWN_MAX:
                break
            self._add_candidate(self.encoder.seen.latest(pair.user, n, assigned_at), pair.item)
        if self.is_chosen_read:
            # An unknown item, too, was not chosen: so a prediction, which compares with it, has a level.
            self._read_item(0, self.candidates[self.n_read].features)
            self.n_read += 1
            self._read_item(pair.item, self.candidates[self.n_read].features)
            self.n_candidates = self.n_read + 1

    cdef void _add_candidate(self, Py_ssize_t row, Py_ssize_t chosen) noexcept nogil:
        """Read an item; the chosen one is read at last."""
        if row == chosen:
            self.is_chosen_read = True
        elif row:
            self._read_item(row, self.candidates[self.n_read].features)
            self.n_read += 1

    cdef void _find_head(self) noexcept nogil:
        """Find the best items by the first weights among those that the user has not had: popular ones, and neighbours."""
        cdef Py_ssize_t n, row
        self.best.n = 0
        for n in range(self.n_touched):
            row = self.touched[n]
            if self.sparse[row * STRIDE + OWN] == 0.0:
                self.best.offer(self._first_score(row), row)
        for n in range(self.popular.n_listed):
            row = self.popular.listed[n]
            # Factors may favour one of the last.
            if not self.uses_factors and self.best.n == self.best.k and self.popular.scores[row] < self.best.heap[0].score:
                break
            if not self.is_touched[row]:
                self.best.offer(self._first_score(row), row)

    cdef inline float _first_score(self, Py_ssize_t row) noexcept nogil:
        """The score by the first weights, with a popularity that may be a few events old."""
        cdef float score = self.popular.scores[row] + self.bonus[row]
        if self.uses_factors:
            self.factors.add_scores(&score, self.user_read, self.first[self.n_features - 1], row, 1)
        return score

    cdef int start_new_rows(self) except -1:
        if self.encoder.starts_user:
            self.habits.clear(self.encoder.pair.user)
            if self.uses_factors:
                self.factors.start_user(self.encoder.pair.user)
        if self.encoder.starts_item:
            self.popularity.clear(self.encoder.pair.item)
            self.inverse_roots[self.encoder.pair.item] = 0.0
            if self.uses_factors:
                self.factors.start_item(self.encoder.pair.item, self.encoder.item_hash())
            if self.uses_together:
                self.together.clear(self.encoder.pair.item)
            if self.uses_following:
                self.following.clear(self.encoder.pair.item)
        return 0

    cdef void learn(self, double y) noexcept nogil:
        """Learn the choice among the candidates, then count it."""
        cdef const EncodedPair* pair = &self.encoder.pair
        cdef long long now = self.encoder.n_events
        cdef double weight
        cdef double scores[HEAD + OWN_MAX + 1]
        cdef Py_ssize_t j
        if self.mean_weight == 0.0:
            self.mean_weight = y
        weight = y / self.mean_weight
        weight = weight if weight < WEIGHT_MAX else WEIGHT_MAX
        weight = weight if weight > WEIGHT_MIN else WEIGHT_MIN
        self.mean_weight *= 1.0 + MEAN_RATE * (weight - 1.0)
        if self.n_candidates > 1:
            for j in range(self.n_candidates):
                scores[j] = self._score(self.candidates[j].features)
            self.choice.learn(self.context, self.candidates, scores, self.n_candidates, weight)
        if pair.user:
            self.habits.add(pair.user, self.popularity.log_count(0, pair.item),
                            log1p(<double>(now - self.encoder.items.assigned_at[pair.item])) if pair.item else 0.0, now)
        self.popularity.add(pair.item, weight, not pair.new_item)
        # The first choice of an item, too, says nothing about others: a flood of ids would wear down what is known of these.
        if self.uses_factors and pair.user and pair.item and not pair.new_item:
            self.factors.learn(pair.user, pair.item, weight)
        self._count_pairs(pair, weight, now)
        self.user_read = -1

    cdef void _count_pairs(self, const EncodedPair* pair, double weight, long long now) noexcept nogil:
        """Count the item with the user's latest ones."""
        cdef const long long* assigned_at = self.encoder.items.assigned_at
        cdef Py_ssize_t p, h, back = 0, item = pair.item
        cdef double closeness = weight
        cdef Py_ssize_t size = self.encoder.seen.size(pair.user) if pair.user else 0
        if not pair.new_item:
            self.together.tick()
            self.following.tick()
        if item == 0:
            return
        for p in range(size):
            if back == self.latest:
                break
            h = self.encoder.seen.latest(pair.user, p, assigned_at)
            if h == 0 or h == item:
                continue
            if self.uses_together:
                if size == 2:
                    # The first choice of this user becomes one of two.
                    self._count_choice(h, weight)
                self.together.add(h, item, weight, now, assigned_at)
                self.together.add(item, h, weight, now, assigned_at)
            if self.uses_following and back < FOLLOWED:
                self.following.count(h, closeness)
                self.following.add(h, item, closeness, now, assigned_at)
                closeness *= 0.7
            back += 1
        if self.uses_together and back:
            self._count_choice(item, weight)

    cdef void _count_choice(self, Py_ssize_t item, double weight) noexcept nogil:
        """Count a choice of a user who chose several items: those who chose one say nothing about pairs."""
        cdef double total
        self.together.count(item, weight)
        total = self.together.totals[item] / self.together.units[0]
        self.inverse_roots[item] = <float>(1.0 / sqrt(total if total > TOTAL_MIN else TOTAL_MIN))

    # --- State ----------------------------------------------------------------------------------------------------

    def _used(self):
        """The tables of pairs that are kept."""
        tables = (self.together, self.uses_together), (self.following, self.uses_following)
        return [table for table, used in tables if used]

    def save(self):
        n = self.encoder.items.size()
        tables = [table.save(n) for table in self._used()]
        return {
            **self.popularity.save(n),
            **{name: value for table in tables for name, value in table.items()},
            **(self.popular.save(n) if self.choice.rate > 0.0 else {}),
            **self.habits.save(self.encoder.users.size()),
            **self.choice.save(),
            **(self.factors.save(self.encoder.users.size(), n) if self.uses_factors else {}),
            "inverse_roots": np.array(self.scratch[1][1, :n]),
            "mean_weight": np.array([self.mean_weight]),
        }

    def restore(self, dict state):
        mean, roots = state["mean_weight"], state["inverse_roots"]
        n, n_events = self.encoder.items.size(), self.encoder.n_events
        if len(mean) != 1 or not 0.0 <= mean[0] < 1e100:
            raise ValueError("The state must have one `mean_weight` >= 0.")
        if len(roots) != n or (roots < 0.0).any() or (roots > 1e6).any():
            raise ValueError(f"The state must have {n} `inverse_roots` from 0 to 1e6.")
        self.popularity.restore(state["popularity"], state["popularity_units"], n)
        for table in self._used():
            table.restore(state, n, n_events)
        if self.choice.rate > 0.0:
            self.popular.restore(state["popular.scores"], n)
        self.habits.restore(state["habits"], self.encoder.users.size(), n_events)
        self.choice.restore(state["choice.weights"], state["choice.squares"])
        if self.uses_factors:
            self.factors.restore(state, self.encoder.users.size(), n)
        self.mean_weight = mean[0]
        self.scratch = None
        self._make_scratch(max(n, 16))
        self.scratch[1][1, :n] = roots
