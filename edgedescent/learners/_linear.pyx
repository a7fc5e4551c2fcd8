"""The linear model: score = w₀ + Σ w z."""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from edgedescent.learners._feature_model cimport FeatureModel, Run
from edgedescent.optim._parameter_table cimport ParameterTable
from edgedescent.numerics._vectors cimport dot


cdef class LinearModel(FeatureModel):
    """The state and arithmetic of the linear learners, which validate and document the parameters."""

    cdef readonly ParameterTable weights
    cdef double* g

    def __dealloc__(self):
        free(self.g)

    def _set_up(self, optimizer, loss, **shared):
        self._set_up_features(optimizer, loss, **shared)
        self.weights = ParameterTable(optimizer, 1, 16)
        self._make_room(0)

    cdef int _make_scratch(self, Py_ssize_t n) except -1:
        free(self.g)
        self.g = <double*>malloc((n + 1) * sizeof(double))
        if self.g == NULL:
            raise MemoryError(f"There is no memory for an event of {n} features.")
        self.stepper.make_room(n + 1, n + 1)
        return 0

    cdef int _grow_tables(self, Py_ssize_t rows) except -1:
        return self.weights.grow(rows)

    cdef void _start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil:
        self.weights.clear_row(row)

    cdef double _forward(self, bint serving) noexcept nogil:
        cdef const double* w = self.weights.table.serving if serving else self.weights.table.w
        cdef double total = w[0]
        cdef Py_ssize_t r
        for r in range(self.n_runs):
            total += dot(w + self.runs[r].row, self.z + self.runs[r].start, self.runs[r].length)
        return total

    cdef void _backward(self, double slope) noexcept nogil:
        cdef double* g = self.g + 1
        cdef const double* w
        cdef double decay = self.l2
        cdef Py_ssize_t r, i
        cdef Run run
        self.g[0] = slope
        self.stepper.add(&self.weights.table, 0, 1, self.g, False)
        for r in range(self.n_runs):
            run = self.runs[r]
            w = self.weights.table.w + run.row
            for i in range(run.length):
                g[run.start + i] = slope * self.z[run.start + i] + decay * w[i]
            self.stepper.add(&self.weights.table, run.row, run.length, g + run.start, True)

    def _save(self):
        return {**self._save_features(), "weights": self.weights.save(self.vocabulary.size())}

    def _restore(self, **state):
        weights = state["weights"]
        if len(weights[0]) != len(state["features"]) + 1:
            raise ValueError(f"The state has {len(state['features'])} features but {len(weights[0])} weights.")
        self._restore_features(state)
        self.weights.restore(weights)
