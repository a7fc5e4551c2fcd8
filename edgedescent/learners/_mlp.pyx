"""Multilayer perceptron: one to three hidden layers of rectified linear units, and a linear skip connection."""
import numpy as np

from libc.math cimport sqrt
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from edgedescent.features._encoder cimport EncodedEvent, Encoder, Run
from edgedescent.features._kinds cimport CATEGORICAL
from edgedescent.learners._gradient_model cimport GradientModel, WIDE
from edgedescent.numerics._kernels cimport f32_add_outer, f32_back, f32_dot, f32_layer
from edgedescent.numerics._random cimport next_normal
from edgedescent.optim._single_stepper cimport SingleStepper
from edgedescent.optim._single_table cimport Single, SingleTable, set_weight
from edgedescent.optim._stepper cimport Stepper

cdef enum:
    LAYERS_MAX = 3
    # Number of consecutive steps without activation after which a unit counts as dead.
    SILENT_MAX = 50_000

# Default of the optimizer's `clip_norm`. Gradients of standardized events stay well below it, except shortly before
# the weights diverge.
cdef double GRADIENT_NORM_MAX = 10.0

# Factor on the initial weights of a category value. Values appear after the network is trained, and full-sized weights
# would disturb its predictions. With weights of zero, a network with only categories could not learn.
cdef double CATEGORY_SCALE = 0.1


cdef class MLPModel(GradientModel):
    """Compiled model of `edgedescent.MLPRegressor`, which validates and documents the parameters.

    Weights, activations and gradients are in single precision: half of the memory, and twice the numbers per
    instruction. Row 0 of each layer holds the biases. In ``layers[0]``, the other rows belong to the features of the
    encoder, so that an event accesses only the rows of its features. In the other layers, row j > 0 holds the outgoing
    weights of unit j of the previous layer.

    Gradients have the shape of the tables and are sums over the events of a batch. Between batches they are zero.

    Args:
        encoder: Encoder of the events.
        parameters: The `edgedescent.MLPRegressor`.
    """

    cdef readonly list layers
    cdef readonly SingleTable skip
    cdef readonly SingleTable output
    cdef SingleStepper single_stepper
    cdef Py_ssize_t n_layers
    cdef Single* tables[LAYERS_MAX]
    cdef Py_ssize_t widths[LAYERS_MAX]
    # Activations of each layer, and the derivatives of the loss with respect to the inputs of its units.
    cdef float* active[LAYERS_MAX]
    cdef float* delta[LAYERS_MAX]
    cdef float* gradient[LAYERS_MAX]
    cdef float* skip_gradient
    cdef float* output_gradient
    # The standardized values of the event at hand.
    cdef float* z
    cdef list scratch
    # Inputs of the units of all layers in double precision, for predictions.
    cdef double* served
    cdef object served_array
    # Rows of the first layer with a gradient in the batch at hand, and for each row whether it is one of these.
    cdef Py_ssize_t* touched
    cdef Py_ssize_t n_touched
    cdef char* is_touched
    cdef object touched_arrays
    # Events in the batch at hand, and their greatest number of features.
    cdef Py_ssize_t n_batched
    cdef Py_ssize_t widest
    # Slope, target and score of the latest of these: all that a rule can ask for where a batch is one event.
    cdef double batch_slope
    cdef double batch_target
    cdef double batch_score
    # Number of consecutive steps without activation for each unit of all layers, and number of restarted units.
    cdef readonly object silence
    cdef long long longest_silence
    cdef long long* silent[LAYERS_MAX]
    cdef readonly long long n_restarts

    def __init__(self, Encoder encoder, parameters):
        GradientModel.__init__(self, encoder, parameters)
        cdef Py_ssize_t i, before = self.rows, first = 0
        cdef long long[::1] silence
        cdef double[::1] served
        hidden, optimizer = parameters.hidden, parameters.optimizer
        if optimizer.clip_norm is None:
            self.stepper.clip_norm = GRADIENT_NORM_MAX
        # Rules that read the slope or the score of the event need a step for each.
        self.replay_batch = 1 if optimizer.scales_itself else parameters.replay_batch
        self.n_layers = len(hidden)
        self.layers = []
        self.scratch = []
        for i in range(self.n_layers):
            self.widths[i] = hidden[i]
            table = SingleTable(optimizer, hidden[i], before if i == 0 else before + 1)
            self.layers.append(table)
            self.tables[i] = &(<SingleTable>table).table
            before = hidden[i]
        self.skip = SingleTable(optimizer, 1, self.rows)
        self.output = SingleTable(optimizer, 1, before + 1)
        for i in range(1, self.n_layers):
            self._start_layer(self.tables[i], self.widths[i - 1], self.widths[i], 2.0, i)
        self._start_layer(&self.output.table, before, 1, 1.0, self.n_layers)
        for i in range(self.n_layers):
            self.active[i] = self._scratch(self.widths[i])
            self.delta[i] = self._scratch(self.widths[i])
            self.gradient[i] = NULL if i == 0 else self._scratch((self.widths[i - 1] + 1) * self.widths[i])
        self.output_gradient = self._scratch(before + 1)
        self._make_gradient(self.rows)
        served = self.served_array = np.zeros(sum(hidden))
        self.served = &served[0]
        self.predicts_apart = True
        silence = self.silence = np.zeros(sum(hidden), dtype=np.int64)
        for i in range(self.n_layers):
            self.silent[i] = &silence[first]
            first += self.widths[i]
        self.n_restarts = self.n_batched = self.widest = 0

    cdef Stepper make_stepper(self, optimizer, double l1):
        self.single_stepper = SingleStepper(optimizer, l1)
        return self.single_stepper

    cdef void _start_layer(self, Single* table, Py_ssize_t inputs, Py_ssize_t units, double gain,
                           Py_ssize_t layer) noexcept nogil:
        """Draw normal initial weights of variance gain / inputs; biases stay zero (He et al. 2015)."""
        cdef uint64_t random = self.seed * 4 + layer
        cdef Py_ssize_t i
        for i in range(units, (inputs + 1) * units):
            set_weight(table, i, sqrt(gain / inputs) * next_normal(&random))

    cdef float* _scratch(self, Py_ssize_t n) except NULL:
        """Allocate a buffer of `n` numbers, which the list `scratch` keeps alive."""
        cdef float[::1] view = np.zeros(max(n, 1), dtype=np.float32)
        self.scratch.append(view)
        return &view[0]

    cdef int _make_gradient(self, Py_ssize_t rows) except -1:
        """Make room for the gradients of so many rows of the first layer."""
        cdef float[::1] first = np.zeros(rows * self.widths[0], dtype=np.float32)
        cdef float[::1] skip = np.zeros(rows, dtype=np.float32)
        cdef Py_ssize_t[::1] touched = np.zeros(rows, dtype=np.intp)
        cdef char[::1] is_touched = np.zeros(rows, dtype=np.int8)
        self.touched_arrays = (first, skip, touched, is_touched)
        self.gradient[0], self.skip_gradient = &first[0], &skip[0]
        self.touched, self.is_touched = &touched[0], &is_touched[0]
        self.n_touched = 0
        return 0

    cdef int make_scratch(self, Py_ssize_t n) except -1:
        cdef Py_ssize_t i, rows = n * self.replay_batch, longest = (rows + 1) * self.widths[0]
        del self.scratch[3 * self.n_layers :]
        self.z = self._scratch(n)
        for i in range(1, self.n_layers):
            longest = max(longest, (self.widths[i - 1] + 1) * self.widths[i])
        self.single_stepper.make_single_room(
            2 * rows + 2 * self.n_layers + 2, max(longest, self.widths[self.n_layers - 1] + 1))
        return 0

    cdef int grow_tables(self, Py_ssize_t rows) except -1:
        self._make_gradient(rows)
        (<SingleTable>self.layers[0]).grow(rows)
        return self.skip.grow(rows)

    cdef double _first_scale(self, Py_ssize_t row, Py_ssize_t n) noexcept nogil:
        """Standard deviation of the initial weights of a feature, for events of `n` features."""
        return (CATEGORY_SCALE if self.encoder.kinds[row] == CATEGORICAL else 1.0) * sqrt(2.0 / (n if n > 0 else 1))

    cdef void start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil:
        cdef Single* table = self.tables[0]
        cdef double scale = self._first_scale(row, self.encoder.n_read)
        cdef Py_ssize_t i, at = row * table.width
        self.skip.clear_row(row)
        table.correction1[row] = table.correction2[row] = table.averaged[row] = 0.0
        for i in range(at, at + table.width):
            set_weight(table, i, scale * next_normal(&word))

    cdef long long n_parameters(self, Py_ssize_t n) noexcept nogil:
        cdef long long total = 0
        cdef Py_ssize_t layer
        for layer in range(self.n_layers):
            total += (n + 1) * self.widths[layer]
            n = self.widths[layer]
        return total

    cdef double forward(self, const EncodedEvent* event, bint serving) noexcept nogil:
        cdef const float* w = self.tables[0].w
        cdef const float* direct = self.skip.table.w
        cdef const float* out = self.output.table.w
        cdef float* a = self.active[0]
        cdef double total = out[0]
        cdef Py_ssize_t h = self.widths[0], r, i, layer
        cdef Run run
        if serving:
            return self._serve(event)
        for i in range(event.n):
            self.z[i] = <float>event.z[i]
        memcpy(a, w, h * sizeof(float))
        for r in range(event.n_runs):
            run = event.runs[r]
            total += f32_dot(direct + run.row, self.z + run.start, run.length)
            f32_layer(a, w + run.row * h, self.z + run.start, run.length, h)
        rectify(a, h)
        for layer in range(1, self.n_layers):
            w = self.tables[layer].w
            memcpy(self.active[layer], w, self.widths[layer] * sizeof(float))
            f32_layer(self.active[layer], w + self.widths[layer], a, h, self.widths[layer])
            h = self.widths[layer]
            a = self.active[layer]
            rectify(a, h)
        return total + f32_dot(out + 1, a, h)

    cdef double _serve(self, const EncodedEvent* event) noexcept nogil:
        """Return the score from the parameters that predict, in double precision, as an exported graph computes it."""
        cdef const float* w = self.tables[0].serving
        cdef const float* out = self.output.table.serving
        cdef double* a = self.served
        cdef double* before
        cdef double total = out[0]
        cdef Py_ssize_t h = self.widths[0], layer, i, j
        for j in range(h):
            a[j] = w[j]
        for i in range(event.n):
            total += self.skip.table.serving[event.rows[i]] * event.z[i]
            widen_and_add(a, w + event.rows[i] * h, event.z[i], h)
        for layer in range(1, self.n_layers):
            before, a, w = a, a + h, self.tables[layer].serving
            for j in range(self.widths[layer]):
                a[j] = w[j]
            for i in range(h):
                if before[i] > 0.0:
                    widen_and_add(a, w + (i + 1) * self.widths[layer], before[i], self.widths[layer])
            h = self.widths[layer]
        for j in range(h):
            if a[j] > 0.0:
                total += out[j + 1] * a[j]
        return total

    cdef void backward(self, const EncodedEvent* event, double slope) noexcept nogil:
        cdef Py_ssize_t last = self.n_layers - 1, h = self.widths[last], layer, j, r, row
        cdef float s = <float>slope
        cdef float* delta = self.delta[last]
        cdef float* g
        cdef const float* w = self.output.table.w + 1
        cdef const float* a = self.active[last]
        cdef Run run
        self.output_gradient[0] += s
        for j in range(h):
            self.output_gradient[j + 1] += s * a[j]
            delta[j] = s * w[j] if a[j] > 0.0 else 0.0
        for layer in range(last, 0, -1):
            # Backpropagate from this layer to the previous one.
            h = self.widths[layer]
            a, g, delta = self.active[layer - 1], self.gradient[layer], self.delta[layer]
            for j in range(h):
                g[j] += delta[j]
            f32_back(self.delta[layer - 1], self.tables[layer].w + h, a, delta, self.widths[layer - 1], h)
            f32_add_outer(g + h, a, delta, self.widths[layer - 1], h)
        h, g, delta = self.widths[0], self.gradient[0], self.delta[0]
        for j in range(h):
            g[j] += delta[j]
        for r in range(event.n_runs):
            run = event.runs[r]
            for row in range(run.row, run.row + run.length):
                if not self.is_touched[row]:
                    self.is_touched[row] = True
                    self.touched[self.n_touched] = row
                    self.n_touched += 1
                self.skip_gradient[row] += s * self.z[run.start + row - run.row]
            f32_add_outer(g + run.row * h, self.z + run.start, delta, run.length, h)
        self.n_batched += 1
        self.widest = event.n if event.n > self.widest else self.widest

    cdef void accumulate(self, const EncodedEvent* event, double target, double score) noexcept nogil:
        self._observe(event, target, score)
        if self.n_batched >= self.replay_batch:
            self.finish_batch()

    cdef void descend(self, const EncodedEvent* event, double target, double score) noexcept nogil:
        self._observe(event, target, score)
        self.finish_batch()

    cdef void _observe(self, const EncodedEvent* event, double target, double score) noexcept nogil:
        """Add the gradient of an event to the batch, and count the steps without activation of each unit."""
        cdef Py_ssize_t layer, j
        cdef long long longest = 0
        self.batch_slope = self.loss.slope(&self.loss, target, score)
        self.batch_target, self.batch_score = target, score
        self.backward(event, self.batch_slope)
        for layer in range(self.n_layers):
            for j in range(self.widths[layer]):
                self.silent[layer][j] = 0 if self.active[layer][j] > 0.0 else self.silent[layer][j] + 1
                longest = self.silent[layer][j] if self.silent[layer][j] > longest else longest
        self.longest_silence = longest

    cdef void finish_batch(self) noexcept nogil:
        """Take one step along the average gradient of the events of the batch."""
        cdef Py_ssize_t n = self.widest, layer, h = self.widths[0], i = 0, row, length
        cdef double share = 1.0 if n <= WIDE or self.scales_itself else <double>WIDE / n
        if self.n_batched == 0:
            return
        for layer in range(self.n_layers - 1, 0, -1):
            self._add(self.tables[layer], 0, self.widths[layer], self.gradient[layer], False)
            self._add(self.tables[layer], self.widths[layer], self.widths[layer - 1] * self.widths[layer],
                      self.gradient[layer], True)
        self._add(self.tables[0], 0, h, self.gradient[0], False)
        while i < self.n_touched:
            row, length = self.touched[i], 1
            while i + length < self.n_touched and self.touched[i + length] == row + length:
                length += 1
            self._add(self.tables[0], row * h, length * h, self.gradient[0], True)
            self._add(&self.skip.table, row, length, self.skip_gradient, True)
            i += length
        self._add(&self.output.table, 0, 1, self.output_gradient, False)
        self._add(&self.output.table, 1, self.widths[self.n_layers - 1], self.output_gradient, True)
        self.single_stepper.step(self.batch_slope, &self.loss, self.batch_target, self.batch_score, share)
        self._clear_gradient()
        if self.longest_silence >= SILENT_MAX:
            self._restart_dead_units(n)

    cdef void _add(self, Single* table, Py_ssize_t at, Py_ssize_t n, float* gradient, bint penalized) noexcept nogil:
        """Add some rows of a table, with the average gradient of the batch, to the step."""
        self.single_stepper.add_rows(table, at, n, gradient + at, 1.0 / self.n_batched, self.l2, penalized)

    cdef void _clear_gradient(self) noexcept nogil:
        """Set all gradients to zero, and begin a new batch."""
        cdef Py_ssize_t layer, h = self.widths[0], i
        memset(self.gradient[0], 0, h * sizeof(float))
        for i in range(self.n_touched):
            memset(self.gradient[0] + self.touched[i] * h, 0, h * sizeof(float))
            self.skip_gradient[self.touched[i]] = 0.0
            self.is_touched[self.touched[i]] = False
        for layer in range(1, self.n_layers):
            memset(self.gradient[layer], 0, (self.widths[layer - 1] + 1) * self.widths[layer] * sizeof(float))
        memset(self.output_gradient, 0, (self.widths[self.n_layers - 1] + 1) * sizeof(float))
        self.n_touched = self.n_batched = self.widest = 0

    cdef void _restart_dead_units(self, Py_ssize_t n) noexcept nogil:
        """Restart all units without activation in the last `SILENT_MAX` steps."""
        cdef Py_ssize_t layer, j
        for layer in range(self.n_layers):
            for j in range(self.widths[layer]):
                if self.silent[layer][j] >= SILENT_MAX:
                    self._restart_unit(layer, j, n)
                    self.silent[layer][j] = 0
                    self.n_restarts += 1

    cdef void _restart_unit(self, Py_ssize_t layer, Py_ssize_t j, Py_ssize_t n) noexcept nogil:
        """Draw new incoming weights for a unit and set the outgoing ones to zero, so that no prediction changes."""
        cdef Single* table = self.tables[layer]
        cdef Single* after = &self.output.table if layer == self.n_layers - 1 else self.tables[layer + 1]
        cdef Py_ssize_t rows = self.encoder.vocabulary.size() if layer == 0 else self.widths[layer - 1] + 1, row
        cdef uint64_t random = self.seed ^ (<uint64_t>(self.n_restarts + 1) << 20)
        cdef double scale
        set_weight(table, j, 0.0)
        for row in range(1, rows):
            scale = self._first_scale(row, n) if layer == 0 else sqrt(2.0 / (rows - 1))
            set_weight(table, row * table.width + j, scale * next_normal(&random))
        for row in range(after.width):
            set_weight(after, (j + 1) * after.width + row, 0.0)

    def serving_tables(self):
        """The tables that predict: those of the hidden layers, the skip connection and the output; row 0 is the bias."""
        cdef Py_ssize_t rows = self.encoder.vocabulary.size()
        hidden = [table.served(rows if i == 0 else table.rows) for i, table in enumerate(self.layers)]
        return hidden, self.skip.served(rows), self.output.served(self.output.rows)

    def save(self):
        cdef Py_ssize_t rows = self.encoder.vocabulary.size()
        hidden = {f"layer{i}": table.save(rows if i == 0 else table.rows) for i, table in enumerate(self.layers)}
        return {
            **GradientModel.save(self),
            **hidden,
            "skip": self.skip.save(rows),
            "output": self.output.save(self.output.rows),
            "silence": np.array(self.silence),
            "restarts": np.array([self.n_restarts], dtype=np.int64),
        }

    def restore(self, dict state):
        cdef Py_ssize_t rows = self.encoder.vocabulary.size()
        for name, expected in (("layer0", rows), ("skip", rows), ("output", self.output.rows),
                               *((f"layer{i}", table.rows) for i, table in enumerate(self.layers) if i)):
            if len(state[name][0]) != expected:
                raise ValueError(f"The state's {name} must have {expected} rows. Got {len(state[name][0])}.")
        silence, restarts = state["silence"], state["restarts"]
        if len(silence) != len(self.silence) or len(restarts) != 1 or (silence < 0).any() or restarts[0] < 0:
            raise ValueError(f"The state's `silence` and `restarts` must be {len(self.silence)} counts and 1.")
        GradientModel.restore(self, state)
        for i, table in enumerate(self.layers):
            table.restore(state[f"layer{i}"])
        self.skip.restore(state["skip"])
        self.output.restore(state["output"])
        self.silence[:] = silence
        self.n_restarts = restarts[0]


cdef inline void widen_and_add(double* sums, const float* row, double scale, Py_ssize_t n) noexcept nogil:
    """Add ``scale row`` to `sums`."""
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] += scale * row[i]


cdef inline void rectify(float* a, Py_ssize_t n) noexcept nogil:
    """Replace negative values and NaN by zero."""
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] if a[i] > 0.0 else 0.0
