"""The model of rankers: popularity that forgets and neighbours of the user's latest items, in one score.

The score of an item is a sum of features with weights that depend on the user's context (`ChoiceWeights`)::

    f = Σ_h w_h log(c_h + floor)                 popularity over each horizon h (`DecayedCounts`)
        + w log(1 + age) / 3                     age of the item in events
        + Σ_g w_g log(1 + s_g x_g)               neighbours of the user's latest items h_0, h_1, …, the latest first:

    x_cos  = Σ_p n(h_p, i) / sqrt(n(h_p) n(i)) · n(h_p, i) / (n(h_p, i) + shrinkage)
    x_next = Σ_p 0.8^p m(h_p, i) / (m(h_p) + shrinkage)

n counts users who chose both items, m how soon i followed h: 0.7^distance, over three horizons. x_next of h_0 alone is a
feature of its own. Two last features tell the user's own items. The context holds whether the user is new, how many
items the user chose, how popular and how old they were, and how long ago the last choice was.
"""
import numpy as np

from libc.math cimport NAN, log1p, sqrt
from libc.stdint cimport uint64_t

from edgedescent.losses._losses cimport logistic
from edgedescent.numerics._random cimport next_below
from edgedescent.numerics._ranking_kernels cimport quick_log
from edgedescent.ranking._pair_table cimport ROW_BITS, ROW_MASK
from edgedescent.ranking._user_habits cimport HABITS

cdef enum:
    COSINE = 0
    NEXT_OF_LAST = 1
    NEXT = 2
    OWN = 5
    OWN_RECENT = 6
    # Latest items that a further one is paired with as a follower.
    FOLLOWED = 5
    RECENT = 1024
    SCORED_AT_ONCE = 512
    # Drawn candidates of each kind.
    DRAWN_RECENT = 10
    DRAWN_NEAR = 8
    DRAWN_OWN = 1
    DRAWN_ANY = 2

# Horizons of the followers.
cdef tuple HORIZONS = (1e6, 2000.0, 6000.0)
# Factors within the logarithms of the sparse features.
cdef float SCALES[7]
SCALES[:] = [30.0, 50.0, 50.0, 50.0, 50.0, 1.7182818, 1.7182818]
cdef double WEIGHT_MAX = 4.0
cdef double MEAN_RATE = 0.01


cdef class RankingModel(RecommenderModel):
    """Compiled model of `edgedescent.AutoRanker` and of its parts.

    Args:
        encoder: what the model reads events from.
        parameters: the learner whose fields are the hyper-parameters.
        horizons: horizons of the popularity.
        first: weights of the features to begin with: popularities, age, sparse ones.
        rate: learning rate of these weights; 0 keeps them.
    """

    def __init__(self, IdEncoder encoder, parameters, *, tuple horizons, tuple first, double rate):
        RecommenderModel.__init__(self, encoder)
        cdef long long[::1] recent = np.zeros(RECENT, dtype=np.int64)
        self.n_dense, self.n_features = len(horizons) + 1, len(horizons) + 1 + N_SPARSE
        if self.n_features > FEATURES_MAX or len(first) != self.n_features:
            raise ValueError(f"A ranking model has {self.n_features} weights, {FEATURES_MAX} at most. Got {len(first)}.")
        self.popularity = DecayedCounts(horizons, 0.05)
        # A table is kept where a weight on it can be other than 0.
        self.uses_together = rate > 0.0 or first[self.n_dense + COSINE] != 0.0
        self.uses_following = rate > 0.0 or any(first[self.n_dense + NEXT_OF_LAST : self.n_dense + OWN])
        depth = getattr(parameters, "n_neighbours", 1)
        self.together = PairTable("together", depth if self.uses_together else 1, (1e6,))
        self.following = PairTable("following", depth if self.uses_following else 1, HORIZONS)
        self.habits = UserHabits()
        self.choice = ChoiceWeights(first, N_CONTEXTS, rate)
        self.latest = getattr(parameters, "latest", 0)
        self.shrinkage = getattr(parameters, "shrinkage", 0.0)
        self.seed = parameters.seed
        self.random = self.seed ^ <uint64_t>0x2545F491
        self.recent_array, self.recent, self.n_recent = np.asarray(recent), &recent[0], 0
        self.mean_weight = 0.0
        self.n_touched = self.n_candidates = 0
        self._make_scratch(16)

    cdef int _make_scratch(self, Py_ssize_t rows) except -1:
        """Allocate working memory for `rows` rows of items."""
        cdef float[:, ::1] sparse = np.zeros((rows, N_SPARSE), dtype=np.float32)
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
        cdef Py_ssize_t n, f, row
        cdef float* x
        cdef float total
        if self.user_read == u and self.read_at == self.encoder.n_events:
            return
        self._read_context(u)
        self.choice.combine(self.context, self.weights)
        for n in range(self.n_touched):
            row = self.touched[n]
            self.is_touched[row] = 0
            self.bonus[row] = 0.0
            for f in range(N_SPARSE):
                self.sparse[row * N_SPARSE + f] = 0.0
        self.n_touched = 0
        self._read_neighbours(u)
        for n in range(self.n_touched):
            row = self.touched[n]
            x = self.sparse + row * N_SPARSE
            total = 0.0
            for f in range(N_SPARSE):
                if x[f] != 0.0:
                    x[f] = quick_log(1.0 + SCALES[f] * x[f])
                    total += self.weights[self.n_dense + f] * x[f]
            self.bonus[row] = total
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
        return self.sparse + row * N_SPARSE

    cdef void _read_neighbours(self, Py_ssize_t u) noexcept nogil:
        cdef const long long* assigned_at = self.encoder.items.assigned_at
        cdef Py_ssize_t p, h, j, at, g, size = self.encoder.seen.size(u) if u else 0
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
            if p < self.latest and self.uses_together:
                root = self.inverse_roots[h]
                for at in range(h * self.together.depth, (h + 1) * self.together.depth):
                    j = self.together.neighbour(at, assigned_at)
                    if j:
                        count = self.together.weights[at] * <float>(1.0 / self.together.units[0])
                        self._touch(j)[COSINE] += count * root * self.inverse_roots[j] * count / (count + shrinkage)
            if p < self.latest and self.uses_following:
                for g in range(n):
                    inverse[g] = decay / (self.following.totals[h * n + g] + <float>(self.shrinkage * self.following.units[g]))
                for at in range(h * self.following.depth, (h + 1) * self.following.depth):
                    j = self.following.neighbour(at, assigned_at)
                    if j:
                        x = self._touch(j)
                        for g in range(n):
                            x[NEXT + g] += self.following.weights[at * n + g] * inverse[g]
                        if p == 0:
                            x[NEXT_OF_LAST] = self.following.weights[at * n] * inverse[0]
            decay *= <float>0.8

    cdef void _read_item(self, Py_ssize_t i, float* x) noexcept nogil:
        """Fill in the features of an item for the user who was read; row 0 is an unknown one."""
        cdef Py_ssize_t f
        for f in range(self.popularity.n_horizons):
            x[f] = self.popularity.log_count(f, i)
        x[self.n_dense - 1] = self._log_age(i)
        for f in range(N_SPARSE):
            x[self.n_dense + f] = self.sparse[i * N_SPARSE + f]

    cdef float _log_age(self, Py_ssize_t i) noexcept nogil:
        return quick_log(<float>(1 + self.encoder.n_events - self.encoder.items.assigned_at[i])) / <float>3.0 if i else 0.0

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
        """Fill in the scores of `n` rows from `begin`, for the user who was read."""
        cdef float sums[SCORED_AT_ONCE]
        cdef Py_ssize_t i, first = 0, count
        cdef float aging = self.weights[self.n_dense - 1]
        while first < n:
            count = n - first if n - first < SCORED_AT_ONCE else SCORED_AT_ONCE
            for i in range(count):
                sums[i] = self.bonus[begin + first + i]
            self.popularity.add_logs(sums, self.weights, begin + first, count)
            for i in range(count):
                scores[first + i] = sums[i]
            if aging != 0.0:
                for i in range(count):
                    scores[first + i] += aging * self._log_age(begin + first + i)
            first += count

    # --- Learning -------------------------------------------------------------------------------------------------

    cdef double usable_target(self, double y) noexcept nogil:
        # What was not taken is represented by the drawn candidates.
        return y if y > 0.0 else NAN

    cdef int prepare(self) except -1:
        """Make room for new rows, and read the candidates before the event changes anything."""
        cdef Py_ssize_t users = self.encoder.users.size() + 1, items = self.encoder.items.size() + 1
        self.habits.make_room(users)
        self.popularity.make_room(items)
        if self.uses_together:
            self.together.make_room(items)
        if self.uses_following:
            self.following.make_room(items)
        if items > self.scratch_rows:
            self._make_scratch(max(items, 2 * self.scratch_rows))
        self._draw_candidates(&self.encoder.pair)
        return 0

    cdef void _add_candidate(self, Py_ssize_t i) noexcept nogil:
        self._read_item(i, self.features + self.n_candidates * self.n_features)
        self.n_candidates += 1

    cdef void _draw_candidates(self, const EncodedPair* pair) noexcept nogil:
        """Read the chosen item and others: chosen lately, near the user's items, the user's own, and any."""
        cdef const long long* assigned_at = self.encoder.items.assigned_at
        cdef Py_ssize_t s, j, n_recent = self.n_recent if self.n_recent < RECENT else RECENT, n = self.encoder.items.size()
        cdef Py_ssize_t size = self.encoder.seen.size(pair.user) if pair.user else 0
        cdef long long entry
        self.n_candidates = 0
        if self.choice.rate == 0.0 or pair.item == 0 or n < 3:
            return
        self._read_user(pair.user)
        self._add_candidate(pair.item)
        for s in range(DRAWN_RECENT if n_recent else 0):
            entry = self.recent[next_below(&self.random, n_recent)]
            j = entry & ROW_MASK if assigned_at[entry & ROW_MASK] <= entry >> ROW_BITS else 0
            if j and j != pair.item:
                self._add_candidate(j)
        for s in range(DRAWN_NEAR if self.n_touched else 0):
            j = self.touched[next_below(&self.random, self.n_touched)]
            if j != pair.item:
                self._add_candidate(j)
        for s in range(DRAWN_OWN if size else 0):
            j = self.encoder.seen.item(pair.user, next_below(&self.random, size), assigned_at)
            if j and j != pair.item:
                self._add_candidate(j)
        for s in range(DRAWN_ANY):
            j = 1 + next_below(&self.random, n - 1)
            if j != pair.item:
                self._add_candidate(j)

    cdef int start_new_rows(self) except -1:
        if self.encoder.starts_user:
            self.habits.clear(self.encoder.pair.user)
        if self.encoder.starts_item:
            self.popularity.clear(self.encoder.pair.item)
            self.inverse_roots[self.encoder.pair.item] = 0.0
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
        cdef double scores[CANDIDATES_MAX]
        cdef Py_ssize_t j
        if self.mean_weight == 0.0:
            self.mean_weight = y
        weight = y / self.mean_weight
        weight = weight if weight < WEIGHT_MAX else WEIGHT_MAX
        self.mean_weight *= 1.0 + MEAN_RATE * (weight - 1.0)
        if self.n_candidates > 1:
            for j in range(self.n_candidates):
                scores[j] = self._score(self.features + j * self.n_features)
            self.choice.learn(self.context, self.features, scores, self.n_candidates, weight)
        if pair.user:
            self.habits.add(pair.user, self.popularity.log_count(0, pair.item),
                            log1p(<double>(now - self.encoder.items.assigned_at[pair.item])) if pair.item else 0.0, now)
        self.popularity.add(pair.item, weight)
        self._count_pairs(pair, weight, now)
        if pair.item:
            self.recent[self.n_recent % RECENT] = now << ROW_BITS | pair.item
            self.n_recent += 1
        self.user_read = -1

    cdef void _count_pairs(self, const EncodedPair* pair, double weight, long long now) noexcept nogil:
        """Count the item with the user's latest ones."""
        cdef const long long* assigned_at = self.encoder.items.assigned_at
        cdef Py_ssize_t p, h, back = 0, item = pair.item
        cdef double closeness = weight
        cdef Py_ssize_t size = self.encoder.seen.size(pair.user) if pair.user else 0
        if self.uses_together:
            self.together.tick()
            if item:
                self.together.count(item, weight)
                self.inverse_roots[item] = <float>(1.0 / sqrt(self.together.totals[item] / self.together.units[0]))
        if self.uses_following:
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
                self.together.add(h, item, weight, now, assigned_at)
                self.together.add(item, h, weight, now, assigned_at)
            if self.uses_following and back < FOLLOWED:
                self.following.count(h, closeness)
                self.following.add(h, item, closeness, now, assigned_at)
                closeness *= 0.7
            back += 1

    # --- State ----------------------------------------------------------------------------------------------------

    def _used(self):
        """The tables of pairs that are kept."""
        return [table for table, used in ((self.together, self.uses_together), (self.following, self.uses_following)) if used]

    def save(self):
        n = self.encoder.items.size()
        tables = [table.save(n) for table in self._used()]
        return {
            **self.popularity.save(n),
            **{name: value for table in tables for name, value in table.items()},
            **self.habits.save(self.encoder.users.size()),
            **self.choice.save(),
            "inverse_roots": np.array(self.scratch[1][1, :n]),
            "recent": np.array(self.recent_array),
            "draws": np.array([self.random, self.n_recent], dtype=np.uint64),
            "mean_weight": np.array([self.mean_weight]),
        }

    def restore(self, dict state):
        recent, draws, mean, roots = (state[name] for name in ("recent", "draws", "mean_weight", "inverse_roots"))
        n, n_events = self.encoder.items.size(), self.encoder.n_events
        if len(recent) != RECENT or len(draws) != 2 or len(mean) != 1 or not 0.0 <= mean[0] < 1e100 or (
                draws[1] > n_events) or (recent < 0).any() or (recent & ROW_MASK).max() >= n or (
                recent >> ROW_BITS).max() >= max(n_events, 1):
            raise ValueError(f"The state must have {RECENT} `recent` items, 2 `draws` and a `mean_weight` >= 0.")
        if len(roots) != n or (roots < 0.0).any() or (roots > 1e6).any():
            raise ValueError(f"The state must have {n} `inverse_roots` >= 0.")
        self.popularity.restore(state["popularity"], state["popularity_units"], n)
        for table in self._used():
            table.restore(state, n, n_events)
        self.habits.restore(state["habits"], self.encoder.users.size(), n_events)
        self.choice.restore(state["choice.weights"], state["choice.squares"])
        self.recent_array[:] = recent
        self.random, self.n_recent, self.mean_weight = int(draws[0]), int(draws[1]), mean[0]
        self.scratch = None
        self._make_scratch(max(n, 16))
        self.scratch[1][1, :n] = roots
