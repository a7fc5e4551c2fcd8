"""Learn a linear model one event at a time, and score each prediction before its label is known.

The demand of a shop depends on the temperature and on the weekday. The model starts with no knowledge, standardizes
the features itself, and needs no second pass over the data.
"""

from __future__ import annotations

import random

from edgedescent import LinearRegressor

numbers = random.Random(7)
model = LinearRegressor()
errors = []

for day in range(1500):
    x = {"temp": numbers.gauss(15, 8), "weekend": day % 7 >= 5}
    demand = 120 + 3.0 * x["temp"] + (40 if x["weekend"] else 0) + numbers.gauss(0, 2)

    forecast = model.predict_one(x)
    errors.append(abs(forecast - demand))
    model.learn_one(x, demand)

first, last = errors[:100], errors[-100:]
print(f"Mean absolute error, first 100 days: {sum(first) / 100:.1f}")
print(f"Mean absolute error, last 100 days: {sum(last) / 100:.1f}")
