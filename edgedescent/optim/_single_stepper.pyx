"""Optimizer step over tables in single precision: `Stepper` for models whose cost is that of their arithmetic."""
import numpy as np

from libc.math cimport fabs, sqrt
from libc.stdlib cimport free, malloc

from edgedescent.losses._losses cimport Loss
from edgedescent.numerics._kernels cimport f32_adam, f32_average, f32_finish_gradient
from edgedescent.optim._rules cimport Rule

# Bounds on weights, which keep sums of their products finite, and on all else.
cdef float WEIGHT_MAX = 1e8
cdef double FLOAT_MAX = 3.4028234663852886e38
# Smaller numbers are subnormal in single precision, and arithmetic on them is slow.
cdef double FLOAT_LEAST = 1e-37


cdef class SingleStepper(Stepper):
    """Optimizer step over all tables of a learner in single precision.

    A learner calls `add_rows` with the gradient of each run of rows, then `step` once. Adam steps in single precision.
    Every other rule steps on copies in double precision, so that it needs no second version. A step that would leave
    ±1e8, or that is not finite, is undone as by `Stepper`; Adam's weights are clipped at these bounds, which `n_undone` counts too.

    Args:
        optimizer: Optimizer with the step rule, schedule and clipping.
        l1: Weight of the L1 penalty.
    """

    def __init__(self, optimizer, double l1=0.0):
        Stepper.__init__(self, optimizer, l1)
        self.square_sum = 0.0
        self.n_singles = 0

    def __dealloc__(self):
        free(self.singles)

    cdef int make_single_room(self, Py_ssize_t pieces, Py_ssize_t longest) except -1:
        """Allocate memory for `pieces` runs of rows per step, of at most `longest` parameters each."""
        cdef double[::1] wide
        cdef SinglePiece* singles
        if pieces > self.singles_room:
            singles = <SinglePiece*>malloc(pieces * sizeof(SinglePiece))
            if singles == NULL:
                raise MemoryError(f"There is no memory for {pieces} runs of parameters.")
            free(self.singles)
            self.singles, self.singles_room = singles, pieces
        if longest > self.longest and (self.optimizer.rule != "adam" or self.optimizer.batch > 1):
            wide = self.wide_array = np.zeros((2 + len(self.optimizer.state_names)) * longest)
            self.wide = &wide[0]
            self.longest = longest
        return 0

    cdef void add_rows(self, Single* table, Py_ssize_t at, Py_ssize_t n, float* g, double scale, double decay,
                       bint penalized) noexcept nogil:
        """Add the gradient ``scale g + decay w`` of some rows to the next step; it is left in `g`."""
        cdef float cap = <float>(self.clip_value if self.clip_value > 0.0 else FLOAT_MAX)
        self.square_sum += f32_finish_gradient(
            g, table.w + at, <float>scale, <float>(decay if penalized else 0.0), cap, n)
        self.singles[self.n_singles] = SinglePiece(table, at, n, g, penalized)
        self.n_singles += 1

    cdef void step(self, double slope, const Loss* loss, double target, double score, double share) noexcept nogil:
        """Update all rows that were added, then clear their list; the arguments are those of `Stepper.step`."""
        cdef double total = self.square_sum
        cdef Py_ssize_t p, n = self.n_singles
        self._set_context(slope, loss, target, score, share)
        self.square_sum, self.n_singles, self.shrink = 0.0, 0, 1.0
        # False for NaN too.
        if not total <= FLOAT_MAX:
            self.n_undone += n
            return
        if self.clip_norm > 0.0 and total > self.clip_norm * self.clip_norm:
            self.shrink = self.clip_norm / sqrt(total)
        self.context.square_sum = total * self.shrink * self.shrink
        self.context.totals[1] += 1.0
        for p in range(n):
            if self.singles[p].table.rule.prepare != NULL:
                self._step_wide(&self.singles[p], True)
        for p in range(n):
            if self.singles[p].table.is_adam:
                self._step_adam(&self.singles[p])
            else:
                self._step_wide(&self.singles[p], False)
            if self.l1 > 0.0 and self.singles[p].penalized:
                self._penalize(&self.singles[p])
            if self.average_rate > 0.0:
                self._average(&self.singles[p])
        self.steps += 1.0

    cdef void _step_adam(self, const SinglePiece* piece) noexcept nogil:
        """Step on rows with Adam; rows of one age, which have the same bias corrections, are one loop."""
        cdef Single* table = piece.table
        cdef double rest1 = 1.0 - table.rule.hyper[0], rest2 = 1.0 - table.rule.hyper[1], old1, old2, c1, c2
        cdef double eps = table.rule.hyper[2] if table.rule.hyper[2] > 1e-12 else 1e-12
        cdef Py_ssize_t row = piece.at // table.width, last = (piece.at + piece.n) // table.width, start, at
        cdef float largest = 0.0, size
        while row < last:
            start, old1, old2 = row, table.correction1[row], table.correction2[row]
            c1 = table.rule.hyper[0] * old1 + rest1
            c2 = table.rule.hyper[1] * old2 + rest2
            while row < last and table.correction1[row] == old1 and table.correction2[row] == old2:
                table.correction1[row], table.correction2[row] = c1, c2
                row += 1
            at = start * table.width
            size = f32_adam(
                table.w + at, table.slot[0] + at, table.slot[1] + at, piece.g + (at - piece.at), <float>self.shrink,
                <float>(self.context.lr / c1 if self.context.lr < 1e30 * c1 else 1e30), <float>(1.0 / c2), <float>rest1, <float>rest2, <float>eps, WEIGHT_MAX,
                (row - start) * table.width)
            largest = size if size > largest else largest
        if largest >= WEIGHT_MAX:
            self.n_undone += 1

    cdef void _step_wide(self, const SinglePiece* piece, bint prepares) noexcept nogil:
        """Step on rows in double precision, or only prepare the step, and narrow the result."""
        cdef Single* table = piece.table
        cdef Rule rule = table.rule
        cdef double* w = self.wide
        cdef double* g = w + self.longest
        cdef bint broken = False
        cdef Py_ssize_t i
        cdef int s
        for i in range(piece.n):
            w[i] = table.w[piece.at + i]
            g[i] = self.shrink * piece.g[i]
        for s in range(table.n_slots):
            rule.slot[s] = g + (s + 1) * self.longest
            for i in range(piece.n):
                rule.slot[s][i] = table.slot[s][piece.at + i]
        self.context.decays = piece.penalized
        if prepares:
            rule.prepare(&rule, &self.context, w, g, 0, piece.n)
        else:
            rule.step(&rule, &self.context, w, g, 0, piece.n)
        for i in range(piece.n):
            broken |= not -WEIGHT_MAX < w[i] < WEIGHT_MAX
        for s in range(table.n_slots):
            for i in range(piece.n):
                broken |= not -FLOAT_MAX < rule.slot[s][i] < FLOAT_MAX
        for s in range(table.n_slots):
            for i in range(piece.n):
                table.slot[s][piece.at + i] = 0.0 if broken else narrow(rule.slot[s][i])
        if broken:
            self.n_undone += 1
            return
        for i in range(piece.n):
            table.w[piece.at + i] = narrow(w[i])

    cdef void _penalize(self, const SinglePiece* piece) noexcept nogil:
        """Shrink weights towards zero without changing their sign (Langford, Li and Zhang 2009: truncated gradient)."""
        cdef float* w = piece.table.w + piece.at
        cdef float shrink = <float>(self.context.lr * self.l1)
        cdef Py_ssize_t i
        for i in range(piece.n):
            w[i] = w[i] - shrink if w[i] > shrink else (w[i] + shrink if w[i] < -shrink else 0.0)

    cdef void _average(self, const SinglePiece* piece) noexcept nogil:
        """Let the averages take in the weights; rows with as many steps in their averages are one loop."""
        cdef Single* table = piece.table
        cdef Py_ssize_t row = piece.at // table.width, last = (piece.at + piece.n) // table.width, start
        cdef double count, rate
        while row < last:
            start, count = row, table.averaged[row]
            while row < last and table.averaged[row] == count:
                table.averaged[row] = count + 1.0
                row += 1
            rate = 1.0 / (count + 1.0)
            rate = rate if rate > self.average_rate else self.average_rate
            f32_average(table.serving + start * table.width, table.w + start * table.width, <float>rate,
                        (row - start) * table.width)


cdef inline float narrow(double value) noexcept nogil:
    """Round to single precision, and what would be subnormal to zero."""
    return <float>value if fabs(value) > FLOAT_LEAST else 0.0
