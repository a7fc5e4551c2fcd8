"""Means of what each user chose: how popular and how old the items were."""
import numpy as np

# Share of the newest choice in the forgetting mean.
cdef double RATE = 0.3


cdef class UserHabits:
    """Habits by row of the table of users.

    Args:
        rows: Number of rows to begin with.
    """

    def __init__(self, Py_ssize_t rows):
        self._make(rows)

    def _make(self, Py_ssize_t rows):
        cdef double[:, ::1] numbers = np.zeros((rows, HABITS))
        if self.array is not None:
            np.asarray(numbers)[: self.rows] = self.array
        self.array, self.numbers, self.rows = np.asarray(numbers), &numbers[0, 0], rows

    cdef int make_room(self, Py_ssize_t rows) except -1:
        """Enlarge the table to at least `rows` rows."""
        if rows > self.rows:
            self._make(max(rows, 2 * self.rows))
        return 0

    cdef void clear(self, Py_ssize_t row) noexcept nogil:
        """Forget the habits of a user."""
        cdef Py_ssize_t i
        for i in range(row * HABITS, (row + 1) * HABITS):
            self.numbers[i] = 0.0

    cdef void add(self, Py_ssize_t row, double popularity, double age, long long now) noexcept nogil:
        """Count a choice of a user, of an item with these logarithms of its popularity and age."""
        cdef double* habit = self.numbers + row * HABITS
        habit[3] += (RATE if habit[0] > 0.0 else 1.0) * (popularity - habit[3])
        habit[0] += 1.0
        habit[1] += popularity
        habit[2] += age
        habit[4] = <double>now

    def save(self, Py_ssize_t rows):
        """Return the habits of the first `rows` rows."""
        return {"habits": np.array(self.array[:rows])}

    def restore(self, habits, Py_ssize_t rows, long long n_events):
        """Take what `save` returned; raises ValueError where it does not fit `rows` rows."""
        if habits.shape != (rows, HABITS) or (habits[:, 0] < 0.0).any() or (
                habits[:, 4] < 0.0).any() or (habits[:, 4] > n_events).any() or (np.abs(habits) > 1e15).any():
            raise ValueError(f"The state's habits must be {HABITS} numbers of each of {rows} users.")
        self.array = None
        self._make(max(rows, 16))
        self.array[:rows] = habits
