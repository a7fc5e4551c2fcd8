"""Table of model parameters in single precision, and of the optimizer state for each of them."""
import numpy as np

from edgedescent.optim._rules cimport make_rule


cdef class SingleTable:
    """Table of ``rows × width`` float32 parameters: `ParameterTable` for models whose cost is that of their arithmetic.

    The parameters of a row are always stepped together. Adam's bias corrections, and the number of steps in an average,
    are therefore kept once for each row.

    Args:
        optimizer: Optimizer that declares the step rule and its slots.
        width: Number of parameters per row.
        rows: Number of rows at the start; `grow` adds more.

    Raises:
        ValueError: If the rule and its slots do not match.
    """

    def __init__(self, optimizer, Py_ssize_t width, Py_ssize_t rows):
        # The rule of an optimizer written in Python holds a borrowed pointer to this method, so it must stay alive.
        self._optimizer = getattr(optimizer, "step", None)
        self.table.rule = make_rule(optimizer.rule, optimizer.hyper, len(optimizer.slots), optimizer.batch, self._optimizer)
        self.table.is_adam = optimizer.rule == "adam" and optimizer.batch == 1
        self.table.n_slots = 2 if self.table.is_adam else self.table.rule.n_slots
        self.width = self.table.width = width
        self.averages = optimizer.averaging
        self.rows = 0
        self.arrays = [np.zeros((0, width), dtype=np.float32) for _ in range(1 + self.table.n_slots + self.averages)]
        self.ages = [np.zeros(0) for _ in range(3)]
        self.grow(rows)

    cdef int grow(self, Py_ssize_t rows) except -1:
        """Enlarge the arrays to at least `rows` rows; new rows are zero."""
        cdef float[:, ::1] view
        cdef double[::1] age
        cdef int i
        if rows <= self.rows:
            return 0
        # Allocate all arrays before replacing any, so that a MemoryError leaves the table unchanged.
        larger = [np.zeros((rows, self.width), dtype=np.float32) for _ in self.arrays]
        ages = [np.zeros(rows) for _ in self.ages]
        for after, before in zip(larger + ages, self.arrays + self.ages):
            after[: self.rows] = before
        for i in range(len(larger)):
            view = larger[i]
            if i == 0:
                self.table.w = self.table.serving = &view[0, 0]
            elif i <= self.table.n_slots:
                self.table.slot[i - 1] = &view[0, 0]
            else:
                self.table.serving = &view[0, 0]
        age = ages[0]
        self.table.correction1 = &age[0]
        age = ages[1]
        self.table.correction2 = &age[0]
        age = ages[2]
        self.table.averaged = &age[0]
        self.arrays, self.ages, self.rows = larger, ages, rows
        return 0

    cdef void clear_row(self, Py_ssize_t row) noexcept nogil:
        """Set the parameters, averages and slots of a row to zero."""
        cdef Py_ssize_t i
        for i in range(row * self.width, (row + 1) * self.width):
            set_weight(&self.table, i, 0.0)
        self.table.correction1[row] = self.table.correction2[row] = self.table.averaged[row] = 0.0

    def served(self, Py_ssize_t rows):
        """Return a copy of the first `rows` rows of the parameters that predict, as float64."""
        return self.arrays[len(self.arrays) - 1 if self.averages else 0][:rows].astype(np.float64)

    def save(self, Py_ssize_t rows):
        """Return copies of the first `rows` rows of every array: parameters, slots, averages.

        What is kept once for a row is one column, in double precision.
        """
        saved = [array[:rows].copy() for array in self.arrays]
        ages = [age[:rows, np.newaxis].copy() for age in self.ages]
        if self.table.is_adam:
            saved[3:3] = ages[:2]
        if self.averages:
            saved.append(ages[2])
        return saved

    def restore(self, list arrays):
        """Restore the arrays that `save` returned.

        Raises:
            ValueError: If the number of arrays or their width differs from this table's, or a number is none of single
                precision.
        """
        parts, ages = list(arrays), [None, None, None]
        if self.averages and parts:
            ages[2] = parts.pop()
        if self.table.is_adam:
            ages[:2] = parts[3:5]
            del parts[3:5]
        shapes = {array.shape for array in parts}
        if (len(parts) != len(self.arrays) or shapes != {(len(arrays[0]), self.width)}
                or any(age is not None and age.shape != (len(arrays[0]), 1) for age in ages)):
            n_ages = 2 * self.table.is_adam + self.averages
            raise ValueError(
                f"A table of width {self.width} has {len(self.arrays)} such arrays and {n_ages} of one column, of equally many "
                f"rows; the state has the shapes {[a.shape for a in arrays]}.")
        largest = np.finfo(np.float32).max
        if any((np.abs(array) > largest).any() for array in arrays):
            raise ValueError(f"The numbers of a table in single precision must lie within ±{largest:.8g}.")
        self.grow(len(arrays[0]))
        for array, saved in zip(self.arrays, parts):
            array[:] = 0.0
            array[: len(saved)] = saved
        for array, saved in zip(self.ages, ages):
            array[:] = 0.0
            if saved is not None:
                array[: len(saved)] = saved[:, 0]
