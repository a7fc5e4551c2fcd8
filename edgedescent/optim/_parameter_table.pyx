"""Table of model parameters and of the optimizer state for each of them."""
import numpy as np

from edgedescent.optim._covariance cimport CovarianceMatrix
from edgedescent.optim._rules cimport make_rule


# Rules whose slots hold the weights, or may hold anything.
cdef tuple WEIGHTS_IN_SLOTS = ("cocob", "ftrl", "python")


cdef class ParameterTable:
    """Table of ``rows × width`` float64 parameters, with optimizer slots of the same shape.

    ``arrays[0]`` holds the parameters and ``arrays[1:]`` the slots. With iterate averaging, the last two arrays are the
    averages and the number of steps in each average. Every table has its own optimizer state: two learners with the
    same optimizer object share none.

    For a rule with a covariance, `covariance` holds that of the first parameters if the width is 1, and an empty one
    else; the first slot holds the variances of all. Its matrix comes last in a saved state.

    Args:
        optimizer: Optimizer that declares the step rule and its slots.
        width: Number of parameters per row.
        rows: Number of rows at the start; `grow` adds more.

    Raises:
        ValueError: If `width` or `rows` is less than 1, or the rule and its slots do not match.
    """

    def __init__(self, optimizer, Py_ssize_t width, Py_ssize_t rows):
        if width < 1 or rows < 1:
            raise ValueError(f"A table must have at least 1 row and 1 column. Got {rows} and {width}.")
        # The rule of an optimizer written in Python holds a borrowed pointer to this method, so it must stay alive.
        self._optimizer = getattr(optimizer, "step", None)
        self.table.rule = make_rule(
            optimizer.rule, optimizer.hyper, len(optimizer.slots), optimizer.batch, self._optimizer)
        self.table.width = self.width = width
        self.averages = optimizer.averaging
        self.reopens = optimizer.rule not in WEIGHTS_IN_SLOTS
        self.covariance = None
        if optimizer.covariance_max:
            self.covariance = CovarianceMatrix(optimizer.covariance_max if width == 1 else 0, optimizer.prior)
            self.table.rule.covariance = &self.covariance.p
        self.rows = 0
        self.arrays = [np.zeros((0, width)) for _ in range(1 + self.table.rule.n_slots + 2 * self.averages)]
        self.grow(rows)

    cdef int grow(self, Py_ssize_t rows) except -1:
        """Enlarge the arrays to at least `rows` rows; new rows are zero."""
        cdef double[:, ::1] view
        cdef int i, n_slots = self.table.rule.n_slots
        if rows <= self.rows:
            return 0
        # Allocate all arrays before replacing any, so that a MemoryError leaves the table unchanged.
        larger = [np.zeros((rows, self.width)) for _ in self.arrays]
        for i in range(len(larger)):
            larger[i][: self.rows] = self.arrays[i]
            view = larger[i]
            if i == 0:
                self.table.w = self.table.serving = &view[0, 0]
                self.table.averaged = NULL
            elif i <= n_slots:
                self.table.rule.slot[i - 1] = &view[0, 0]
            elif i == n_slots + 1:
                self.table.serving = &view[0, 0]
            else:
                self.table.averaged = &view[0, 0]
        if self.covariance is not None:
            self.covariance.grow(rows * self.width, self.table.rule.slot[0])
        self.arrays = larger
        self.rows = rows
        return 0

    cdef void clear_row(self, Py_ssize_t row) noexcept nogil:
        """Set the parameters, averages and slots of a row to zero."""
        cdef Py_ssize_t i
        for i in range(row * self.width, (row + 1) * self.width):
            self.table.w[i] = 0.0
        self._forget_steps(row)

    cdef void reopen_row(self, Py_ssize_t row) noexcept nogil:
        """Keep the parameters of a row, but clear their slots, so that the next steps are those of new parameters.

        With a covariance, the variance is then the initial one. Rules whose slots hold the weights themselves, and those
        written in Python, go on as they are.
        """
        if self.reopens:
            self._forget_steps(row)

    cdef void _forget_steps(self, Py_ssize_t row) noexcept nogil:
        """Clear the slots of a row, and let its averages begin with the parameters."""
        cdef Py_ssize_t i
        cdef int s
        for i in range(row * self.width, (row + 1) * self.width):
            if self.table.averaged != NULL:
                self.table.serving[i] = self.table.w[i]
                self.table.averaged[i] = 0.0
            for s in range(self.table.rule.n_slots):
                self.table.rule.slot[s][i] = 0.0

    @property
    def serving(self):
        """Parameters used for predictions: the averaged iterates with iterate averaging, else the latest ones."""
        return self.arrays[len(self.arrays) - 2] if self.averages else self.arrays[0]

    def save(self, Py_ssize_t rows):
        """Return copies of the first `rows` rows of every array: parameters, slots, averages, covariance."""
        arrays = [np.array(array[:rows]) for array in self.arrays]
        return arrays if self.covariance is None else [*arrays, self.covariance.save(rows)]

    def restore(self, list arrays):
        """Restore the arrays that `save` returned.

        Raises:
            ValueError: If the number of arrays or their width differs from this table's, or the covariance is none.
        """
        cdef int i
        *arrays, matrix = arrays if self.covariance is not None else [*arrays, None]
        if len(arrays) != len(self.arrays) or {a.shape for a in arrays} != {(len(arrays[0]), self.width)}:
            raise ValueError(
                f"A table of width {self.width} has {len(self.arrays)} arrays of equally many rows; "
                f"the state has the shapes {[a.shape for a in arrays]}.")
        self.grow(len(arrays[0]))
        for i in range(len(arrays)):
            self.arrays[i][:] = 0.0
            self.arrays[i][: len(arrays[i])] = arrays[i]
        if self.covariance is not None:
            self.covariance.restore(matrix, arrays[1].reshape(-1))
