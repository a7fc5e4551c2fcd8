"""Members of an ensemble, made as their specification says."""
from edgedescent.ensemble._batch cimport Batch
from edgedescent.ensemble._evolution cimport Evolution
from edgedescent.ensemble._keyed_labels cimport KEY_LAGS, KeyedLabels
from edgedescent.ensemble._label_history cimport OWN_LAGS, LabelHistory

cdef enum:
    MEMBERS_MAX = 32
    # Lags of the label and of the key.
    LAGS = OWN_LAGS + KEY_LAGS

cdef dict make_members(parameters, LabelHistory history, KeyedLabels keyed, Batch batch)
cdef Evolution make_evolution(parameters, dict members)
