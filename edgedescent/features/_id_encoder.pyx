"""The encoder of ratings: the ids of a user and an item as rows of tables."""
import numpy as np

from libc.stdint cimport uint64_t

from edgedescent.features._hash cimport hash_text
from edgedescent.numerics._numbers cimport check_text, to_text


cdef str as_id(str role, object value):
    """Ids are strings; an integer is the same id as its decimal digits, as in a JSON key or an ONNX snapshot."""
    if type(value) is str:
        return value
    if isinstance(value, str):
        return to_text(role, value)
    if isinstance(value, bool) or not hasattr(value, "__index__") or getattr(value, "ndim", 0):
        raise ValueError(f"{role} must be a string or an integer. Got {value!r:.80}.")
    return str(int(value))


cdef class IdEncoder:
    """Turns the ids of a rating into rows, and remembers which items each user was learned with.

    Row 0 of either table stands for every id without a row of its own.
    """

    def __init__(self, *, Py_ssize_t users_max, Py_ssize_t items_max, str when_full, Py_ssize_t seen_max):
        self.users = Vocabulary(users_max + 1, when_full)
        self.items = Vocabulary(items_max + 1, when_full)
        # Row 0, and one more, because room is made before it is known whether a new id takes a row of another.
        self.seen = UserHistory(seen_max, users_max + 2)
        self.withdrawn = WithdrawnItems(self.items)
        self.n_events = 0

    cdef int read(self, str user, str item) except -1:
        """Find the rows of two ids; raises ValueError for ids that are no Unicode text."""
        cdef Py_ssize_t u = self.users.find(user), i = self.items.find(item)
        # A known id was checked when it got its row.
        if u == 0:
            check_text("The user id", user)
        if i == 0:
            check_text("The item id", item)
        self.user, self.item = user, item
        self.pair = EncodedPair(u, i, u == 0, i == 0)
        return 0

    cdef int settle(self) except -1:
        """Mark the rows of the rating as learned, and give new ids theirs."""
        cdef long long now = self.n_events
        # Before an id is registered, so that running out of memory leaves no id without a row.
        self.seen.make_room(self.users.size() + 1)
        self.starts_user = self.starts_item = False
        if self.pair.new_user:
            self.pair.user = self.users.learn(self.user, hash_text(self.user), now)
            self.starts_user = self.users.is_new
            self.seen.clear(self.pair.user)
        else:
            self.users.mark(self.pair.user, now)
        if self.pair.new_item:
            self.pair.item = self.items.learn(self.item, hash_text(self.item), now)
            self.starts_item = self.items.is_new
            if self.starts_item:
                self.withdrawn.start_row(self.pair.item, self.item)
        else:
            self.items.mark(self.pair.item, now)
        self.seen.add(self.pair.user, self.pair.item, now, self.items.assigned_at)
        return 0

    cdef uint64_t user_hash(self) except? 0:
        return hash_text(self.user)

    cdef uint64_t item_hash(self) except? 0:
        return hash_text(self.item)

    def latest_items(self):
        """Rows of the items that each user had, the latest first and 0 where there is none, shape (n_users, depth)."""
        cdef Py_ssize_t u, back, users = self.users.size()
        cdef Py_ssize_t depth = max([self.seen.size(u) for u in range(users)])
        cdef int[:, :] rows = np.zeros((users, depth), dtype=np.int32)
        for u in range(users):
            for back in range(self.seen.size(u)):
                rows[u, back] = <int>self.seen.latest(u, back, self.items.assigned_at)
        return np.asarray(rows)

    def save(self):
        """The ids and their history, by the names that they have in a learner's state."""
        users, items = self.users.save(), self.items.save()
        return {
            "users": users.pop("names"),
            **{f"user_{name}": value for name, value in users.items()},
            "items": items.pop("names"),
            **{f"item_{name}": value for name, value in items.items()},
            **self.seen.save(self.users.size()),
        }

    def restore(self, dict state, long long n_events, evicted, shared):
        """Take what `save` returned, and the counts of users and items; raises ValueError where it is inconsistent."""
        users, items = part(state, "user"), part(state, "item")
        self.seen.restore(state["seen.counts"], state["seen.entries"], len(users["names"]) + 1, len(items["names"]) + 1, n_events)
        self.users.restore(users, n_events, evicted[0], shared[0])
        self.items.restore(items, n_events, evicted[1], shared[1])
        self.n_events = n_events
        # The rows are others now.
        self.withdrawn.restore(self.withdrawn.save())


cdef dict part(dict state, str role):
    """The state of the vocabulary of users or items."""
    names = ("stamps", "born", "uses", "newcomers", "aging")
    return {"names": state[f"{role}s"], **{name: state[f"{role}_{name}"] for name in names}}
