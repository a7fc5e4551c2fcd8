"""The learning of one rating, and the ranking of items."""
import numpy as np

from edgedescent.features._id_encoder cimport as_id
from edgedescent.ranking._top_k cimport TopK
from edgedescent.numerics._numbers cimport check_text, is_sane, to_number, to_text

from edgedescent.dataframes import as_list
from edgedescent.validation import as_numbers

cdef enum:
    # Rows that are scored at once: their scores stay in the fastest cache.
    BLOCK = 512


cdef class CompiledRecommender:
    """A model of ratings over an encoder of ids.

    Args:
        encoder: what reads the ids; no other learner may use it.
        model: the one made with this encoder.
    """

    def __init__(self, IdEncoder encoder, RecommenderModel model):
        self.encoder = encoder
        self.model = model
        self.n_skipped_targets = 0

    def _take(self, CompiledRecommender other not None):
        """Take the encoder and the model of another learner, which is not to be used any more."""
        other.require_constructed()
        self.encoder, self.model, self.n_skipped_targets = other.encoder, other.model, other.n_skipped_targets
        other.encoder = None

    cdef int require_constructed(self) except -1:
        """Raise TypeError where a subclass did not call the constructor: there is nothing to work on then."""
        if self.encoder is None:
            raise TypeError(f"{type(self).__name__} must call the constructor of its base class before it is used.")
        return 0

    cdef double predict_ids(self, str user, str item) except? -1.0:
        self.require_constructed()
        self.encoder.read(user, item)
        return self.model.predict(self.encoder.pair.user, self.encoder.pair.item)

    cdef double predict_learn_ids(self, str user, str item, double y) except? -1.0:
        # A new id has random factors only once it is learned: until then it is predicted like any unknown one.
        cdef double prediction = self.predict_ids(user, item)
        self.learn_pair(y)
        return prediction

    cdef int learn_pair(self, double y) except -1:
        """Learn the pair of ids that the encoder read last."""
        cdef IdEncoder encoder = self.encoder
        y = self.model.usable_target(y)
        if not is_sane(y):
            self.n_skipped_targets += 1
            return 0
        self.model.prepare()
        encoder.settle()
        if encoder.pair.new_user or encoder.pair.new_item:
            self.model.start_new_rows()
        self.model.learn(y)
        encoder.n_events += 1
        self.model.check()
        return 0

    def predict_one(self, user, item):
        """Predict the rating that `user` will give `item`; the state stays as it is."""
        return self.predict_ids(as_id("The user id", user), as_id("The item id", item))

    def predict_learn_one(self, user, item, y):
        """Predict, then learn from the same rating; returns what `predict_one` would have returned before."""
        return self.predict_learn_ids(
            as_id("The user id", user), as_id("The item id", item), to_number("The rating", y))

    def learn_one(self, user, item, y):
        """Take one gradient step on a rating; a rating that is not finite is counted and skipped."""
        cdef str user_id = as_id("The user id", user), item_id = as_id("The item id", item)
        cdef double rating = to_number("The rating", y)
        self.require_constructed()
        if self.model.learns_from_prediction:
            self.predict_learn_ids(user_id, item_id, rating)
        else:
            self.encoder.read(user_id, item_id)
            self.learn_pair(rating)

    def learn_many(self, users, items, y):
        """Predict each rating, then learn from it, in order; returns the predictions.

        Args:
            users: ids, n_events of them.
            items: ids, n_events of them.
            y: ratings, shape (n_events,).
        """
        cdef const double[::1] targets = as_numbers("y", y, 1)
        cdef double[::1] predictions = np.empty(targets.shape[0])
        cdef list user_ids = [to_text("The user id", as_id("The user id", user)) for user in as_list(users)]
        cdef list item_ids = [to_text("The item id", as_id("The item id", item)) for item in as_list(items)]
        cdef Py_ssize_t n
        if not len(user_ids) == len(item_ids) == targets.shape[0]:
            raise ValueError(
                f"{len(user_ids)} users, {len(item_ids)} items and {targets.shape[0]} ratings do not pair up.")
        for n in range(targets.shape[0]):
            predictions[n] = self.predict_learn_ids(user_ids[n], item_ids[n], targets[n])
        return np.asarray(predictions)

    def set_available(self, item, bint available=True):
        """Withdraw an item from recommendation (False), or take that back (True)."""
        self.require_constructed()
        self.encoder.withdrawn.set(as_id("The item id", item), available)

    def is_available(self, item):
        """False for an item that was withdrawn."""
        self.require_constructed()
        return not self.encoder.withdrawn.holds(as_id("The item id", item))

    def scores(self, user):
        """The predictions of all known items for one user, in the order of ``encoder.items.keys()``."""
        self.require_constructed()
        cdef Py_ssize_t u = self.encoder.users.find(as_id("The user id", user)), i, n = self.encoder.items.size()
        cdef double[::1] result = np.empty(n - 1)
        for i in range(1, n):
            result[i - 1] = self.model.predict(u, i)
        return np.asarray(result)

    def _recommend(self, user, Py_ssize_t k, exclude, among, bint exclude_seen):
        """The ids of the `k` items with the highest scores, best first."""
        self.require_constructed()
        cdef IdEncoder encoder = self.encoder
        cdef str user_id = as_id("The user id", user)
        cdef Py_ssize_t u = encoder.users.find(user_id), place, row, n = encoder.items.size()
        cdef double score = 0.0
        cdef char[::1] left_out = np.zeros(n, dtype=np.int8)
        cdef Py_ssize_t[::1] rows
        cdef TopK best = TopK(min(max(k, self.model.head), n))
        if u == 0:
            check_text("The user id", user_id)
        for item in exclude:
            left_out[encoder.items.find(as_id("An item id", item))] = True
        if exclude_seen and u:
            for place in range(encoder.seen.size(u)):
                left_out[encoder.seen.item(u, place, encoder.items.assigned_at)] = True
        encoder.withdrawn.mark(&left_out[0], n)
        # Row 0 stands for all ids without a row: that one of them is to be left out says nothing about the others.
        left_out[0] = False
        self.model.begin_scoring(u)
        if among is None:
            scan(self.model, u, &left_out[0], n, best)
            return [encoder.items.name_of[row] for row in self._reranked(u, best.places(), None)[:k]]
        candidates = list(dict.fromkeys(as_id("An item id", item) for item in among))
        unwanted = {as_id("An item id", item) for item in exclude}
        rows = np.array([encoder.items.find(item) for item in candidates], dtype=np.intp)
        best = TopK(min(max(k, self.model.head), len(candidates)))
        for place in range(rows.shape[0]):
            if not (left_out[rows[place]] or candidates[place] in unwanted or encoder.withdrawn.holds(candidates[place])):
                self.model.score_items(u, rows[place], 1, &score)
                best.offer(score, place)
        return [candidates[place] for place in self._reranked(u, best.places(), rows)[:k]]

    cdef list _reranked(self, Py_ssize_t u, list places, Py_ssize_t[::1] rows):
        """Sort the first places by `rescore`; their rows are given, or are the places themselves."""
        cdef Py_ssize_t place, head = min(self.model.head, len(places))
        cdef TopK again = TopK(head)
        for place in places[:head]:
            again.offer(self.model.rescore(u, place if rows is None else rows[place]), place)
        return again.places() + places[head:]

    @property
    def n_events(self):
        """Number of ratings learned."""
        self.require_constructed()
        return self.encoder.n_events

    def _save(self):
        self.require_constructed()
        cdef IdEncoder encoder = self.encoder
        counts = [encoder.n_events, self.n_skipped_targets, encoder.users.evicted, encoder.users.shared,
                  encoder.items.evicted, encoder.items.shared]
        return {**encoder.save(), "counts": np.array(counts, dtype=np.int64), **self.model.save()}

    def _restore(self, **state):
        self.require_constructed()
        counts = state["counts"]
        if len(counts) != 6 or (counts < 0).any():
            raise ValueError("The state's `counts` must be 6 numbers >= 0.")
        n_events, n_skipped, users_evicted, users_shared, items_evicted, items_shared = counts.tolist()
        self.encoder.restore(state, n_events, (users_evicted, items_evicted), (users_shared, items_shared))
        self.model.restore(state)
        self.n_skipped_targets = n_skipped


cdef void scan(RecommenderModel model, Py_ssize_t u, const char* left_out, Py_ssize_t n, TopK best) noexcept nogil:
    """Offer all items but those left out, of `n` rows, to `best`."""
    cdef double scores[BLOCK]
    cdef Py_ssize_t begin = 1, count, i
    while begin < n:
        count = n - begin if n - begin < BLOCK else BLOCK
        model.score_items(u, begin, count, scores)
        for i in range(count):
            # Most items are worse than all of the best so far; of equal ones, the first rows win.
            if (best.n < best.k or scores[i] > best.heap[0].score) and not left_out[begin + i]:
                best.offer(scores[i], begin + i)
        begin += count
