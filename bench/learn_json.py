"""Rows of `learn.py`: linear learners on a file of JSON, beside Vowpal Wabbit's driver on its own format."""

from __future__ import annotations

import mmap
from functools import partial
from typing import Any

import msgspec
from harness import Driver, Peer, Row, Target
from learn_peers import OURS, SHARES, Optimizer, river_linear_model
from streams import Lines, regression_json, regression_vw, vw_line

from edgedescent import LinearRegressor, learn_lines
from edgedescent.optim import Adam


def ours_from_json(optimizer: Optimizer) -> Driver:
    model = LinearRegressor(optimizer=optimizer)

    def learn(lines: Lines) -> None:
        with lines.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            learn_lines(model, text)

    return Driver(learn, lambda event: model.predict_one(event[0]))


def river_from_json(optimizer: str) -> Driver:
    model = river_linear_model(optimizer)
    decode = msgspec.json.Decoder().decode

    def learn(lines: Lines) -> None:
        with lines.path.open("rb") as file:
            for line in file:
                event = decode(line)
                model.predict_one(event["x"])
                model.learn_one(event["x"], event["y"])

    return Driver(learn, lambda event: float(model.predict_one(event[0])))


def vw_driver() -> Driver:
    """Vowpal Wabbit's own driver: what its command line runs, reading the file in a thread of its own."""
    import vowpalwabbit

    last: list[Any] = []

    def learn(lines: Lines) -> None:
        # It learns the whole file before it returns.
        last[:] = [vowpalwabbit.Workspace(arg_list=["--quiet", "--no_stdin", "--data", str(lines.path)])]

    return Driver(learn, lambda event: float(last[0].predict(vw_line(event[0]))))


def json_row(n_features: int) -> Row:
    optimizer = Adam(lr=0.01)
    return Row(
        f"JSON, linear, {n_features} features, Adam",
        partial(regression_json, n_features),
        [
            Peer(OURS, partial(ours_from_json, optimizer), note="From JSON: a file of one event per line, six digits."),
            Peer(
                "VW's driver",
                vw_driver,
                stream=partial(regression_vw, n_features),
                note="The same events in its own text format, read by its own driver and parser thread, with its "
                "default learner; run through vowpalwabbit.Workspace, as the wheel brings no `vw` program.",
                needs="vowpalwabbit",
            ),
            Peer("River", partial(river_from_json, "Adam"), share=0.2),
        ],
        Target("VW's driver", at_least=1.0),
        # Starting takes the driver milliseconds, which more events spread thinner.
        2.5 * SHARES[n_features],
    )
