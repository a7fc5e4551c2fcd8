"""Gradient-boosted regression trees on the residuals of the mixture of an ensemble, over the ring of the latest events.

The last trees that were fitted correct the prediction p of the mixture, with d the deviation of the changes::

    corrected = p + d Σₖ vₖ(z)                     vₖ(z) is the value of the leaf of tree k that the inputs reach
    target  t = (y - p) / d                        clipped at ±10

The inputs z are the first 64 slots and two of the mixture itself: (p - base) / d and (p - mean) / s.

Every `fit_every` events a tree is fitted to the residuals rᵢ = tᵢ - Σₖ vₖ(zᵢ) of the latest events, and takes the place of the
oldest one (gradient boosting, Friedman 2001, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of
Statistics 29). Residuals are clipped at ±c, with c half their mean absolute value: a Huber loss close to the absolute one,
so that trees correct towards the median. For a quantile q, clipped residuals count 2 q times where they are positive and
2 (1 - q) times where they are negative; for the squared loss, c is twenty times as large.
`edgedescent.ensemble._tree_grower` grows a tree.

Each tree looks at the inputs from the mixture and at eight random ones (stochastic boosting by inputs). Between fits
the leaves that an event reaches take a step on its own residual::

    vₖ <- vₖ + (0.1 / K) clip(t - Σₖ vₖ(z), ±mean |residual|)                for each of the K trees
"""
import numpy as np

from libc.math cimport fabs
from libc.string cimport memset

from edgedescent.ensemble._aim cimport SQUARED, make_aim
from edgedescent.ensemble._tree_grower cimport (
    COLUMNS_MAX, DEPTH, EVENTS_MAX, INNER, LEAVES, NEVER, SAMPLED_MAX, TreeGrower)
from edgedescent.numerics._numbers cimport clipped
from edgedescent.numerics._random cimport next_below

cdef enum:
    # Slots that count, and all inputs of a tree: two come from the mixture.
    SLOTS = 64
    WIDTH = 66
    # Least number of events to fit a tree to.
    FITTED_MIN = 60

# Residuals are clipped at so many times their mean absolute value: those that trees are fitted to, and in steps.
cdef double FIT_CLIP = 0.5
cdef double STEP_CLIP = 1.0
# The same for the squared loss, in units of those.
cdef double SQUARED_CLIP = 20.0
cdef double STEP = 0.1
cdef double ERROR_RATE = 0.002
cdef double TARGET_CLIP = 10.0


cdef class BoostedTrees:
    """Trees that correct the prediction of a mixture.

    Args:
        size: Number of events of the ring.
        n_trees_max: Number of trees that are kept.
        fit_every: Number of events after which another one is fitted.
        seed: Seed of the choice of inputs.
        loss: That of the mixture.
    """

    def __init__(self, Py_ssize_t size, Py_ssize_t n_trees_max, Py_ssize_t fit_every, uint64_t seed, loss):
        cdef int[:, ::1] slots = np.zeros((n_trees_max, INNER), dtype=np.int32)
        cdef float[:, ::1] thresholds = np.full((n_trees_max, INNER), NEVER, dtype=np.float32)
        cdef double[:, ::1] values = np.zeros((n_trees_max, LEAVES))
        cdef double[::1] targets = np.zeros(size)
        cdef float[:, ::1] mixed = np.zeros((size, 2), dtype=np.float32)
        cdef uint8_t[:, ::1] leaves = np.zeros((size, n_trees_max), dtype=np.uint8)
        cdef float[::1] floats = np.zeros(WIDTH + SAMPLED_MAX * WIDTH, dtype=np.float32)
        cdef int[::1] chosen = np.zeros(WIDTH, dtype=np.int32)
        cdef uint8_t[::1] reached = np.zeros(n_trees_max, dtype=np.uint8)
        self.size, self.n_trees_max, self.fit_every = size, n_trees_max, fit_every
        self.slots, self.thresholds, self.values = &slots[0, 0], &thresholds[0, 0], &values[0, 0]
        self.targets, self.mixed, self.leaves = &targets[0], &mixed[0, 0], &leaves[0, 0]
        self.query, self.sample = &floats[0], &floats[WIDTH]
        self.chosen, self.reached = &chosen[0], &reached[0]
        self.grower = TreeGrower()
        self.aim = make_aim(loss)
        self.arrays = [np.asarray(slots), np.asarray(thresholds), np.asarray(values), np.asarray(targets), np.asarray(mixed)]
        self.scratch = [leaves, floats, chosen, reached]
        self.n_fitted = self.oldest = 0
        self.random = seed
        self.error = self.n_errors = 0.0

    cdef double _bounded(self, double residual, double bound) noexcept nogil:
        """Return a residual as it is fitted: within a bound, and with the two weights of the sides of a quantile."""
        if self.aim.kind == SQUARED:
            return clipped(residual, SQUARED_CLIP * bound)
        return (2.0 * self.aim.q if residual > 0.0 else 2.0 * (1.0 - self.aim.q)) * clipped(residual, bound)

    cdef Py_ssize_t _n_trees(self) noexcept nogil:
        return <Py_ssize_t>self.n_fitted if self.n_fitted < self.n_trees_max else self.n_trees_max

    cdef void _lay_out(self, const Inputs* inputs, const float* mixed, float* row) noexcept nogil:
        """Write the inputs that count as a row of `WIDTH` numbers."""
        cdef Py_ssize_t i
        memset(row, 0, SLOTS * sizeof(float))
        for i in range(inputs.n_plain):
            if inputs.slots[i] < SLOTS:
                row[inputs.slots[i]] = inputs.z[i]
        row[SLOTS] = mixed[0]
        row[SLOTS + 1] = mixed[1]

    cdef Py_ssize_t _leaf(self, Py_ssize_t tree, const float* row) noexcept nogil:
        """Return the leaf of a tree that a row of inputs reaches."""
        cdef const int* slots = self.slots + tree * INNER
        cdef const float* thresholds = self.thresholds + tree * INNER
        cdef Py_ssize_t node = 0, level
        for level in range(DEPTH):
            node = 2 * node + 1 + (row[slots[node]] > thresholds[node])
        return node - INNER

    cdef double predict(self, const Inputs* inputs, const LabelScale* scale, double mixed) noexcept nogil:
        """Return the corrected prediction.

        Args:
            inputs: Inputs of the event.
            scale: Scale of the labels.
            mixed: Prediction of the mixture.
        """
        cdef Py_ssize_t tree
        cdef float of_mixture[2]
        of_mixture[0] = <float>clipped((mixed - scale.base) / scale.change, TARGET_CLIP)
        of_mixture[1] = <float>clipped((mixed - scale.mean) / scale.deviation, TARGET_CLIP)
        self._lay_out(inputs, of_mixture, self.query)
        for tree in range(self._n_trees()):
            self.reached[tree] = <uint8_t>self._leaf(tree, self.query)
        return mixed + scale.change * self._sum(self.reached)

    cdef void learn(self, EventRing ring, Inputs* scratch, const LabelScale* scale, double mixed, double y) noexcept nogil:
        """Learn the event that was predicted last, which is the newest of the ring by now.

        Args:
            ring: Stored events.
            scratch: Room for the inputs of any of them.
            scale: Scale of the labels with which it was predicted.
            mixed: Prediction of the mixture.
            y: Label.
        """
        cdef Py_ssize_t place = <Py_ssize_t>((ring.n_pushed - 1) % self.size), tree, n
        cdef double target = clipped((y - mixed) / scale.change, TARGET_CLIP)
        self.targets[place] = target
        self.mixed[2 * place] = self.query[SLOTS]
        self.mixed[2 * place + 1] = self.query[SLOTS + 1]
        for tree in range(self._n_trees()):
            self.leaves[place * self.n_trees_max + tree] = self.reached[tree]
        self._step(target)
        if ring.n_pushed % self.fit_every == 0:
            n = self._n_usable(ring)
            if n >= FITTED_MIN:
                self._fit(ring, scratch, n)

    cdef void _step(self, double target) noexcept nogil:
        """Move the leaves that the event has reached towards its target."""
        cdef Py_ssize_t n_trees = self._n_trees(), tree
        cdef double residual = target - self._sum(self.reached), rate
        self.n_errors += 1.0
        rate = 1.0 / self.n_errors
        self.error += (rate if rate > ERROR_RATE else ERROR_RATE) * (fabs(residual) - self.error)
        if n_trees == 0:
            return
        residual = STEP / n_trees * self._bounded(residual, STEP_CLIP * self.error)
        for tree in range(n_trees):
            self.values[tree * LEAVES + self.reached[tree]] += residual

    # --- Fitting --------------------------------------------------------------------------------------------------

    cdef Py_ssize_t _n_usable(self, EventRing ring) noexcept nogil:
        """Return the number of the latest events to which a tree is fitted."""
        cdef long long n = ring.n_pushed - self.oldest
        n = ring.held if ring.held < n else n
        return <Py_ssize_t>(n if n < EVENTS_MAX else EVENTS_MAX)

    cdef void _fit(self, EventRing ring, Inputs* scratch, Py_ssize_t n) noexcept nogil:
        """Fit a tree to the residuals of the latest `n` events."""
        cdef Py_ssize_t tree = self.n_fitted % self.n_trees_max, n_chosen, i
        memset(self.values + tree * LEAVES, 0, LEAVES * sizeof(double))
        self._fill_residuals(ring.n_pushed - n, n)
        n_chosen = self._choose_inputs(ring, scratch, n)
        self._encode(ring, n, n_chosen)
        self.grower.grow(
            n, n_chosen, self.slots + tree * INNER, self.thresholds + tree * INNER, self.values + tree * LEAVES)
        for i in range(tree * INNER, (tree + 1) * INNER):
            self.slots[i] = self.chosen[self.slots[i]] if self.thresholds[i] < NEVER else 0
        self.n_fitted += 1
        # Older events are never fitted to again.
        for i in range(n):
            self.leaves[<Py_ssize_t>((ring.n_pushed - n + i) % self.size) * self.n_trees_max + tree] = self.grower.nodes[i]

    cdef void _fill_residuals(self, long long first, Py_ssize_t n) noexcept nogil:
        """Fill the clipped residuals of `n` events from number `first` on."""
        cdef Py_ssize_t i, place
        cdef double bound = 0.0
        for i in range(n):
            place = <Py_ssize_t>((first + i) % self.size)
            self.grower.residuals[i] = self.targets[place] - self._sum(self.leaves + place * self.n_trees_max)
            bound += fabs(self.grower.residuals[i])
        bound *= FIT_CLIP / n
        for i in range(n):
            self.grower.residuals[i] = self._bounded(self.grower.residuals[i], bound)

    cdef double _sum(self, const uint8_t* leaves) noexcept nogil:
        """Return the sum of the values of a leaf of each tree, as four partial sums."""
        cdef Py_ssize_t n_trees = self._n_trees(), whole = n_trees - n_trees % 4, tree
        cdef const double* values = self.values
        cdef double a = 0.0, b = 0.0, c = 0.0, d = 0.0
        for tree in range(0, whole, 4):
            a += values[leaves[tree]]
            b += values[LEAVES + leaves[tree + 1]]
            c += values[2 * LEAVES + leaves[tree + 2]]
            d += values[3 * LEAVES + leaves[tree + 3]]
            values += 4 * LEAVES
        for tree in range(whole, n_trees):
            a += values[leaves[tree]]
            values += LEAVES
        return (a + c) + (b + d)

    cdef Py_ssize_t _choose_inputs(self, EventRing ring, Inputs* scratch, Py_ssize_t n) noexcept nogil:
        """Choose the inputs that a tree looks at, and find the edges of their bins; returns their number.

        Edges are from a sample of the events, in which the inputs must vary.
        """
        cdef Py_ssize_t n_sampled = n if n < SAMPLED_MAX else SAMPLED_MAX, n_chosen = 0, left = WIDTH, i, slot, place, drawn
        for i in range(n_sampled):
            place = ring.recall(ring.n_pushed - n + i * n // n_sampled, scratch)
            self._lay_out(scratch, self.mixed + 2 * place, self.sample + i * WIDTH)
        for i in range(WIDTH):
            self.chosen[i] = <int>(WIDTH - 1 - i)
        # First the two of the mixture, then random ones.
        while left > 0 and n_chosen < COLUMNS_MAX:
            i = WIDTH - left
            drawn = i if i < WIDTH - SLOTS else i + next_below(&self.random, left)
            slot = self.chosen[drawn]
            self.chosen[drawn] = self.chosen[i]
            left -= 1
            if self.grower.find_edges(self.sample + slot, WIDTH, n_sampled, n_chosen):
                self.chosen[n_chosen] = <int>slot
                n_chosen += 1
        return n_chosen

    cdef void _encode(self, EventRing ring, Py_ssize_t n, Py_ssize_t n_chosen) noexcept nogil:
        """Let the grower encode the chosen inputs of `n` events."""
        cdef int columns[WIDTH]
        cdef float row[COLUMNS_MAX]
        cdef long long number
        cdef Py_ssize_t i, j, place, cell
        cdef int slot
        for i in range(WIDTH):
            columns[i] = -1
        for j in range(n_chosen):
            columns[self.chosen[j]] = <int>j
        for i in range(n):
            number = ring.n_pushed - n + i
            place = <Py_ssize_t>(number % ring.size)
            for j in range(n_chosen):
                row[j] = 0.0
            cell = ring.starts[place]
            for j in range(ring.lengths[place]):
                slot = ring.cell_slots[cell]
                if 0 <= slot < SLOTS and columns[slot] >= 0:
                    row[columns[slot]] = ring.cell_z[cell]
                cell = cell + 1 if cell + 1 < ring.n_cells else 0
            for j in range(2):
                if columns[SLOTS + j] >= 0:
                    row[columns[SLOTS + j]] = self.mixed[2 * place + j]
            self.grower.encode(i, row, n_chosen)

    cdef void _find_leaves(self, Py_ssize_t tree, EventRing ring) noexcept nogil:
        """Find the leaf of a tree that each stored event reaches."""
        cdef float row[WIDTH]
        cdef long long number
        cdef Py_ssize_t place, cell, i
        memset(row, 0, sizeof(row))
        for number in range(ring.n_pushed - ring.held, ring.n_pushed):
            place = <Py_ssize_t>(number % self.size)
            for i in range(INNER):
                row[self.slots[tree * INNER + i]] = 0.0
            cell = ring.starts[place]
            for i in range(ring.lengths[place]):
                if 0 <= ring.cell_slots[cell] < SLOTS:
                    row[ring.cell_slots[cell]] = ring.cell_z[cell]
                cell = cell + 1 if cell + 1 < ring.n_cells else 0
            row[SLOTS] = self.mixed[2 * place]
            row[SLOTS + 1] = self.mixed[2 * place + 1]
            self.leaves[place * self.n_trees_max + tree] = <uint8_t>self._leaf(tree, row)

    # --- Changes --------------------------------------------------------------------------------------------------

    cdef void forget_slot(self, Py_ssize_t slot, EventRing ring) noexcept nogil:
        """Remove an input from the trees: its slot, which the ring has set to 0, belongs to another feature from now on."""
        cdef Py_ssize_t tree, node
        cdef bint found
        for tree in range(self._n_trees() if slot < SLOTS else 0):
            found = False
            for node in range(tree * INNER, (tree + 1) * INNER):
                if self.slots[node] == slot and self.thresholds[node] < NEVER:
                    self.slots[node], self.thresholds[node] = 0, NEVER
                    found = True
            if found:
                self._find_leaves(tree, ring)

    cdef void begin_anew(self, EventRing ring) noexcept nogil:
        """Let go of all trees, and of all events stored until now: their scale is another one."""
        self.n_fitted = 0
        self.oldest = ring.n_pushed
        self.error = self.n_errors = 0.0

    def predict_one(self, InputBuffer buffer, base, mean, deviation, change, double mixed):
        """Return the corrected prediction; the first numbers are those of `LabelScale`."""
        cdef LabelScale scale = LabelScale(base, mean, deviation, change)
        return self.predict(&buffer.inputs, &scale, mixed)

    def learn_one(self, EventRing ring, InputBuffer buffer, base, mean, deviation, change, double mixed, double y):
        """Store the event that was predicted last in the ring, and learn it."""
        cdef LabelScale scale = LabelScale(base, mean, deviation, change)
        cdef InputBuffer scratch = InputBuffer(buffer.n_lags)
        scratch.make_room(SLOTS)
        ring.push_one(buffer, base, y)
        self.learn(ring, &scratch.inputs, &scale, mixed, y)

    def trees(self):
        """Return the slots, the thresholds and the leaves' values of the trees, by their places."""
        n = self._n_trees()
        return tuple(np.array(array[:n]) for array in self.arrays[:3])

    # --- State ----------------------------------------------------------------------------------------------------

    def save(self, EventRing ring):
        """Return the trees, and the targets of the stored events, oldest first."""
        places = (ring.n_pushed - ring.held + np.arange(ring.held)) % self.size
        slots, thresholds, values = self.trees()
        return {
            "trees.slots": slots.astype(np.int64),
            "trees.thresholds": thresholds,
            "trees.values": values,
            "trees.targets": self.arrays[3][places],
            "trees.mixed": self.arrays[4][places],
            "trees.numbers": np.array([self.n_fitted, self.oldest], dtype=np.int64),
            "trees.errors": np.array([self.error, self.n_errors]),
            "trees.random": np.array([self.random], dtype=np.uint64),
        }

    def restore(self, dict state, EventRing ring):
        """Restore what `save` returned, once the ring is restored.

        Raises:
            ValueError: If the arrays are inconsistent or do not fit.
        """
        slots, thresholds, values = state["trees.slots"], state["trees.thresholds"], state["trees.values"]
        targets, mixed = state["trees.targets"], state["trees.mixed"]
        numbers, errors, random = state["trees.numbers"], state["trees.errors"], state["trees.random"]
        if numbers.shape != (2,) or errors.shape != (2,) or random.shape != (1,) or (numbers < 0).any() or (errors < 0.0).any():
            raise ValueError(f"The state's trees must have 2 numbers and 2 errors >= 0, and 1 random number. "
                             f"Got {numbers!r}, {errors!r} and {random!r}.")
        n_fitted, oldest = numbers.tolist()
        n = min(n_fitted, self.n_trees_max)
        if slots.shape != (n, INNER) or thresholds.shape != (n, INNER) or values.shape != (n, LEAVES):
            raise ValueError(f"The state must have {n} trees of {INNER} nodes and {LEAVES} leaves. Got nodes of shape "
                             f"{slots.shape} and {thresholds.shape} and leaves of shape {values.shape}.")
        if (slots < 0).any() or (slots >= WIDTH).any():
            raise ValueError(f"The state's trees refer to inputs that do not exist: there are {WIDTH}.")
        if targets.shape != (ring.held,) or mixed.shape != (ring.held, 2) or oldest > ring.n_pushed:
            raise ValueError(f"The state's trees do not fit its ring of {ring.held} events.")
        places = (ring.n_pushed - ring.held + np.arange(ring.held)) % self.size
        for array, saved in zip(self.arrays, (slots, thresholds, values)):
            array[:n] = saved
        self.arrays[3][places], self.arrays[4][places] = targets, mixed
        self.n_fitted, self.oldest = n_fitted, oldest
        self.error, self.n_errors = errors.tolist()
        self.random = int(random[0])
        for tree in range(n):
            self._find_leaves(tree, ring)
