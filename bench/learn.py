"""Time predict_one + learn_one of our learners beside River's and scikit-learn's, on the same events.

A new line of the table is one function that returns a `Driver` for a fresh model, and one `Peer` in `rows`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import click
from harness import Driver, Peer, Row, Target, as_json, as_table, command_line, environment, measure, notes
from streams import ratings, regression, regression_arrays

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.optim import SGD, Adam, Optimizer

LIBRARIES = ("edgedescent", "numpy", "river", "scikit-learn", "scipy")


# --- Peers: one function each, that makes a fresh model -------------------------------------------


def _learn_dicts(model: Any) -> Callable[[Sequence[Any]], None]:
    """Make the loop that ours and River's regressors share, line for line."""
    predict_one, learn_one = model.predict_one, model.learn_one

    def learn(events: Sequence[Any]) -> None:
        for x, y in events:
            predict_one(x)
            learn_one(x, y)

    return learn


def ours_linear(optimizer: Optimizer) -> Driver:
    model = LinearRegressor(optimizer=optimizer)
    return Driver(_learn_dicts(model), lambda event: model.predict_one(event[0]))


def river_linear(optimizer: str) -> Driver:
    from river import linear_model, optim, preprocessing

    # As in the documentation of its LinearRegression, scaler and intercept rate included.
    step = {"SGD": optim.SGD, "Adam": optim.Adam}[optimizer](0.01)
    model = preprocessing.StandardScaler() | linear_model.LinearRegression(optimizer=step, intercept_lr=0.1)
    return Driver(_learn_dicts(model), lambda event: model.predict_one(event[0]))


def sklearn_linear() -> Driver:
    from sklearn.linear_model import SGDRegressor
    from sklearn.preprocessing import StandardScaler

    scaler, model = StandardScaler(), SGDRegressor(random_state=1)

    def learn(events: Sequence[Any]) -> None:
        for x, y in events:
            row = x.reshape(1, -1)
            if hasattr(model, "coef_"):
                model.predict(scaler.transform(row))
            scaler.partial_fit(row)
            model.partial_fit(scaler.transform(row), [y])

    return Driver(learn, lambda event: float(model.predict(scaler.transform(event[0].reshape(1, -1)))[0]))


def _learn_ratings(model: Any) -> Callable[[Sequence[Any]], None]:
    """Make the loop that ours and River's recommenders share, line for line."""
    predict_one, learn_one = model.predict_one, model.learn_one

    def learn(events: Sequence[Any]) -> None:
        for user, item, y in events:
            predict_one(user, item)
            learn_one(user, item, y)

    return learn


def ours_factors() -> Driver:
    model = MatrixFactorization(n_factors=10)
    return Driver(_learn_ratings(model), lambda event: model.predict_one(event[0], event[1]))


def river_factors() -> Driver:
    from river import optim, reco

    # As in the documentation of its BiasedMF.
    model = reco.BiasedMF(
        n_factors=10,
        bias_optimizer=optim.SGD(0.025),
        latent_optimizer=optim.SGD(0.025),
        latent_initializer=optim.initializers.Normal(mu=0.0, sigma=0.1, seed=71),
    )
    return Driver(_learn_ratings(model), lambda event: float(model.predict_one(event[0], event[1])))


# --- Rows -----------------------------------------------------------------------------------------

TARGET = Target("River", at_least=15)


def linear_row(n_features: int, optimizer: Optimizer, share: float) -> Row:
    name = type(optimizer).__name__
    return Row(
        f"linear, {n_features} features, {name}",
        partial(regression, n_features),
        [
            Peer("EdgeDescent", partial(ours_linear, optimizer)),
            Peer(
                "River",
                partial(river_linear, name),
                note="StandardScaler | LinearRegression(intercept_lr=0.1), on the same dicts.",
            ),
            Peer(
                "scikit-learn",
                sklearn_linear,
                share=0.02,
                stream=partial(regression_arrays, n_features),
                note="StandardScaler and SGDRegressor (no Adam there), array rows, the first 1/50 of events.",
            ),
        ],
        TARGET,
        share,
    )


def factors_row() -> Row:
    return Row(
        "matrix factorization, k=10",
        ratings,
        [
            Peer("EdgeDescent", ours_factors, note="MatrixFactorization(n_factors=10), which steps by Adam."),
            Peer(
                "River",
                river_factors,
                note="BiasedMF(n_factors=10) with SGD(0.025).",
            ),
        ],
        TARGET,
    )


def rows() -> list[Row]:
    """Every line of the table."""
    return [
        linear_row(10, SGD(lr=0.01), share=1.0),
        linear_row(10, Adam(lr=0.01), share=1.0),
        # A hundred floats are 7 KB per event: fewer events, so that learning is measured and not paging.
        linear_row(100, SGD(lr=0.01), share=0.2),
        linear_row(100, Adam(lr=0.01), share=0.2),
        factors_row(),
    ]


# --- Command line ---------------------------------------------------------------------------------


@click.command(epilog="Example: python bench/learn.py --runs 9")
@click.option("--runs", type=click.IntRange(min=1), default=7, show_default=True, help="Interleaved runs.")
@click.option(
    "--events",
    type=click.IntRange(min=1000),
    default=20_000,
    show_default=True,
    help="Events per run; with 100 features a fifth of them.",
)
@click.option("--only", default="", help="Only the rows whose name holds this text, such as 'Adam'.")
@click.option("--quick", is_flag=True, help="3 runs of 4,000 events: a smoke test, not a figure to quote.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(runs: int, events: int, only: str, quick: bool, json_: bool) -> None:
    """Time predict_one + learn_one per event beside River and scikit-learn.

    Every learner gets the same events in the same order, prebuilt, a fresh model per run, a warm-up of 100
    events, and the garbage collector switched off. Exits with 1 if a row misses its target.
    """
    missing = [name for name in ("river", "sklearn") if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"This needs {' and '.join(missing)}. Install them with: pip install 'edgedescent[bench]'"
        )
    if quick:
        runs, events = 3, 4000
    chosen = [row for row in rows() if only.lower() in row.name.lower()]
    if not chosen:
        raise click.ClickException(f"No row holds {only!r}. There are: {'; '.join(row.name for row in rows())}")
    results = []
    for row in chosen:
        if not json_ and sys.stderr.isatty():
            click.echo(f"{row.name} …", err=True)
        results.append(measure(row, runs, events))
    ran_on = environment(LIBRARIES)
    if json_:
        click.echo(as_json(results, ran_on, command_line()))
    else:
        click.echo(f"predict_one + learn_one, medians of {runs} interleaved runs\n")
        click.echo(as_table(results))
        click.echo("\nerror: mean absolute error on 200 further events, relative to predicting their mean.")
        for note in notes(results):
            click.echo(note)
        click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if all(result.passed for result in results) else 1)


if __name__ == "__main__":
    main()
