# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One step of all the parameters an event touches: clip, schedule, the optimizer's rule, and a guard around it."""
import numpy as np

from libc.math cimport fabs, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from edgedescent.kernels.numbers cimport bounded
from edgedescent.kernels.parameters cimport ParameterTable, Table
from edgedescent.kernels.schedules cimport make_schedule, watch


cdef class Descent:
    """What all the tables of a learner share of its optimizer.

    A learner adds the gradient of each run of parameters that the event touches, then takes one step: the gradients
    are clipped, each run is stepped by the optimizer's rule, and a run that would become non-finite, or larger than
    1e100, stays as it was and is counted.
    """

    def __init__(self, optimizer, double l1=0.0):
        self.optimizer = optimizer
        self.schedule = make_schedule(optimizer.schedule.rule, optimizer.schedule.hyper)
        self.lr = optimizer.rate
        self.clip_value = optimizer.clip_value or 0.0
        self.clip_norm = optimizer.clip_norm or 0.0
        self.average_rate = optimizer.average_rate or 0.0
        self.l1 = l1
        self.n_pieces = 0
        self.make_room(16, 16)

    def __dealloc__(self):
        free(self.pieces)
        free(self.saved)

    cdef int make_room(self, Py_ssize_t pieces, Py_ssize_t longest) except -1:
        """Room for so many pieces, the longest of so many parameters."""
        if pieces > self.room:
            free(self.pieces)
            self.room = 0
            self.pieces = <Piece*>malloc(pieces * sizeof(Piece))
            if self.pieces == NULL:
                raise MemoryError(f"There is no memory for {pieces} runs of parameters.")
            self.room = pieces
        if longest > self.saved_room:
            free(self.saved)
            self.saved_room = 0
            self.saved = <double*>malloc(longest * sizeof(double))
            if self.saved == NULL:
                raise MemoryError(f"There is no memory for a run of {longest} parameters.")
            self.saved_room = longest
        return 0

    cdef void add(self, Table* table, Py_ssize_t at, Py_ssize_t n, double* g, bint penalized) noexcept nogil:
        self.pieces[self.n_pieces] = Piece(table, at, n, g, penalized)
        self.n_pieces += 1

    cdef void step(self, double slope, double residual) noexcept nogil:
        """Step every piece that was added, then forget them."""
        cdef Context* context = &self.context
        cdef double cap = self.clip_value if self.clip_value > 0.0 else 1e100
        cdef double total = 0.0, shrink
        cdef Py_ssize_t p, i
        cdef Piece piece
        context.lr = self.lr * self.schedule.factor(&self.schedule, self.steps)
        context.slope = slope
        context.residual = residual
        for p in range(self.n_pieces):
            piece = self.pieces[p]
            for i in range(piece.n):
                piece.g[i] = piece.g[i] if piece.g[i] < cap else cap
                piece.g[i] = piece.g[i] if piece.g[i] > -cap else -cap
                total += piece.g[i] * piece.g[i]
        if self.clip_norm > 0.0 and total > self.clip_norm * self.clip_norm:
            shrink = self.clip_norm / sqrt(total)
            for p in range(self.n_pieces):
                for i in range(self.pieces[p].n):
                    self.pieces[p].g[i] *= shrink
            total *= shrink * shrink
        context.square_sum = total
        context.totals[1] += 1.0
        for p in range(self.n_pieces):
            piece = self.pieces[p]
            if piece.table.rule.prepare != NULL:
                piece.table.rule.prepare(&piece.table.rule, context, piece.table.w, piece.g, piece.at, piece.n)
        for p in range(self.n_pieces):
            self._step_piece(&self.pieces[p])
        self.n_pieces = 0
        self.steps += 1.0

    cdef void _step_piece(self, Piece* piece) noexcept nogil:
        cdef Table* table = piece.table
        cdef double* w = table.w + piece.at
        cdef double shrink, rate, worst = 0.0
        cdef double* average
        cdef double* count
        cdef Py_ssize_t i
        memcpy(self.saved, w, piece.n * sizeof(double))
        self.context.decays = piece.penalized
        table.rule.step(&table.rule, &self.context, table.w, piece.g, piece.at, piece.n)
        if self.l1 > 0.0 and piece.penalized:
            # Truncated gradient (Langford, Li, Zhang 2009): towards zero, and not past it.
            shrink = self.context.lr * self.l1
            for i in range(piece.n):
                w[i] = w[i] - shrink if w[i] > shrink else (w[i] + shrink if w[i] < -shrink else 0.0)
        for i in range(piece.n):
            # Written so that a NaN fails it too.
            worst += 0.0 if -1e100 < w[i] < 1e100 else 1.0
        if worst > 0.0:
            memcpy(w, self.saved, piece.n * sizeof(double))
            self.n_undone += 1
            return
        if table.averaged != NULL:
            average, count = table.serving + piece.at, table.averaged + piece.at
            for i in range(piece.n):
                count[i] += 1.0
                rate = 1.0 / count[i]
                rate = rate if rate > self.average_rate else self.average_rate
                average[i] += rate * (w[i] - average[i])

    cdef void learned(self, double loss) noexcept nogil:
        """Tell a schedule that watches it the loss of the event."""
        if self.schedule.watches:
            watch(&self.schedule, bounded(loss))

    def save(self):
        """The totals, the schedule's memory and the counts, as one array."""
        return np.array([
            self.context.totals[0], self.context.totals[1], self.schedule.memory[0], self.schedule.memory[1],
            self.schedule.memory[2], self.schedule.memory[3], self.steps, self.n_undone])

    def restore(self, values):
        """Take what `save` returned; raises ValueError where its length differs."""
        if len(values) != 8:
            raise ValueError(f"The state's `descent` must have 8 numbers. Got {len(values)}.")
        (self.context.totals[0], self.context.totals[1], self.schedule.memory[0], self.schedule.memory[1],
         self.schedule.memory[2], self.schedule.memory[3], self.steps, undone) = values.tolist()
        self.n_undone = int(undone)


def steps(optimizer, gradients, start, double l1=0.0):
    """The parameters after each of a sequence of steps, from `start`; a row of NaN means that no step is taken.

    Args:
        optimizer: the step rule.
        gradients: shape (n_steps, n_parameters).
        start: the first parameters, shape (n_parameters,).
        l1: the weight of the L1 penalty.
    """
    cdef double[:, ::1] g = np.array(gradients, dtype=np.float64)
    cdef Py_ssize_t n = g.shape[1], t
    cdef Descent descent = Descent(optimizer, l1)
    cdef ParameterTable table = ParameterTable(optimizer, n, 1)
    table.arrays[0][0] = start
    descent.make_room(1, n)
    path = np.empty((g.shape[0], n))
    for t in range(g.shape[0]):
        if np.isfinite(g[t]).all():
            descent.add(&table.table, 0, n, &g[t, 0], True)
            descent.step(1.0, 1.0)
        path[t] = table.arrays[0][0]
    return path
