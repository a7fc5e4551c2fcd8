"""Factors of users and items, learned from choices among items that were chosen lately: Bayesian personalized ranking.

::

    s_ui = b_i + Σ_f p_uf q_if

Each choice of item i by user u is compared with items j drawn from the latest choices of all users, and takes a step along
the gradient of -log(1 / (1 + exp(s_uj - s_ui))) plus penalties for each. So items are drawn by how often they were chosen,
lately: s_ui tends to how much likelier user u is to choose an item than others are now. It has the same unit, that of
log odds, whatever the catalogue, and is about 0 for a user or an item of which little is known.

The step of a row falls with the fourth root of the number n of its steps so far::

    rate = 0.2 weight / (1 + n / 4)^(1/4)

References:
    Rendle, Freudenthaler, Gantner and Schmidt-Thieme 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI.
    Rendle and Freudenthaler 2014, "Improving Pairwise Learning for Item Recommendation from Implicit Feedback", WSDM.
"""
import numpy as np

from libc.math cimport sqrt
from libc.stdint cimport uint64_t
from libc.string cimport memset

from edgedescent.losses._losses cimport logistic
from edgedescent.numerics._numbers cimport clipped
from edgedescent.numerics._random cimport next_below, next_normal
from edgedescent.numerics._ranking_kernels cimport f32_add_products

cdef enum:
    # Numbers that a vector register holds.
    LANES = 8
    # Latest choices from which items are drawn.
    RECENT = 1000
    N_DRAWN = 4

cdef double RATE = 0.2
cdef double PENALTY = 0.01
# Standard deviation of the first factors of items. Those of users are 0: nothing is known of a new user.
cdef double FIRST = 0.1
# Factors and biases are clipped here.
cdef float NUMBER_MAX = 16.0
# A float counts no further.
cdef float STEPS_MAX = 1e7


cdef class ChoiceFactors:
    """Factors by the rows of users and items; row 0, of unknown ids, stays 0.

    Args:
        n_factors: Number of factors, > 0.
        seed: Seed of the first factors and of the draws.
    """

    def __init__(self, Py_ssize_t n_factors, uint64_t seed):
        self.n_factors, self.width = n_factors, LANES * ((n_factors + LANES - 1) // LANES)
        self.seed = seed
        self.random = seed ^ <uint64_t>0x2545F4914F6CDD1D
        self.n_users = self.n_items = self.n_recent = 0
        self.arrays = {}
        self._make(16, 16)

    def _make(self, Py_ssize_t users, Py_ssize_t items):
        cdef float[:, ::1] p = np.zeros((users, self.width), dtype=np.float32)
        cdef float[:, ::1] q = np.zeros((items, self.width), dtype=np.float32)
        cdef float[::1] biases = np.zeros(items, dtype=np.float32)
        cdef float[::1] user_steps = np.zeros(users, dtype=np.float32), item_steps = np.zeros(items, dtype=np.float32)
        cdef int[::1] recent = np.zeros(RECENT, dtype=np.int32)
        made = {"users": p, "items": q, "biases": biases, "user_steps": user_steps, "item_steps": item_steps,
                "recent": recent}
        made = {name: np.asarray(array) for name, array in made.items()}
        for name, array in self.arrays.items():
            made[name][: len(array)] = array
        self.users, self.items, self.biases = &p[0, 0], &q[0, 0], &biases[0]
        self.user_steps, self.item_steps, self.recent = &user_steps[0], &item_steps[0], &recent[0]
        self.arrays, self.n_users, self.n_items = made, users, items

    cdef int make_room(self, Py_ssize_t users, Py_ssize_t items) except -1:
        """Enlarge the tables to at least so many rows."""
        if users > self.n_users or items > self.n_items:
            self._make(self.n_users if users <= self.n_users else max(users, 2 * self.n_users),
                       self.n_items if items <= self.n_items else max(items, 2 * self.n_items))
        return 0

    cdef void start_user(self, Py_ssize_t row) noexcept nogil:
        """Give a user's row its first factors."""
        memset(self.users + row * self.width, 0, self.width * sizeof(float))
        self.user_steps[row] = 0.0

    cdef void start_item(self, Py_ssize_t row, uint64_t word) noexcept nogil:
        """Give an item's row its first factors, which depend on its id alone, and forget the choices of the one before."""
        cdef Py_ssize_t n
        word ^= self.seed
        for n in range(self.n_factors):
            self.items[row * self.width + n] = <float>(FIRST * next_normal(&word))
        self.biases[row] = self.item_steps[row] = 0.0
        for n in range(RECENT):
            self.recent[n] = 0 if self.recent[n] == row else self.recent[n]

    cdef float score(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The score of an item for a user, with the bits of `add_scores`."""
        cdef float result = 0.0
        self.add_scores(&result, u, 1.0, i, 1)
        return result

    cdef void add_scores(self, float* sums, Py_ssize_t u, float weight, Py_ssize_t begin, Py_ssize_t n) noexcept nogil:
        """Add `weight` times the scores of `n` items from row `begin` to the sums."""
        f32_add_products(sums, self.users + u * self.width, self.items + begin * self.width, self.biases + begin, weight,
                         self.width, n)

    cdef void learn(self, Py_ssize_t u, Py_ssize_t i, double weight) noexcept nogil:
        """Learn a choice, and let it be drawn."""
        cdef Py_ssize_t s, j, n = self.n_recent if self.n_recent < RECENT else RECENT
        for s in range(N_DRAWN if n else 0):
            j = self.recent[next_below(&self.random, n)]
            if j and j != i:
                self._prefer(u, i, j, weight)
        self.recent[self.n_recent % RECENT] = <int>i
        self.n_recent = self.n_recent + 1 if self.n_recent < 2 * RECENT - 1 else RECENT

    cdef void _prefer(self, Py_ssize_t u, Py_ssize_t i, Py_ssize_t j, double weight) noexcept nogil:
        """Take a step towards item i before item j."""
        cdef float* p = self.users + u * self.width
        cdef float* q = self.items + i * self.width
        cdef float* r = self.items + j * self.width
        cdef float slope = <float>logistic(self.score(u, j) - self.score(u, i)), penalty = <float>PENALTY
        cdef float p_rate = step(self.user_steps + u, weight), q_rate = step(self.item_steps + i, weight)
        cdef float r_rate = step(self.item_steps + j, weight), of_p, of_q, of_r
        cdef Py_ssize_t f
        self.biases[i] = clipped(self.biases[i] + q_rate * (slope - penalty * self.biases[i]), NUMBER_MAX)
        self.biases[j] = clipped(self.biases[j] - r_rate * (slope + penalty * self.biases[j]), NUMBER_MAX)
        for f in range(self.width):
            of_p, of_q, of_r = p[f], q[f], r[f]
            p[f] = clipped(of_p + p_rate * (slope * (of_q - of_r) - penalty * of_p), NUMBER_MAX)
            q[f] = clipped(of_q + q_rate * (slope * of_p - penalty * of_q), NUMBER_MAX)
            r[f] = clipped(of_r - r_rate * (slope * of_p + penalty * of_r), NUMBER_MAX)

    # --- State ----------------------------------------------------------------------------------------------------

    def save(self, Py_ssize_t users, Py_ssize_t items):
        """Return the factors of the first rows, what they have learned from, and the draws."""
        rows = {"users": users, "user_steps": users, "recent": RECENT}
        arrays = {f"factors.{name}": np.array(array[: rows.get(name, items)]) for name, array in self.arrays.items()}
        return {
            **arrays,
            "factors.recent": arrays["factors.recent"].astype(np.int64),
            "factors.n_recent": np.array([self.n_recent]),
            "factors.draws": np.array([self.random], dtype=np.uint64),
        }

    def restore(self, dict state, Py_ssize_t users, Py_ssize_t items):
        """Take what `save` returned; raises ValueError where it does not fit so many rows."""
        shapes = {"users": (users, self.width), "items": (items, self.width), "biases": (items,),
                  "user_steps": (users,), "item_steps": (items,), "recent": (RECENT,)}
        given = {name: state[f"factors.{name}"] for name in shapes}
        n_recent, draws = state["factors.n_recent"], state["factors.draws"]
        bounds = {"user_steps": (0.0, STEPS_MAX), "item_steps": (0.0, STEPS_MAX), "recent": (0, items - 1)}
        for name, shape in shapes.items():
            lowest, highest = bounds.get(name, (-NUMBER_MAX, NUMBER_MAX))
            if given[name].shape != shape or (given[name] < lowest).any() or (given[name] > highest).any():
                raise ValueError(f"The state's `factors.{name}` must be numbers from {lowest:g} to {highest:g}, shape {shape}.")
        for name in ("users", "items"):
            if given[name][0].any() or given[name][:, self.n_factors :].any():
                raise ValueError(f"The state's `factors.{name}` must be 0 in row 0 and beyond {self.n_factors} factors.")
        if n_recent.shape != (1,) or not 0 <= n_recent[0] < 2 * RECENT or draws.shape != (1,):
            raise ValueError(f"The state must have one `factors.n_recent` from 0 to {2 * RECENT - 1} and one `factors.draws`.")
        self.arrays = {}
        self._make(max(users, 16), max(items, 16))
        for name, array in given.items():
            self.arrays[name][: len(array)] = array
        self.n_recent, self.random = n_recent[0], int(draws[0])


cdef inline float step(float* steps, double weight) noexcept nogil:
    """The rate of a row's next step, which is counted."""
    cdef double rate = RATE * weight / sqrt(sqrt(1.0 + steps[0] / N_DRAWN))
    steps[0] += steps[0] < STEPS_MAX
    return <float>rate
