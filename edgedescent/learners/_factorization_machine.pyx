"""The factorization machine of order 2: score = w₀ + Σ w z + ½ Σ_f ((Σ v z)² - Σ v² z²)."""
import numpy as np

from libc.math cimport sqrt
from libc.stdint cimport uint64_t

from edgedescent.learners._feature_model cimport WIDE, FeatureModel, Run
from edgedescent.optim._parameter_table cimport ParameterTable
from edgedescent.numerics._random cimport next_normal
from edgedescent.numerics._vectors cimport add_scaled, dot


cdef class FactorizationMachineModel(FeatureModel):
    """The state and arithmetic of `edgedescent.FactorizationMachine`, which validates and documents the parameters.

    A row of the table is ``[w, v 1, …, v k]``.
    """

    cdef readonly ParameterTable weights
    cdef Py_ssize_t k
    cdef double init_scale
    cdef double l2_factors
    cdef double[::1] sums
    cdef double[::1] gradient

    def _set_up(self, Py_ssize_t n_factors, double init_scale, double l2_factors, optimizer, loss, **shared):
        self._set_up_features(optimizer, loss, **shared)
        self.k = n_factors
        self.init_scale = init_scale
        self.l2_factors = l2_factors
        self.weights = ParameterTable(optimizer, n_factors + 1, 16)
        self.sums = np.zeros(n_factors)
        self._make_room(0)

    cdef int _make_scratch(self, Py_ssize_t n) except -1:
        self.gradient = np.zeros((n + 1) * (self.k + 1))
        self.stepper.make_room(n + 1, (n + 1) * (self.k + 1))
        return 0

    cdef int _grow_tables(self, Py_ssize_t rows) except -1:
        return self.weights.grow(rows)

    cdef void _start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil:
        cdef double scale = self.init_scale * (sqrt(<double>WIDE / self.n) if self.n > WIDE else 1.0)
        cdef Py_ssize_t i
        self.weights.clear_row(row)
        for i in range(row * (self.k + 1) + 1, (row + 1) * (self.k + 1)):
            self.weights.table.w[i] = self.weights.table.serving[i] = scale * next_normal(&word)

    cdef double _forward(self, bint serving) noexcept nogil:
        cdef const double* table = self.weights.table.serving if serving else self.weights.table.w
        cdef const double* row
        cdef double* sums = &self.sums[0]
        cdef double total = table[0], squares = 0.0, z, part
        cdef Py_ssize_t k = self.k, r, i, f
        cdef Run run
        for f in range(k):
            sums[f] = 0.0
        for r in range(self.n_runs):
            run = self.runs[r]
            for i in range(run.length):
                row = table + (run.row + i) * (k + 1)
                z = self.z[run.start + i]
                total += row[0] * z
                part = add_scaled(sums, row + 1, z, k)
                squares += part * z * z
        return total + 0.5 * (dot(sums, sums, k) - squares)

    cdef void _backward(self, double slope) noexcept nogil:
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
        for r in range(self.n_runs):
            run = self.runs[r]
            for i in range(run.length):
                row = table + (run.row + i) * (k + 1)
                part = g + (run.start + i + 1) * (k + 1)
                z = self.z[run.start + i]
                part[0] = slope * z + self.l2 * row[0]
                for f in range(k):
                    part[f + 1] = slope * z * (sums[f] - row[f + 1] * z) + self.l2_factors * row[f + 1]
            self.stepper.add(
                &self.weights.table, run.row * (k + 1), run.length * (k + 1), g + (run.start + 1) * (k + 1), True)

    def _save(self):
        return {**self._save_features(), "weights": self.weights.save(self.vocabulary.size())}

    def _restore(self, **state):
        weights = state["weights"]
        if len(weights[0]) != len(state["features"]) + 1:
            raise ValueError(f"The state has {len(state['features'])} features but {len(weights[0])} weights.")
        self._restore_features(state)
        self.weights.restore(weights)
