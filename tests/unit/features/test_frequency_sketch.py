"""Counting of names that have no row, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from edgedescent.features._frequency_sketch import FrequencySketch


@pytest.mark.parametrize(("rows_max", "width"), [(2, 1024), (512, 1024), (513, 2048), (4097, 16_384), (25_001, 65_536)])
def test_it_has_eight_counters_for_each_row_and_at_most_sixteen(rows_max: int, width: int) -> None:
    assert FrequencySketch(rows_max).width == width


def test_a_state_is_as_large_as_the_sketch_or_empty() -> None:
    sketch = FrequencySketch(100)
    assert len(sketch.save()) == 0
    counters = np.arange(4096).astype(np.uint8) % 7
    sketch.restore(counters, 512)
    assert sketch.save().tolist() == counters.tolist()
    assert sketch.n_added == 512
    for wrong, n_added in ((counters[1:], 0), (counters, 513), (counters, -1), (counters[:0], 1)):
        with pytest.raises(ValueError, match="counts of new names"):
            sketch.restore(wrong, n_added)
    assert sketch.n_added == 512
