"""Learning recorded events from lines of JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgedescent.engine._loop import learn_each_line
from edgedescent.formats import JsonFormat
from edgedescent.formats._json_reader import JsonLines
from edgedescent.learners import Learner

if TYPE_CHECKING:
    from typing_extensions import Buffer


def learn_lines(model: Learner, lines: Buffer) -> NDArray[np.float64]:
    r"""Predict the event of each line of JSON, then learn from it, in order; returns the predictions.

    A line holds what a message to the daemon holds: ``{"x": {"temp": 20.1}, "y": 3.2}``. An event without a target is
    only predicted, and ids are ignored. Events of numbers alone never become Python objects, which makes this the
    fastest way to learn a recording.

    Args:
        model: any learner.
        lines: bytes, or another object that lends its memory, such as an ``mmap`` of a file. Blank lines are skipped.

    Returns:
        One prediction for each event.

    Raises:
        ValueError: if a line holds no usable event; it names the line. Those before it are learned.

    Example:
        >>> from edgedescent import LinearRegressor, learn_lines
        >>> learn_lines(LinearRegressor(), b'{"x": {"temp": 20.0}, "y": 3.0}\n{"x": {"temp": 21.0}, "y": 3.5}\n')
        array([0., 3.])
    """
    lines_format = JsonFormat(
        model.input_kind, payload_bytes_max=sys.maxsize, events_per_message_max=1, decimal_comma=model.decimal_comma
    )
    return learn_each_line(model, JsonLines(lines_format, lines))
