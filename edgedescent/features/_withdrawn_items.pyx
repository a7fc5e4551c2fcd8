"""Items that are not to be recommended, by id and by row."""
import numpy as np

from edgedescent.numerics._numbers cimport check_text


cdef class WithdrawnItems:
    """Set of the items that are not to be recommended, whether they have a row or not.

    An item stays withdrawn as long as it has a row. Of twice as many ids as the table of items can have rows, half at
    least have none: where one more is withdrawn, the older half of these is forgotten.

    Args:
        items: Table of the items.
    """

    def __init__(self, Vocabulary items not None):
        self.items = items
        self.ids = {}
        self._make(16)

    cdef int _make(self, Py_ssize_t rows) except -1:
        """Allocate flags for `rows` rows and copy the existing ones."""
        cdef char[::1] view
        flags = np.zeros(rows, dtype=np.int8)
        if self.flags_array is not None:
            flags[: self.rows] = self.flags_array
        view = self.flags_array = flags
        self.flags, self.rows = &view[0], rows
        return 0

    def __len__(self):
        return len(self.ids)

    @property
    def n_rows(self):
        """Number of withdrawn items that have a row."""
        return int(np.count_nonzero(self.flags_array))

    cdef bint holds(self, str item) except -1:
        """True if an item is withdrawn."""
        return item in self.ids

    cdef void mark(self, char* rows, Py_ssize_t n) noexcept nogil:
        """Set the entries of the withdrawn items in an array of `n` rows."""
        cdef Py_ssize_t row
        for row in range(n if n < self.rows else self.rows):
            rows[row] |= self.flags[row]

    cdef int start_row(self, Py_ssize_t row, str item) except -1:
        """Note that an item got a row, which another one may have had before."""
        if row < self.rows:
            self.flags[row] = False
        if self.ids and item in self.ids:
            if row >= self.rows:
                self._make(2 * row)
            self.flags[row] = True
        return 0

    def set(self, str item not None, bint available):
        """Withdraw an item, or take that back.

        Raises:
            ValueError: If the id is no Unicode text or too long.
        """
        check_text("The item id", item)
        if available:
            self.ids.pop(item, None)
        else:
            self.ids[item] = None
        if row := self.items.find(item):
            if not available and row >= self.rows:
                self._make(2 * row)
            if row < self.rows:
                self.flags[row] = not available
        if len(self.ids) > 2 * (self.items.rows_max - 1):
            self._forget()

    def _forget(self):
        """Forget the older half of the ids without a row."""
        absent = [item for item in self.ids if self.items.find(item) == 0]
        for item in absent[: (len(absent) + 1) // 2]:
            del self.ids[item]

    def save(self):
        """The withdrawn ids, the oldest withdrawal first."""
        return list(self.ids)

    def restore(self, list ids not None):
        """Take what `save` returned, once the table of items is restored.

        Raises:
            ValueError: If an id comes twice, is no Unicode text or too long.
        """
        cdef Py_ssize_t row
        check_ids(ids)
        self.ids = dict.fromkeys(ids)
        self.flags_array = None
        self._make(max(self.items.size(), 16))
        for item in ids:
            row = self.items.find(item)
            if row:
                self.flags[row] = True
        if len(ids) > 2 * (self.items.rows_max - 1):
            # Of a table that had more rows.
            self._forget()


def check_ids(list ids not None):
    """Check ids that are read back.

    Raises:
        ValueError: If an id comes twice, is no Unicode text or too long.
    """
    if len(set(ids)) < len(ids):
        raise ValueError("The state's `withdrawn` must be different ids.")
    for item in ids:
        check_text("A withdrawn item", item)
