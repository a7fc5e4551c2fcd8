"""Linear model: score = w₀ + Σ w z."""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from edgedescent.features._encoder cimport EncodedEvent, Encoder, Run
from edgedescent.learners._gradient_model cimport GradientModel
from edgedescent.numerics._vectors cimport dot
from edgedescent.optim._parameter_table cimport ParameterTable


cdef class LinearModel(GradientModel):
    """Compiled model of the linear learners, with one weight for each row of the encoder.

    Args:
        encoder: Encoder of the events.
        parameters: The learner, which validates and documents the parameters.
    """

    cdef readonly ParameterTable weights
    cdef double* gradient

    def __init__(self, Encoder encoder, parameters):
        GradientModel.__init__(self, encoder, parameters)
        self.weights = ParameterTable(parameters.optimizer, 1, self.rows)

    def __dealloc__(self):
        free(self.gradient)

    cdef int make_scratch(self, Py_ssize_t n) except -1:
        free(self.gradient)
        self.gradient = <double*>malloc((n + 1) * sizeof(double))
        if self.gradient == NULL:
            raise MemoryError(f"There is no memory for an event of {n} features.")
        self.stepper.make_room(n + 1, n + 1)
        return 0

    cdef int grow_tables(self, Py_ssize_t rows) except -1:
        return self.weights.grow(rows)

    cdef void start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil:
        self.weights.clear_row(row)

    cdef void reopen_row(self, Py_ssize_t row) noexcept nogil:
        self.weights.reopen_row(row)

    cdef void reopen_rest(self) noexcept nogil:
        self.weights.reopen_row(0)

    cdef double forward(self, const EncodedEvent* event, bint serving) noexcept nogil:
        cdef const double* w = self.weights.table.serving if serving else self.weights.table.w
        cdef double total = w[0]
        cdef Py_ssize_t r
        for r in range(event.n_runs):
            total += dot(w + event.runs[r].row, event.z + event.runs[r].start, event.runs[r].length)
        return total

    cdef void backward(self, const EncodedEvent* event, double slope) noexcept nogil:
        cdef double* g = self.gradient + 1
        cdef const double* w
        cdef const double* z
        cdef double decay = self.l2
        cdef Py_ssize_t r, i
        cdef Run run
        self.gradient[0] = slope
        self.stepper.add(&self.weights.table, 0, 1, self.gradient, False)
        for r in range(event.n_runs):
            run = event.runs[r]
            w = self.weights.table.w + run.row
            z = event.z + run.start
            for i in range(run.length):
                g[run.start + i] = slope * z[i] + decay * w[i]
            self.stepper.add(&self.weights.table, run.row, run.length, g + run.start, True)

    def save(self):
        return {**GradientModel.save(self), "weights": self.weights.save(self.encoder.vocabulary.size())}

    def restore(self, dict state):
        self.check_rows(state, "weights")
        GradientModel.restore(self, state)
        self.weights.restore(state["weights"])
