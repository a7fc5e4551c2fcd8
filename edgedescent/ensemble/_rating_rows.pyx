"""Estimates of each user, or of each item, from its standardized ratings.

For the n-th rating z of an id, whose other side has the bias b' and the product of factors d::

    bias         b <- b - 0.3 / sqrt(n) (slope + 0.005 (b - b_0))          b_0 is the bias of unknown ids
    recent       (Σ λ^age (z - b' - d) + c b_0) / (Σ λ^age + c)            time-decayed and shrunken
    last         the last z
    spread       sqrt((Σ (z - mean z)² + m) / (n + m)) - 1                 shrunken deviation, 0 where it is as usual
    familiarity  log(1 + n) / 3

Row 0 stands for the ids without a row: its bias is learned from the first rating of each id, all else is 0.
"""
import numpy as np

from libc.math cimport sqrt

from edgedescent.numerics._ranking_kernels cimport quick_log

cdef enum:
    N = 0
    WEIGHT = 1
    SUM = 2
    MEAN = 3
    SQUARES = 4
    ROWS_FIRST = 16

cdef double BIAS_RATE = 0.3
cdef double BIAS_L2 = 0.005
cdef double FACTOR_RATE = 0.3


cdef class RatingRows:
    """Table of estimates by row of a vocabulary.

    Args:
        n_factors: Number of latent factors.
        decay: Factor λ on older ratings of the id, per rating of the id.
        shrinkage: Weight c of the bias of unknown ids in the recent mean, in ratings.
        spread_shrinkage: Weight m of the usual deviation, in ratings.
    """

    def __init__(self, Py_ssize_t n_factors, double decay, double shrinkage, double spread_shrinkage):
        self.n_factors, self.width = n_factors, FACTORS + n_factors
        self.decay, self.shrinkage, self.spread_shrinkage = decay, shrinkage, spread_shrinkage
        self.rows, self.n_begun = 0, 0.0
        self.arrays = [np.zeros((0, self.width)), np.zeros((0, N_NUMBERS))]
        self.make_room(ROWS_FIRST)

    cdef int make_room(self, Py_ssize_t rows) except -1:
        """Enlarge the table to at least `rows` rows."""
        cdef double[:, ::1] estimates, numbers
        if rows <= self.rows:
            return 0
        rows = max(rows, 2 * self.rows)
        larger = [np.zeros((rows, self.width)), np.zeros((rows, N_NUMBERS))]
        for new, old in zip(larger, self.arrays):
            new[: self.rows] = old
        estimates, numbers = larger
        self.arrays, self.rows = larger, rows
        self.estimates, self.numbers = &estimates[0, 0], &numbers[0, 0]
        return 0

    cdef double* estimate(self, Py_ssize_t row) noexcept nogil:
        return self.estimates + row * self.width

    cdef void start(self, Py_ssize_t row) noexcept nogil:
        """Let a row begin as an unknown id, with factors of 0."""
        cdef Py_ssize_t i
        for i in range(N_NUMBERS):
            self.numbers[row * N_NUMBERS + i] = 0.0
        for i in range(self.width):
            self.estimates[row * self.width + i] = self.estimates[i]

    cdef void learn_cold(self, double slope) noexcept nogil:
        """Take a step of the bias of unknown ids."""
        self.n_begun += 1.0
        self.estimates[BIAS] -= BIAS_RATE / sqrt(self.n_begun) * slope
        self.estimates[RECENT] = self.estimates[BIAS]

    cdef double factor_rate(self, Py_ssize_t row) noexcept nogil:
        """The learning rate of the factors of a row, which has a rating: it falls with the eighth root of their number."""
        return FACTOR_RATE / sqrt(sqrt(sqrt(self.numbers[row * N_NUMBERS + N])))

    cdef void observe(self, Py_ssize_t row, double z, double residual) noexcept nogil:
        """Take in a rating of a row other than 0.

        Args:
            row: The row.
            z: The standardized rating.
            residual: What the other side leaves of it.
        """
        cdef double* numbers = self.numbers + row * N_NUMBERS
        cdef double deviation = z - numbers[MEAN]
        numbers[N] += 1.0
        numbers[MEAN] += deviation / numbers[N]
        numbers[SQUARES] += deviation * (z - numbers[MEAN])
        numbers[WEIGHT] = self.decay * numbers[WEIGHT] + 1.0
        numbers[SUM] = self.decay * numbers[SUM] + residual
        self.estimate(row)[LAST] = z
        self._refresh(row)

    cdef void step_bias(self, Py_ssize_t row, double slope) noexcept nogil:
        """Take a step of the bias of a row other than 0, along the slope of the loss."""
        cdef double* bias = self.estimate(row) + BIAS
        bias[0] -= BIAS_RATE / sqrt(self.numbers[row * N_NUMBERS + N]) * (slope + BIAS_L2 * (bias[0] - self.estimates[BIAS]))

    cdef void _refresh(self, Py_ssize_t row) noexcept nogil:
        """Compute the estimates that follow from the numbers."""
        cdef const double* numbers = self.numbers + row * N_NUMBERS
        cdef double* estimate = self.estimate(row)
        cdef double m = self.spread_shrinkage
        estimate[RECENT] = (numbers[SUM] + self.shrinkage * self.estimates[BIAS]) / (numbers[WEIGHT] + self.shrinkage)
        estimate[SPREAD] = sqrt((numbers[SQUARES] + m) / (numbers[N] + m)) - 1.0
        estimate[FAMILIARITY] = quick_log(<float>(1.0 + numbers[N])) / <float>3.0

    def table(self, Py_ssize_t rows):
        """Return the estimates of the first `rows` rows, shape (rows, width)."""
        return np.array(self.arrays[0][:rows])

    def save(self, Py_ssize_t rows):
        """Return the estimates and the numbers of the first `rows` rows; the number of unknown ids is that of row 0."""
        numbers = np.array(self.arrays[1][:rows])
        numbers[0, N] = self.n_begun
        return self.table(rows), numbers

    def restore(self, dict state, str role, Py_ssize_t rows):
        """Take what `save` returned, as ``<role>_estimates`` and ``<role>_numbers``.

        Raises:
            ValueError: If a shape is wrong, or a number is out of its range.
        """
        estimates, numbers = state[f"{role}_estimates"], state[f"{role}_numbers"]
        if estimates.shape != (rows, self.width) or numbers.shape != (rows, N_NUMBERS):
            raise ValueError(
                f"The state's {role}s must have {self.width} estimates and {N_NUMBERS} numbers in each of {rows} rows. "
                f"Got the shapes {estimates.shape} and {numbers.shape}.")
        if (numbers[:, [N, WEIGHT, SQUARES]] < 0.0).any() or (np.abs(numbers) > 1e15).any() or (np.abs(estimates) > 1e6).any():
            raise ValueError(f"The estimates of the state's {role}s are out of their range.")
        self.rows = 0
        self.arrays = [np.zeros((0, self.width)), np.zeros((0, N_NUMBERS))]
        self.make_room(max(rows, ROWS_FIRST))
        self.arrays[0][:rows] = estimates
        self.arrays[1][:rows] = numbers
        self.n_begun, self.arrays[1][0, N] = numbers[0, N], 0.0
