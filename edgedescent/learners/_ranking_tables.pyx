"""Parts of a ranking model's scores: its tables, which an exported file holds, and those of single items, which explain."""
import numpy as np

from edgedescent.learners._ranking_model cimport N_SPARSE, STRIDE, RankingModel
from edgedescent.ranking._choice_weights cimport FEATURES_MAX
from edgedescent.ranking._pair_table cimport PairTable


def ranking_tables(RankingModel model not None):
    """Return the tables that give the scores of a ranking model, row 0 being that of unknown ids.

    ::

        first score = Σ_b first_b x_ib                  score = Σ_b weights_ub x_ib

    Returns:
        ``items``: popularities and age of the items, shape (n_items, n_dense). ``weights``: weights of all features,
        the dense ones first, then 7 sparse ones, shape (n_users, n_features). ``first``: weights by which the head is
        found. ``together`` and ``following``, where the model has them: rows of the neighbours of each item, 0 for
        none, and their parts in the sparse features, of shape (n_items, depth) and (n_items, depth, 1 or 3).
        ``factors``, where there are any: those of users and items, and the biases of items; the weights of their
        scores are the last ones.
    """
    cdef Py_ssize_t n_items = model.encoder.items.size(), n_users = model.encoder.users.size(), row, f
    cdef float[:, ::1] items = np.zeros((n_items, model.n_dense), dtype=np.float32)
    cdef float[:, ::1] weights = np.zeros((n_users, model.n_features), dtype=np.float32)
    cdef float x[FEATURES_MAX]
    # The features of an item are those for the user who was read.
    model._read_user(0)
    for row in range(n_items):
        model._read_item(row, x)
        for f in range(model.n_dense):
            items[row, f] = x[f]
    for row in range(n_users):
        model._read_context(row)
        model.choice.combine(model.context, &weights[row, 0])
    # The context that was read last is not that of the user who was read.
    model.user_read = -1
    tables = {
        "items": np.asarray(items),
        "weights": np.asarray(weights),
        "first": np.array([model.first[f] for f in range(model.n_features)], dtype=np.float32),
        "roots": np.array([model.inverse_roots[row] for row in range(n_items)], dtype=np.float32),
    }
    if model.uses_factors:
        factors = model.factors.save(n_users, n_items)
        tables["factors"] = tuple(factors[f"factors.{name}"] for name in ("users", "items", "biases"))
    if model.uses_together:
        tables["together"] = cosine_parts(model, n_items)
    if model.uses_following:
        tables["following"] = following_parts(model, n_items)
    return tables


cdef tuple cosine_parts(RankingModel model, Py_ssize_t n_items):
    """Rows of the neighbours, and n(h, i) / sqrt(n(h) n(i)) · n(h, i) / (n(h, i) + shrinkage)."""
    cdef PairTable table = model.together
    cdef int[:, ::1] rows = np.zeros((n_items, table.depth), dtype=np.int32)
    cdef float[:, :, ::1] parts = np.zeros((n_items, table.depth, 1), dtype=np.float32)
    cdef Py_ssize_t h, place, at, j
    for h in range(n_items):
        for place in range(table.depth):
            at = h * table.depth + place
            j = table.neighbour(at, model.encoder.items.assigned_at)
            if j:
                rows[h, place] = <int>j
                parts[h, place, 0] = cosine(model, table.weights[at], h, j)
    return np.asarray(rows), np.asarray(parts)


cdef tuple following_parts(RankingModel model, Py_ssize_t n_items):
    """Rows of the followers, and m(h, i) / (m(h) + shrinkage) over each horizon."""
    cdef PairTable table = model.following
    cdef Py_ssize_t n = table.n_horizons, h, place, at, j, g
    cdef int[:, ::1] rows = np.zeros((n_items, table.depth), dtype=np.int32)
    cdef float[:, :, ::1] parts = np.zeros((n_items, table.depth, n), dtype=np.float32)
    for h in range(n_items):
        for place in range(table.depth):
            at = h * table.depth + place
            j = table.neighbour(at, model.encoder.items.assigned_at)
            if j == 0:
                continue
            rows[h, place] = <int>j
            for g in range(n):
                parts[h, place, g] = following_part(model, at, h, g)
    return np.asarray(rows), np.asarray(parts)


def neighbour_parts(RankingModel model not None, Py_ssize_t u, Py_ssize_t i):
    """Return the parts of a user's latest items in the score of an item, by row, the latest first.

    A sparse feature's part of the score is divided among the latest items as they add to the feature.
    """
    cdef const long long* assigned_at = model.encoder.items.assigned_at
    cdef Py_ssize_t p, h, at, f, size = model.encoder.seen.size(u) if u else 0, n = model.following.n_horizons, counted = 0
    cdef float root, decay = 1.0
    cdef double[:, ::1] added = np.zeros((size, N_SPARSE))
    cdef double[::1] parts = np.zeros(size)
    cdef double total
    rows = [model.encoder.seen.latest(u, p, assigned_at) for p in range(size)]
    for p in range(size):
        h = rows[p]
        if h == 0:
            continue
        root = model.inverse_roots[h]
        if model.uses_together and counted < model.latest and 0.0 < root < 1.0:
            counted += 1
            at = place_of(model.together, h, i, assigned_at)
            if at >= 0:
                added[p, 0] = cosine(model, model.together.weights[at], h, i)
        if model.uses_following and p < model.latest:
            at = place_of(model.following, h, i, assigned_at)
            for f in range(n if at >= 0 else 0):
                added[p, 2 + f] = decay * following_part(model, at, h, f)
            if at >= 0 and p == 0:
                added[p, 1] = added[p, 2]
        decay *= <float>0.8
    model._read_user(u)
    for f in range(2 + n):
        total = 0.0
        for p in range(size):
            total += added[p, f]
        if total > 0.0:
            for p in range(size):
                parts[p] += model.weights[model.n_dense + f] * model.sparse[i * STRIDE + f] * added[p, f] / total
    return {row: part for row, part in zip(rows, np.asarray(parts).tolist()) if row and row != i}


cdef Py_ssize_t place_of(PairTable table, Py_ssize_t h, Py_ssize_t i, const long long* assigned_at) noexcept nogil:
    """Place of an item among the neighbours of another; -1 if it is none."""
    cdef Py_ssize_t at
    for at in range(h * table.depth, (h + 1) * table.depth):
        if table.neighbour(at, assigned_at) == i:
            return at
    return -1


cdef float cosine(RankingModel model, float weight, Py_ssize_t h, Py_ssize_t j) noexcept nogil:
    cdef float count = weight * <float>(1.0 / model.together.units[0])
    return count * model.inverse_roots[h] * model.inverse_roots[j] * count / (count + <float>model.shrinkage)


cdef float following_part(RankingModel model, Py_ssize_t at, Py_ssize_t h, Py_ssize_t g) noexcept nogil:
    cdef Py_ssize_t n = model.following.n_horizons
    return model.following.weights[at * n + g] * (<float>1.0 / (
        model.following.totals[h * n + g] + <float>(model.shrinkage * model.following.units[g])))
