"""Forecasts from the latest labels alone: last value, means and seasonal values."""
from edgedescent.ensemble._label_history cimport LabelHistory
from edgedescent.ensemble._member cimport Member

cdef enum:
    FORECASTS = 8

cdef class Forecasts(Member):
    cdef readonly LabelHistory history
