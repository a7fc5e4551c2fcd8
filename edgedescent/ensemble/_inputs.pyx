"""Inputs of the members of an ensemble: the own lags of the label, an intercept and the standardized features."""
import numpy as np

from libc.string cimport memcmp, memcpy

from edgedescent.ensemble._repeated_values cimport with_values


cdef class InputBuffer:
    """Scratch for the inputs of one event.

    Args:
        n_lags: Number of lags.
    """

    def __init__(self, Py_ssize_t n_lags):
        self.n_lags = n_lags
        self.make_room(16)

    def set(self, slots, z):
        """Set the inputs of an event.

        Args:
            slots: Slots, those of the lags and the intercept first, shape (n,).
            z: Inputs, shape (n,).
        """
        self.make_room(len(slots) - self.n_lags - 1)
        for array, values in zip(self.arrays, (slots, z, z)):
            array[: len(values)] = values
        self.inputs.n = len(slots)
        self.inputs.n_plain = sum(slot >= 0 for slot in slots)

    cdef int make_room(self, Py_ssize_t n) except -1:
        """Make room for an event of `n` features."""
        cdef int[::1] slots
        cdef float[::1] z
        cdef double[::1] exact
        if n <= self.room:
            return 0
        size = self.n_lags + 1 + with_values(n)
        slots, z, exact = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.float32), np.zeros(size)
        self.arrays = (np.asarray(slots), np.asarray(z), np.asarray(exact))
        self.inputs.slots, self.inputs.z, self.inputs.exact = &slots[0], &z[0], &exact[0]
        self.inputs.n = self.inputs.n_plain = 0
        self.room = n
        return 0

    cdef void fill(self, const double* lags, const EncodedEvent* event) noexcept nogil:
        """Fill the inputs with the lags and a standardized event; the caller has made room for it."""
        cdef Py_ssize_t i, first = self.n_lags + 1
        cdef double* exact = self.inputs.exact
        for i in range(self.n_lags):
            self.inputs.slots[i] = <int>i
            exact[i] = lags[i]
        self.inputs.slots[self.n_lags] = <int>self.n_lags
        exact[self.n_lags] = 1.0
        for i in range(event.n):
            self.inputs.slots[first + i] = <int>(self.n_lags + event.rows[i])
            exact[first + i] = event.z[i]
        self.inputs.n = self.inputs.n_plain = first + event.n
        for i in range(self.inputs.n):
            self.inputs.z[i] = <float>exact[i]

    cdef void add_values(self, Py_ssize_t n) noexcept nogil:
        """Add `n` values that come again, whose slots the caller has written behind the others."""
        cdef Py_ssize_t i
        for i in range(self.inputs.n_plain, self.inputs.n_plain + n):
            self.inputs.z[i] = 1.0
            self.inputs.exact[i] = 1.0
        self.inputs.n = self.inputs.n_plain + n

    cdef bint equals(self, InputBuffer other) noexcept nogil:
        """Return True if the inputs are those of another buffer, bit for bit."""
        cdef const Inputs* a = &self.inputs
        cdef const Inputs* b = &other.inputs
        return (a.n == b.n and a.n_plain == b.n_plain and memcmp(a.slots, b.slots, a.n * sizeof(int)) == 0
                and memcmp(a.exact, b.exact, a.n * sizeof(double)) == 0)

    cdef void copy(self, InputBuffer other) noexcept nogil:
        """Take over the inputs of another buffer; there is room for them."""
        self.inputs.n, self.inputs.n_plain = other.inputs.n, other.inputs.n_plain
        memcpy(self.inputs.slots, other.inputs.slots, other.inputs.n * sizeof(int))
        memcpy(self.inputs.z, other.inputs.z, other.inputs.n * sizeof(float))
        memcpy(self.inputs.exact, other.inputs.exact, other.inputs.n * sizeof(double))


cdef Inputs without_values(const Inputs* inputs) noexcept nogil:
    """Return the inputs without the values that come again."""
    cdef Inputs plain = inputs[0]
    plain.n = inputs.n_plain
    return plain
