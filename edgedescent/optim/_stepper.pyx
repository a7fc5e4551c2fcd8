"""Optimizer step of one event: gradient clipping, schedule, step rule, L1 penalty and rollback of bad updates."""
import numpy as np

from cpython.ref cimport Py_DECREF
from libc.math cimport fabs, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from edgedescent.losses._losses cimport make_loss
from edgedescent.numerics._errors cimport raise_kept
from edgedescent.numerics._vectors cimport dot
from edgedescent.optim._parameter_table cimport ParameterTable, Table
from edgedescent.optim._schedules cimport MEMORY, make_schedule

from edgedescent.losses.squared import SquaredLoss


cdef inline double _limit_values(double* g, Py_ssize_t n, double cap) noexcept nogil:
    """Clip the values of a gradient at ±cap; returns the sum of their squares, which is NaN if one of them is."""
    cdef double value
    cdef Py_ssize_t i
    for i in range(n):
        # These comparisons keep NaN.
        value = cap if g[i] > cap else g[i]
        value = -cap if value < -cap else value
        # The square of a smaller value is subnormal, and arithmetic on it is slow. The L2 gradient of a weight without
        # any other gradient gets that small.
        g[i] = 0.0 if fabs(value) < 1e-150 else value
    return dot(g, g, n)


cdef class Stepper:
    """Optimizer step over all tables of a learner, with the optimizer state that they share.

    A learner calls `add` with the gradient of each run of parameters of the event, then `step` once. `step` clips the
    gradients and applies the step rule to each run. If a run would become non-finite or larger than 1e100, its
    parameters are restored, its optimizer slots are reset to zero, and `n_undone` is incremented. The slots are reset
    because they caused the bad update.

    Args:
        optimizer: Optimizer with the step rule, schedule and clipping.
        l1: Weight of the L1 penalty.
    """

    def __init__(self, optimizer, double l1=0.0):
        self.optimizer = optimizer
        self.schedule = make_schedule(optimizer.schedule.rule, optimizer.schedule.hyper)
        self.lr = optimizer.rate
        self.clip_value = optimizer.clip_value or 0.0
        self.clip_norm = optimizer.clip_norm or 0.0
        self.average_rate = optimizer.average_rate or 0.0
        self.l1 = l1
        self.joins = l1 == 0.0 and not optimizer.spares_intercepts
        self.n_pieces = 0
        self.make_room(16, 16)

    def __dealloc__(self):
        if self.context.error != NULL:
            Py_DECREF(<object>self.context.error)
        free(self.pieces)
        free(self.saved)

    cdef int make_room(self, Py_ssize_t pieces, Py_ssize_t longest) except -1:
        """Allocate memory for `pieces` runs per event, of at most `longest` parameters each."""
        if pieces != self.room:
            free(self.pieces)
            self.room = 0
            self.pieces = <Piece*>malloc(pieces * sizeof(Piece))
            if self.pieces == NULL:
                raise MemoryError(f"There is no memory for {pieces} runs of parameters.")
            self.room = pieces
        if longest != self.saved_room:
            free(self.saved)
            self.saved_room = 0
            self.saved = <double*>malloc(longest * sizeof(double))
            if self.saved == NULL:
                raise MemoryError(f"There is no memory for a run of {longest} parameters.")
            self.saved_room = longest
        return 0

    cdef void step(self, double slope, const Loss* loss, double target, double score, double share) noexcept nogil:
        """Update all runs that were added, then clear the list of runs.

        Args:
            slope: Derivative of the loss at `target` and `score`.
            loss: Loss, for rules that evaluate it.
            target: Target in the units of the loss.
            score: Score before the step.
            share: Factor on the learning rate for this event.
        """
        cdef Context* context = &self.context
        cdef double cap = self.clip_value if self.clip_value > 0.0 else 1e100
        cdef double total = 0.0, shrink
        cdef Py_ssize_t p, i
        cdef Piece* piece
        self._set_context(slope, loss, target, score, share)
        for p in range(self.n_pieces):
            total += _limit_values(self.pieces[p].g, self.pieces[p].n, cap)
        if total != total:
            self.n_undone += self.n_pieces
            self.n_pieces = 0
            return
        if self.clip_norm > 0.0 and total > self.clip_norm * self.clip_norm:
            shrink = self.clip_norm / sqrt(total)
            for p in range(self.n_pieces):
                for i in range(self.pieces[p].n):
                    self.pieces[p].g[i] *= shrink
            total *= shrink * shrink
        context.square_sum = total
        context.totals[1] += 1.0
        for p in range(self.n_pieces):
            piece = &self.pieces[p]
            if piece.table.rule.prepare != NULL:
                piece.table.rule.prepare(&piece.table.rule, context, piece.table.w, piece.g, piece.at, piece.n)
        for p in range(self.n_pieces):
            self._step_piece(&self.pieces[p])
        self.n_pieces = 0
        self.steps += 1.0

    cdef void _set_context(self, double slope, const Loss* loss, double target, double score,
                           double share) noexcept nogil:
        """Set what the rules read beside the gradient; the arguments are those of `step`."""
        self.context.lr = self.lr * self.schedule.factor(&self.schedule, self.steps) * share
        self.context.slope = slope
        self.context.loss = loss
        self.context.target = target
        self.context.score = score
        self.context.sum = 0.0

    cdef void _step_piece(self, Piece* piece) noexcept nogil:
        """Update one run of parameters and its average, or restore it if the result is not usable."""
        cdef Table* table = piece.table
        cdef double* w = table.w + piece.at
        cdef double shrink, rate
        cdef double* average
        cdef double* count
        cdef Py_ssize_t i
        cdef int s
        # As wide as a weight, so that the check is vectorized.
        cdef long long broken = 0
        memcpy(self.saved, w, piece.n * sizeof(double))
        self.context.decays = piece.penalized
        table.rule.step(&table.rule, &self.context, table.w, piece.g, piece.at, piece.n)
        if table.rule.covariance != NULL:
            if piece.penalized and (self.l1 > 0.0 or self.l2 > 0.0):
                self._shrink(w, table.rule.covariance.variance + piece.at, piece.n)
        elif self.l1 > 0.0 and piece.penalized:
            # Truncated gradient (Langford, Li, Zhang 2009): shrink towards zero without changing the sign.
            shrink = self.context.lr * self.l1
            for i in range(piece.n):
                w[i] = w[i] - shrink if w[i] > shrink else (w[i] + shrink if w[i] < -shrink else 0.0)
        for i in range(piece.n):
            # `not a < b` is also true for NaN.
            broken |= not fabs(w[i]) < 1e100
        if broken:
            memcpy(w, self.saved, piece.n * sizeof(double))
            for s in range(table.rule.n_slots):
                memset(table.rule.slot[s] + piece.at, 0, piece.n * sizeof(double))
            self.n_undone += 1
            return
        if table.averaged != NULL:
            average, count = table.serving + piece.at, table.averaged + piece.at
            for i in range(piece.n):
                count[i] += 1.0
                rate = 1.0 / count[i]
                rate = rate if rate > self.average_rate else self.average_rate
                average[i] += rate * (w[i] - average[i])

    cdef void _shrink(self, double* w, const double* variance, Py_ssize_t n) noexcept nogil:
        """Take the proximal step of both penalties on weights that a covariance has moved.

        Its steps have the size of the variances, and so must those of the penalties have. The gradient of a penalty
        cannot be part of that of the loss, which tells the rule the inputs.
        """
        cdef double shrink
        cdef Py_ssize_t i
        for i in range(n):
            shrink = self.l1 * variance[i]
            w[i] = w[i] - shrink if w[i] > shrink else (w[i] + shrink if w[i] < -shrink else 0.0)
            w[i] /= 1.0 + self.l2 * variance[i]

    cdef int check(self) except -1:
        """Raise the first exception from an optimizer or a loss written in Python since the last check."""
        return raise_kept(&self.context.error)

    def save(self):
        """Return totals, counts and the state of the schedule as one array."""
        memory = [self.schedule.memory[i] for i in range(MEMORY)]
        return np.array([self.context.totals[0], self.context.totals[1], self.steps, self.n_undone, *memory])

    def restore(self, values):
        """Restore the array that `save` returned.

        Raises:
            ValueError: If the length is wrong, a value is not finite, or a total or count is negative.
        """
        cdef int i
        if len(values) != 4 + MEMORY or not np.isfinite(values).all() or (values[:4] < 0.0).any():
            raise ValueError(f"The state's `stepper` must be {4 + MEMORY} numbers, the first 4 >= 0. Got {values!r}.")
        self.context.totals[0], self.context.totals[1], self.steps, undone, *memory = values.tolist()
        self.n_undone = int(undone)
        for i in range(MEMORY):
            self.schedule.memory[i] = memory[i]


def run_steps(optimizer, gradients, start, double l1=0.0, slopes=None, losses=None):
    """Run a sequence of optimizer steps on a few parameters, for tests and experiments.

    Args:
        optimizer: Optimizer to run.
        gradients: Gradients of shape (n_steps, n_parameters); NaN for a parameter without a gradient in a step.
        start: Initial parameters of shape (n_parameters,).
        l1: Weight of the L1 penalty.
        slopes: Derivative of the squared loss at each step; 1 if not given.
        losses: Loss at each step, for schedules that depend on it; 0 if not given.

    Returns:
        The parameters after each step, the parameters used for predictions after each step, and the number of runs
        that were restored because the update was not finite.

    Raises:
        ValueError: If the lengths of `slopes` or `losses` differ from the number of steps.
    """
    cdef double[:, ::1] g = np.array(gradients, dtype=np.float64)
    cdef Py_ssize_t n = g.shape[1], n_steps = g.shape[0], t, i, first
    cdef double[::1] slope = np.ones(n_steps) if slopes is None else np.array(slopes, dtype=np.float64)
    cdef double[::1] watched = np.zeros(n_steps) if losses is None else np.array(losses, dtype=np.float64)
    cdef Stepper stepper = Stepper(optimizer, l1)
    cdef ParameterTable table = ParameterTable(optimizer, 1, n)
    declared = SquaredLoss()
    cdef Loss loss = make_loss(declared, &stepper.context.error)
    if slope.shape[0] != n_steps or watched.shape[0] != n_steps:
        raise ValueError(f"{n_steps} steps do not pair with {slope.shape[0]} slopes and {watched.shape[0]} losses.")
    table.arrays[0][:, 0] = start
    table.serving[:, 0] = start
    stepper.make_room(n, n)
    path, served = np.empty((n_steps, n)), np.empty((n_steps, n))
    for t in range(n_steps):
        i = 0
        while i < n:
            first = i
            while i < n and g[t, i] == g[t, i]:
                i += 1
            if i > first:
                stepper.add(&table.table, first, i - first, &g[t, first], True)
            i += 1
        stepper.step(slope[t], &loss, 0.0, slope[t], 1.0)
        # The inverse of the squared loss (half the squared error): the score whose loss is `watched[t]`.
        stepper.learned(&loss, 0.0, (2.0 * watched[t]) ** 0.5)
        stepper.check()
        path[t], served[t] = table.arrays[0][:, 0], table.serving[:, 0]
    return path, served, stepper.n_undone
