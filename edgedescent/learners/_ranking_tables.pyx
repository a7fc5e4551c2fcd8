"""Tables of a ranking model, with which others can compute its scores: what an exported file holds."""
import numpy as np

from edgedescent.learners._ranking_model cimport RankingModel
from edgedescent.ranking._choice_weights cimport FEATURES_MAX
from edgedescent.ranking._pair_table cimport PairTable


def ranking_tables(RankingModel model not None):
    """Return the tables that give the scores of a ranking model, row 0 being that of unknown ids.

    ::

        first score = Σ_b first_b x_ib                  score = Σ_b weights_ub x_ib

    Returns:
        ``items``: popularities and age of the items, shape (n_items, n_dense). ``weights``: weights of all features,
        the dense ones first, shape (n_users, n_dense + 7). ``first``: weights by which the head is found. ``together``
        and ``following``, where the model has them: rows of the neighbours of each item, 0 for none, and their
        parts in the sparse features, of shape (n_items, depth) and (n_items, depth, 1 or 3).
    """
    cdef Py_ssize_t n_items = model.encoder.items.size(), n_users = model.encoder.users.size(), row, f
    cdef float[:, ::1] items = np.zeros((n_items, model.n_dense), dtype=np.float32)
    cdef float[:, ::1] weights = np.zeros((n_users, model.n_features), dtype=np.float32)
    cdef float x[FEATURES_MAX]
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
    cdef float count, shrinkage = <float>model.shrinkage
    for h in range(n_items):
        for place in range(table.depth):
            at = h * table.depth + place
            j = table.neighbour(at, model.encoder.items.assigned_at)
            if j:
                count = table.weights[at] * <float>(1.0 / table.units[0])
                rows[h, place] = <int>j
                parts[h, place, 0] = count * model.inverse_roots[h] * model.inverse_roots[j] * count / (count + shrinkage)
    return np.asarray(rows), np.asarray(parts)


cdef tuple following_parts(RankingModel model, Py_ssize_t n_items):
    """Rows of the followers, and m(h, i) / (m(h) + shrinkage) over each horizon."""
    cdef PairTable table = model.following
    cdef Py_ssize_t n = table.n_horizons, h, place, at, j, g
    cdef int[:, ::1] rows = np.zeros((n_items, table.depth), dtype=np.int32)
    cdef float[:, :, ::1] parts = np.zeros((n_items, table.depth, n), dtype=np.float32)
    cdef float inverse
    for h in range(n_items):
        for place in range(table.depth):
            at = h * table.depth + place
            j = table.neighbour(at, model.encoder.items.assigned_at)
            if j == 0:
                continue
            rows[h, place] = <int>j
            for g in range(n):
                inverse = <float>1.0 / (table.totals[h * n + g] + <float>(model.shrinkage * table.units[g]))
                parts[h, place, g] = table.weights[at * n + g] * inverse
    return np.asarray(rows), np.asarray(parts)
