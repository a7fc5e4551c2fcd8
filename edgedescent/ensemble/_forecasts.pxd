"""Forecasts from the latest labels alone: last value, means and seasonal values."""
from edgedescent.ensemble._keyed_labels cimport KeyedLabels
from edgedescent.ensemble._label_history cimport LabelHistory
from edgedescent.ensemble._member cimport Member

cdef enum:
    FORECASTS = 9

cdef class Forecasts(Member):
    cdef readonly LabelHistory history
    cdef readonly KeyedLabels keyed
