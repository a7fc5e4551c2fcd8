"""Watch over features whose categories never come again, such as a time stamp or a serial number."""
import numpy as np

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject

from edgedescent.features._kinds cimport CATEGORICAL
from edgedescent.features._vocabulary cimport check_history

from edgedescent.features._names import split_name

cdef enum:
    # Fewer new categories than these prove nothing.
    PATIENCE_MIN = 256
    # Bound on the features that are watched.
    WATCHED_MAX = 256
    # Bound on the factor by which the patience with a feature grows.
    FACTOR_MAX = 1024


cdef class Watched:
    """Counts of the categories of one watched feature."""

    def __init__(self, long long n, long long since, bint left_out, long long factor):
        self.n, self.since, self.left_out, self.factor = n, since, left_out, factor

    def numbers(self):
        return self.n, self.since, self.left_out, self.factor


cdef class CategoryWatch:
    """Leaves features out whose categories never repeat, before they use up the table.

    After every `patience` new categories of a feature, a quarter of the table, it looks whether any of them was learned
    a second time. If none was, further new categories of that feature get no row. Those that have one stay: should they
    come again after all, the next look lets the feature in again, with twice the patience.

    Args:
        features_max: bound on the rows of the table.
    """

    def __init__(self, Py_ssize_t features_max):
        self.patience = max(features_max // 4, PATIENCE_MIN)
        self.watched = {}
        self.n_left_out = 0

    cdef bint admits(self, str feature, bint came_before, Vocabulary vocabulary, const char* kinds,
                     long long now) except -1:
        """Count a new category of a feature; False if it gets no row.

        Args:
            feature: name of the feature, as the names of its rows begin.
            came_before: whether it came before and got no row, because the table is full: it does repeat.
            vocabulary: the rows.
            kinds: kind of each row.
            now: number of the event.
        """
        cdef PyObject* known
        cdef Watched entry
        cdef bint left_out
        if not vocabulary.evicts and vocabulary.rows_in_use >= vocabulary.rows_max:
            # No category gets a row any more, so there is nothing to see.
            return True
        known = PyDict_GetItemWithError(self.watched, feature)
        if known == NULL:
            if len(self.watched) >= WATCHED_MAX:
                self._make_room()
            entry = self.watched[feature] = Watched(0, now, False, 1)
        else:
            entry = <Watched>known
        if came_before:
            entry.n -= entry.n > 0
        else:
            entry.n += 1
        if entry.n > self.patience * entry.factor:
            left_out = not repeats(feature, entry.since, vocabulary, kinds)
            if entry.left_out and not left_out and entry.factor < FACTOR_MAX:
                entry.factor *= 2
            if not left_out:
                # While a feature is left out, the rows that could repeat are those from before.
                entry.since = now
            entry.n, entry.left_out = 1, left_out
        if entry.left_out:
            self.n_left_out += 1
            return False
        return True

    cdef int _make_room(self) except -1:
        """Forget the feature with the fewest new categories, one that is left out only if all are."""
        cdef Watched entry, fewest = None
        for feature, entry in self.watched.items():
            if fewest is None or (entry.left_out, entry.n) < (fewest.left_out, fewest.n):
                fewest, forgotten = entry, feature
        del self.watched[forgotten]
        return 0

    def left_out(self):
        """Names of the features that are left out."""
        return [split_name(feature)[0] for feature, entry in self.watched.items() if (<Watched>entry).left_out]

    def save(self):
        """The watched features and what is known of each."""
        return {
            "watched": list(self.watched),
            "watch": np.array([entry.numbers() for entry in self.watched.values()], dtype=np.int64).reshape(-1, 4),
            "left_out": np.array([self.n_left_out], dtype=np.int64),
        }

    def restore(self, names, counts, left_out, long long n_events):
        """Restore what `save` returned; raises ValueError where it is inconsistent."""
        if (counts.shape != (len(names), 4) or len(set(names)) != len(names) or len(names) > WATCHED_MAX
                or left_out.shape != (1,) or left_out[0] < 0):
            raise ValueError(
                f"The state watches {len(names)} features of at most {WATCHED_MAX}, but has {counts.shape} numbers about "
                f"them, and {left_out!r:.80} categories that are left out."
            )
        if len(names):
            check_history(counts[:, 1], n_events)
            if (counts[:, 0] < 0).any() or not np.isin(counts[:, 2], (0, 1)).all() or (counts[:, 3] < 1).any():
                raise ValueError("The state's counts of watched categories cannot be.")
        self.n_left_out = left_out[0]
        self.watched = {
            name: Watched(n, since, left_out, factor)
            for name, (n, since, left_out, factor) in zip(names, counts.tolist(), strict=True)
        }


cdef bint repeats(str feature, long long since, Vocabulary vocabulary, const char* kinds) except -1:
    """True if a category of a feature that came since an event was learned again."""
    cdef str prefix = feature + "="
    cdef Py_ssize_t row
    cdef list name_of = vocabulary.name_of
    for row in range(1, vocabulary.rows_in_use):
        if (vocabulary.assigned_at[row] >= since and vocabulary.last_learned[row] > vocabulary.assigned_at[row]
                and kinds[row] == CATEGORICAL and (<str>name_of[row]).startswith(prefix)):
            return True
    return False
