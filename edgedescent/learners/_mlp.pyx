"""Multilayer perceptron: one to three hidden layers of rectified linear units, and a linear skip connection."""
import numpy as np

from libc.math cimport sqrt
from libc.stdint cimport uint64_t

from edgedescent.features._encoder cimport EncodedEvent, Encoder, Run
from edgedescent.learners._gradient_model cimport GradientModel
from edgedescent.numerics._random cimport next_normal
from edgedescent.numerics._vectors cimport dot
from edgedescent.optim._parameter_table cimport ParameterTable, Table

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

    Row 0 of each layer holds the biases. In ``layers[0]``, the other rows belong to the features of the encoder, so
    that an event accesses only the rows of its features. In the other layers, row j > 0 holds the outgoing weights of
    unit j of the previous layer.

    Args:
        encoder: Encoder of the events.
        parameters: The `edgedescent.MLPRegressor`.
    """

    cdef readonly list layers
    cdef readonly ParameterTable skip
    cdef readonly ParameterTable output
    cdef Py_ssize_t n_layers
    cdef Table* tables[LAYERS_MAX]
    cdef Py_ssize_t widths[LAYERS_MAX]
    # Activations of each layer, and the derivatives of the loss with respect to the inputs of its units.
    cdef double* active[LAYERS_MAX]
    cdef double* delta[LAYERS_MAX]
    cdef double* gradient[LAYERS_MAX]
    cdef double* skip_gradient
    cdef double* output_gradient
    cdef list scratch
    # Number of consecutive steps without activation for each unit of all layers, and number of restarted units.
    cdef readonly object silence
    cdef long long* silent[LAYERS_MAX]
    cdef readonly long long n_restarts

    def __init__(self, Encoder encoder, parameters):
        GradientModel.__init__(self, encoder, parameters)
        cdef Py_ssize_t i, before = self.rows, first = 0
        cdef long long[::1] silence
        hidden, optimizer = parameters.hidden, parameters.optimizer
        if optimizer.clip_norm is None:
            self.stepper.clip_norm = GRADIENT_NORM_MAX
        self.n_layers = len(hidden)
        self.layers = []
        self.scratch = []
        for i in range(self.n_layers):
            self.widths[i] = hidden[i]
            table = ParameterTable(optimizer, hidden[i], before if i == 0 else before + 1)
            self.layers.append(table)
            self.tables[i] = &(<ParameterTable>table).table
            before = hidden[i]
        self.skip = ParameterTable(optimizer, 1, self.rows)
        self.output = ParameterTable(optimizer, 1, before + 1)
        for i in range(1, self.n_layers):
            self._start_layer(self.tables[i], self.widths[i - 1], self.widths[i], 2.0, i)
        self._start_layer(&self.output.table, before, 1, 1.0, self.n_layers)
        for i in range(self.n_layers):
            self.active[i] = self._scratch(self.widths[i])
            self.delta[i] = self._scratch(self.widths[i])
            self.gradient[i] = NULL if i == 0 else self._scratch((self.widths[i - 1] + 1) * self.widths[i])
        self.output_gradient = self._scratch(before + 1)
        silence = self.silence = np.zeros(sum(hidden), dtype=np.int64)
        for i in range(self.n_layers):
            self.silent[i] = &silence[first]
            first += self.widths[i]
        self.n_restarts = 0

    cdef void _start_layer(self, Table* table, Py_ssize_t inputs, Py_ssize_t units, double gain,
                           Py_ssize_t layer) noexcept nogil:
        """Draw normal initial weights of variance gain / inputs; biases stay zero (He et al. 2015)."""
        cdef uint64_t random = self.seed * 4 + layer
        cdef Py_ssize_t i
        for i in range(units, (inputs + 1) * units):
            table.w[i] = table.serving[i] = sqrt(gain / inputs) * next_normal(&random)

    cdef double* _scratch(self, Py_ssize_t n) except NULL:
        """Allocate a buffer of `n` doubles, which the list `scratch` keeps alive."""
        cdef double[::1] view = np.zeros(max(n, 1))
        self.scratch.append(view)
        return &view[0]

    cdef int make_scratch(self, Py_ssize_t n) except -1:
        cdef Py_ssize_t h = self.widths[0], i, longest = (n + 1) * h
        del self.scratch[3 * self.n_layers :]
        self.gradient[0] = self._scratch((n + 1) * h)
        self.skip_gradient = self._scratch(n + 1)
        for i in range(1, self.n_layers):
            longest = max(longest, (self.widths[i - 1] + 1) * self.widths[i])
        self.stepper.make_room(2 * n + 2 + self.n_layers, max(longest, self.widths[self.n_layers - 1] + 1))
        return 0

    cdef int grow_tables(self, Py_ssize_t rows) except -1:
        (<ParameterTable>self.layers[0]).grow(rows)
        return self.skip.grow(rows)

    cdef double _first_scale(self, Py_ssize_t row, Py_ssize_t n) noexcept nogil:
        """Standard deviation of the initial weights of a feature, for events of `n` features."""
        return (CATEGORY_SCALE if self.encoder.is_category[row] else 1.0) * sqrt(2.0 / (n if n > 0 else 1))

    cdef void start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil:
        cdef Table* table = self.tables[0]
        cdef double scale = self._first_scale(row, self.encoder.n_read)
        cdef Py_ssize_t i, at = row * table.width
        self.skip.clear_row(row)
        for i in range(at, at + table.width):
            set_weight(table, i, scale * next_normal(&word))

    cdef double forward(self, const EncodedEvent* event, bint serving) noexcept nogil:
        cdef const double* w = self.tables[0].serving if serving else self.tables[0].w
        cdef const double* direct = self.skip.table.serving if serving else self.skip.table.w
        cdef const double* out = self.output.table.serving if serving else self.output.table.w
        cdef double* a = self.active[0]
        cdef double total = out[0], z
        cdef Py_ssize_t h = self.widths[0], r, i, j, layer
        cdef Run run
        for j in range(h):
            a[j] = w[j]
        for r in range(event.n_runs):
            run = event.runs[r]
            total += dot(direct + run.row, event.z + run.start, run.length)
            for i in range(run.length):
                z = event.z[run.start + i]
                add_scaled(a, w + (run.row + i) * h, z, h)
        rectify(a, h)
        for layer in range(1, self.n_layers):
            w = self.tables[layer].serving if serving else self.tables[layer].w
            h = self.widths[layer]
            for j in range(h):
                self.active[layer][j] = w[j]
            for i in range(self.widths[layer - 1]):
                if a[i] != 0.0:
                    add_scaled(self.active[layer], w + (i + 1) * h, a[i], h)
            a = self.active[layer]
            rectify(a, h)
        return total + dot(out + 1, a, h)

    cdef void backward(self, const EncodedEvent* event, double slope) noexcept nogil:
        cdef Py_ssize_t last = self.n_layers - 1, h = self.widths[last], layer, i, j, r, start
        cdef double* delta = self.delta[last]
        cdef double* g
        cdef const double* w = self.output.table.w
        cdef const double* a
        cdef double decay = self.l2, z
        cdef Run run
        self.output_gradient[0] = slope
        for j in range(h):
            self.output_gradient[j + 1] = slope * self.active[last][j] + decay * w[j + 1]
            delta[j] = slope * w[j + 1] if self.active[last][j] > 0.0 else 0.0
        for layer in range(last, 0, -1):
            # Backpropagate from this layer to the previous one.
            h = self.widths[layer]
            w = self.tables[layer].w
            a = self.active[layer - 1]
            g = self.gradient[layer]
            delta = self.delta[layer]
            for j in range(h):
                g[j] = delta[j]
            for i in range(self.widths[layer - 1]):
                start = (i + 1) * h
                self.delta[layer - 1][i] = dot(w + start, delta, h) if a[i] > 0.0 else 0.0
                for j in range(h):
                    g[start + j] = a[i] * delta[j] + decay * w[start + j]
            self.stepper.add(self.tables[layer], 0, h, g, False)
            self.stepper.add(self.tables[layer], h, self.widths[layer - 1] * h, g + h, True)
        h = self.widths[0]
        delta = self.delta[0]
        g = self.gradient[0]
        w = self.tables[0].w
        for j in range(h):
            g[j] = delta[j]
        self.stepper.add(self.tables[0], 0, h, g, False)
        for r in range(event.n_runs):
            run = event.runs[r]
            for i in range(run.length):
                z = event.z[run.start + i]
                start = (run.start + i + 1) * h
                for j in range(h):
                    g[start + j] = z * delta[j] + decay * w[(run.row + i) * h + j]
                self.skip_gradient[run.start + i] = slope * z + decay * self.skip.table.w[run.row + i]
            self.stepper.add(self.tables[0], run.row * h, run.length * h, g + (run.start + 1) * h, True)
            self.stepper.add(&self.skip.table, run.row, run.length, self.skip_gradient + run.start, True)
        self.stepper.add(&self.output.table, 0, 1, self.output_gradient, False)
        self.stepper.add(&self.output.table, 1, self.widths[last], self.output_gradient + 1, True)

    cdef void descend(self, const EncodedEvent* event, double target, double score) noexcept nogil:
        cdef Py_ssize_t layer, j
        cdef long long longest = 0
        GradientModel.descend(self, event, target, score)
        for layer in range(self.n_layers):
            for j in range(self.widths[layer]):
                self.silent[layer][j] = 0 if self.active[layer][j] > 0.0 else self.silent[layer][j] + 1
                longest = self.silent[layer][j] if self.silent[layer][j] > longest else longest
        if longest >= SILENT_MAX:
            self._restart_dead_units(event.n)

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
        cdef Table* table = self.tables[layer]
        cdef Table* after = &self.output.table if layer == self.n_layers - 1 else self.tables[layer + 1]
        cdef Py_ssize_t rows = self.encoder.vocabulary.size() if layer == 0 else self.widths[layer - 1] + 1, row
        cdef uint64_t random = self.seed ^ (<uint64_t>(self.n_restarts + 1) << 20)
        cdef double scale
        set_weight(table, j, 0.0)
        for row in range(1, rows):
            scale = self._first_scale(row, n) if layer == 0 else sqrt(2.0 / (rows - 1))
            set_weight(table, row * table.width + j, scale * next_normal(&random))
        for row in range(after.width):
            set_weight(after, (j + 1) * after.width + row, 0.0)

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


cdef inline void set_weight(Table* table, Py_ssize_t at, double value) noexcept nogil:
    """Set a weight and its average, and reset its optimizer slots."""
    cdef int s
    table.w[at] = table.serving[at] = value
    if table.averaged != NULL:
        table.averaged[at] = 0.0
    for s in range(table.rule.n_slots):
        table.rule.slot[s][at] = 0.0


cdef inline void add_scaled(double* a, const double* b, double scale, Py_ssize_t n) noexcept nogil:
    """Add ``scale b`` to `a`."""
    cdef Py_ssize_t i
    for i in range(n):
        a[i] += scale * b[i]


cdef inline void rectify(double* a, Py_ssize_t n) noexcept nogil:
    """Replace negative values and NaN by zero."""
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] if a[i] > 0.0 else 0.0
