"""Kinds of rows: how the value of a feature is standardized."""

cdef enum:
    # By the running mean and variance of its values.
    NUMERIC = 0
    # As 1.
    CATEGORICAL = 1
    # Relative to the only value that it has had, because the feature was absent at times.
    INDICATOR = 2
