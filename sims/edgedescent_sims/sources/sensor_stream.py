"""Generator of a plausible device: daily cycles, sensors with a memory, and a mode of operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from edgedescent_sims.sources.batch import Column
from edgedescent_sims.sources.generator import Generator, Numbers, Sampler

DAY_S = 86_400.0
MODES = ("eco", "normal", "boost")
_EFFECTS = np.array([-2.0, 0.0, 4.0])


@dataclass(kw_only=True, eq=False)
class SensorStream(Generator):
    """Power of a cooling device by outside temperature, load and mode, with daily cycles; the last states matter.

    With the time of day h in hours, and AR(1) noise a_t = memory · a_{t-1} + N(0, 1) of its own in each sensor:

    ::

        temp_t = 18 + 7 sin(2π (h - 9) / 24) + ½ a_t
        load_t = 10 + 4 sin(2π (h - 6) / 24) + 2 sin(4π (h - 6) / 24) + a_t
        optimum = 5 + 0.6 load_t + 0.3 load_{t-1} + 0.4 max(temp_{t-1} - 20, 0) + effect(mode)

    The effect of the modes eco, normal and boost is -2, 0 and 4. The mode changes with the probability `switch` at
    each event. Features are ``hour``, ``temp``, ``load``, the last states ``temp_last`` and ``load_last``, which the
    first event lacks, and the category ``mode``.

    Example:
        >>> first, second = SensorStream(n_events=2).events()
        >>> list(first["x"]), list(second["x"])
        (['hour', 'temp', 'load', 'mode'], ['hour', 'temp', 'load', 'temp_last', 'load_last', 'mode'])
    """

    noise: Annotated[float, Meta(ge=0.0, description="Standard deviation of the noise in the label")] = 0.5
    interval_s: Annotated[float, Meta(gt=0.0, description="Seconds from one event to the next")] = 600.0
    memory: Annotated[float, Meta(ge=0.0, lt=1.0, description="Coefficient of the AR(1) noise of the sensors")] = 0.9
    switch: Annotated[float, Meta(ge=0.0, le=1.0, description="Probability that the mode changes at an event")] = 0.01

    def sampler(self) -> Sampler:
        """Return a function that draws the next events."""
        temp_noise, load_noise = self._ar1(self.rng(1)), self._ar1(self.rng(2))
        next_modes = self._modes(self.rng(3))
        temp_before = load_before = np.nan

        def sample(times: Numbers) -> tuple[dict[str, Column], Numbers]:
            nonlocal temp_before, load_before
            hour = times % DAY_S / 3600.0
            angle = 2 * np.pi / 24 * hour
            temp = 18.0 + 7.0 * np.sin(angle - 0.75 * np.pi) + 0.5 * temp_noise(len(times))
            load = 10.0 + 4.0 * np.sin(angle - 0.5 * np.pi) + 2.0 * np.sin(2 * angle - np.pi) + load_noise(len(times))
            temp_last, load_last = np.append(temp_before, temp[:-1]), np.append(load_before, load[:-1])
            temp_before, load_before = temp[-1], load[-1]
            modes = next_modes(len(times))
            # The first event has no state before it: its own counts twice.
            states = np.where(np.isnan(load_last), load, load_last), np.where(np.isnan(temp_last), temp, temp_last)
            optimum = 5.0 + 0.6 * load + 0.3 * states[0] + 0.4 * np.maximum(states[1] - 20.0, 0.0) + _EFFECTS[modes]
            columns: dict[str, Column] = {"hour": hour, "temp": temp, "load": load}
            columns |= {"temp_last": temp_last, "load_last": load_last}
            return {**columns, "mode": np.array(MODES, dtype=object)[modes]}, optimum

        return sample

    def _ar1(self, rng: np.random.Generator) -> Callable[[int], Numbers]:
        """Autoregressive noise of first order, started in its stationary distribution."""
        value = float(rng.standard_normal()) / (1.0 - self.memory**2) ** 0.5

        def draw(count: int) -> Numbers:
            nonlocal value
            values = []
            for shock in rng.standard_normal(count).tolist():
                value = self.memory * value + shock
                values.append(value)
            return np.array(values)

        return draw

    def _modes(self, rng: np.random.Generator) -> Callable[[int], np.ndarray]:
        """Places in `MODES`; a change goes to one of the two others."""
        mode = 1

        def draw(count: int) -> np.ndarray:
            nonlocal mode
            draws = rng.random((count, 2))
            steps = np.where(draws[:, 0] < self.switch, 1 + (draws[:, 1] < 0.5), 0)
            modes = (mode + np.cumsum(steps)) % len(MODES)
            mode = int(modes[-1])
            return modes

        return draw
