"""Factorization machine of order 2: score = w₀ + Σ w z + ½ Σ_f ((Σ v z)² - Σ v² z²)."""
import numpy as np

from libc.math cimport sqrt
from libc.stdint cimport uint64_t

from edgedescent.features._encoder cimport EncodedEvent, Encoder, Run
from edgedescent.learners._gradient_model cimport WIDE, GradientModel
from edgedescent.numerics._random cimport next_normal
from edgedescent.numerics._vectors cimport add_scaled, dot
from edgedescent.optim._parameter_table cimport ParameterTable


cdef class FactorizationMachineModel(GradientModel):
    """Compiled model of `edgedescent.FactorizationMachine`.

    A row of the table is ``[w, v 1, …, v k]``: the weight of a feature and its latent factors.

    Args:
        encoder: Encoder of the events.
        parameters: The `edgedescent.FactorizationMachine`, which validates and documents the parameters.
    """

    cdef readonly ParameterTable weights
    cdef Py_ssize_t k
    cdef double init_scale
    cdef double l2_factors
    cdef double[::1] sums
    cdef double[::1] gradient

    def __init__(self, Encoder encoder, parameters):
        GradientModel.__init__(self, encoder, parameters)
        self.k = parameters.n_factors
        self.init_scale = parameters.init_scale
        self.l2_factors = parameters.l2_factors
        self.stepper.context.penalized |= self.l2_factors > 0.0
        self.weights = ParameterTable(parameters.optimizer, self.k + 1, self.rows)
        self.sums = np.zeros(self.k)

    cdef int make_scratch(self, Py_ssize_t n) except -1:
        self.gradient = np.zeros((n + 1) * (self.k + 1))
        self.stepper.make_room(n + 1, (n + 1) * (self.k + 1))
        return 0

    cdef int grow_tables(self, Py_ssize_t rows) except -1:
        return self.weights.grow(rows)

    cdef void start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil:
        cdef Py_ssize_t n = self.encoder.n_read, i
        cdef double scale = self.init_scale * (sqrt(<double>WIDE / n) if n > WIDE else 1.0)
        self.weights.clear_row(row)
        for i in range(row * (self.k + 1) + 1, (row + 1) * (self.k + 1)):
            self.weights.table.w[i] = self.weights.table.serving[i] = scale * next_normal(&word)

    cdef void reopen_row(self, Py_ssize_t row) noexcept nogil:
        self.weights.reopen_row(row)

    cdef void reopen_rest(self) noexcept nogil:
        self.weights.reopen_row(0)

    cdef double forward(self, const EncodedEvent* event, bint serving) noexcept nogil:
        cdef const double* table = self.weights.table.serving if serving else self.weights.table.w
        cdef const double* row
        cdef double* sums = &self.sums[0]
        cdef double total = table[0], squares = 0.0, z, part
        cdef Py_ssize_t k = self.k, r, i, f
        cdef Run run
        for f in range(k):
            sums[f] = 0.0
        for r in range(event.n_runs):
            run = event.runs[r]
            for i in range(run.length):
                row = table + (run.row + i) * (k + 1)
                z = event.z[run.start + i]
                total += row[0] * z
                part = add_scaled(sums, row + 1, z, k)
                squares += part * z * z
        return total + 0.5 * (dot(sums, sums, k) - squares)

    cdef void backward(self, const EncodedEvent* event, double slope) noexcept nogil:
        cdef const double* table = self.weights.table.w
        cdef const double* row
        cdef double* sums = &self.sums[0]
        cdef double* g = &self.gradient[0]
        cdef double* part
        cdef double z
        cdef Py_ssize_t k = self.k, r, i, f
        cdef Run run
        g[0] = slope
        self.stepper.add(&self.weights.table, 0, 1, g, False)
        for r in range(event.n_runs):
            run = event.runs[r]
            for i in range(run.length):
                row = table + (run.row + i) * (k + 1)
                part = g + (run.start + i + 1) * (k + 1)
                z = event.z[run.start + i]
                part[0] = slope * z + self.l2 * row[0]
                for f in range(k):
                    part[f + 1] = slope * z * (sums[f] - row[f + 1] * z) + self.l2_factors * row[f + 1]
            self.stepper.add(
                &self.weights.table, run.row * (k + 1), run.length * (k + 1), g + (run.start + 1) * (k + 1), True)

    def save(self):
        return {**GradientModel.save(self), "weights": self.weights.save(self.encoder.vocabulary.size())}

    def restore(self, dict state):
        self.check_rows(state, "weights")
        GradientModel.restore(self, state)
        self.weights.restore(state["weights"])
