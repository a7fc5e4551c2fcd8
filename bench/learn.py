"""Time predict and learn of our learners beside their peers, on the same events: as dicts, arrays, JSON and ratings.

A new line of the table is one function that returns a `Driver` for a fresh model, and one `Peer` in `rows`.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import click
import msgspec
import numpy as np
from harness import (
    Driver,
    Peer,
    Row,
    Target,
    as_json,
    as_table,
    command_line,
    environment,
    measure,
    notes,
    with_installed,
)
from plain import PlainLoop
from streams import (
    Arrays,
    Lines,
    asked_users,
    ratings,
    ratings_as_features,
    regression,
    regression_arrays,
    regression_json,
    regression_matrix,
    regression_vw,
    vw_line,
)

from edgedescent import FactorizationMachine, LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent.optim import SGD, Adam

LIBRARIES = ("edgedescent", "numpy", "msgspec", "river", "scikit-learn", "vowpalwabbit")
Optimizer = SGD | Adam


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


def _river_linear(optimizer: str) -> Any:
    from river import linear_model, optim, preprocessing

    # As in the documentation of its LinearRegression, scaler and intercept rate included.
    step = {"SGD": optim.SGD, "Adam": optim.Adam}[optimizer](0.01)
    return preprocessing.StandardScaler() | linear_model.LinearRegression(optimizer=step, intercept_lr=0.1)


def river_linear(optimizer: str) -> Driver:
    model = _river_linear(optimizer)
    return Driver(_learn_dicts(model), lambda event: float(model.predict_one(event[0])))


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


def vw_linear() -> Driver:
    import vowpalwabbit

    model = vowpalwabbit.Workspace("--quiet")

    def learn(events: Sequence[Any]) -> None:
        for x, y in events:
            # It predicts before it learns, and keeps the prediction in the example.
            example = model.parse(vw_line(x, y))
            model.learn(example)
            example.get_simplelabel_prediction()
            model.finish_example(example)

    return Driver(learn, lambda event: float(model.predict(vw_line(event[0]))))


def ours_on_arrays(optimizer: Optimizer) -> Driver:
    model = LinearRegressor(optimizer=optimizer)

    def learn(events: Arrays) -> None:
        model.learn_many(events.X, events.y)

    return Driver(learn, lambda event: float(model.predict_many(event[0].reshape(1, -1))[0]))


def plain_loop(n_features: int, optimizer: Optimizer) -> Driver:
    model = PlainLoop(n_features, isinstance(optimizer, Adam), optimizer.lr)

    def learn(events: Arrays) -> None:
        model.learn_many(events.X, events.y)

    return Driver(learn, None)


def check_same_bits(n_features: int, optimizer: Optimizer) -> None:
    """Raise an error unless the plain loop predicts the very same bits as our learner."""
    events = regression_matrix(n_features, 2000)
    model = LinearRegressor(optimizer=optimizer)
    loop = PlainLoop(n_features, isinstance(optimizer, Adam), optimizer.lr)
    if not np.array_equal(model.learn_many(events.X, events.y), loop.learn_many(events.X, events.y)):
        raise click.ClickException("The plain C loop and LinearRegressor.learn_many predict differently.")


def river_on_rows(n_features: int, optimizer: str) -> Driver:
    model = _river_linear(optimizer)
    names = [f"x{i}" for i in range(n_features)]

    def learn(events: Arrays) -> None:
        for row, y in zip(events.X.tolist(), events.y.tolist(), strict=True):
            x = dict(zip(names, row, strict=True))
            model.predict_one(x)
            model.learn_one(x, y)

    def predict(event: Any) -> float:
        return float(model.predict_one(dict(zip(names, event[0].tolist(), strict=True))))

    return Driver(learn, predict)


def ours_from_json(optimizer: Optimizer) -> Driver:
    model = LinearRegressor(optimizer=optimizer)

    def learn(lines: Lines) -> None:
        with lines.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            model.learn_lines(text)

    return Driver(learn, lambda event: model.predict_one(event[0]))


def river_from_json(optimizer: str) -> Driver:
    model = _river_linear(optimizer)
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


def ours_machine() -> Driver:
    model = FactorizationMachine(n_factors=10, features_max=10_000)
    return Driver(_learn_dicts(model), lambda event: model.predict_one(event[0]))


def river_machine() -> Driver:
    from river import facto

    # With its default optimizers; strings become categories, as with ours.
    model = facto.FMRegressor(n_factors=10, seed=71)
    return Driver(_learn_dicts(model), lambda event: float(model.predict_one(event[0])))


def ours_network(replay_steps: int) -> Driver:
    model = MLPRegressor(replay_steps=replay_steps)
    return Driver(_learn_dicts(model), lambda event: model.predict_one(event[0]))


def sklearn_network() -> Driver:
    from sklearn.neural_network import MLPRegressor as SklearnMLP
    from sklearn.preprocessing import StandardScaler

    scaler, model = StandardScaler(), SklearnMLP(hidden_layer_sizes=(64, 32), random_state=1)

    def learn(events: Sequence[Any]) -> None:
        for x, y in events:
            row = x.reshape(1, -1)
            if hasattr(model, "coefs_"):
                model.predict(scaler.transform(row))
            scaler.partial_fit(row)
            model.partial_fit(scaler.transform(row), [y])

    return Driver(learn, lambda event: float(model.predict(scaler.transform(event[0].reshape(1, -1)))[0]))


def ours_hashed() -> Driver:
    model = LinearRegressor(features_max=2**HASH_BITS, hash_bits=HASH_BITS)
    return Driver(_learn_dicts(model), lambda event: model.predict_one(event[0]))


def river_hashed() -> Driver:
    from river import linear_model, optim, preprocessing

    model = preprocessing.FeatureHasher(2**HASH_BITS) | linear_model.LinearRegression(optim.Adam(0.01))
    return Driver(_learn_dicts(model), lambda event: float(model.predict_one(event[0])))


def vw_hashed() -> Driver:
    import vowpalwabbit

    model = vowpalwabbit.Workspace(f"--quiet --bit_precision {HASH_BITS}")

    def learn(events: Sequence[Any]) -> None:
        for x, y in events:
            model.learn(f"{y!r} | " + " ".join([f"{name}={value}" for name, value in x.items()]))

    return Driver(learn, None)


# --- Recommending ---------------------------------------------------------------------------------

N_ITEMS, N_FACTORS, TOP = 10_000, 32, 10


def _ranker() -> MatrixFactorization:
    model = MatrixFactorization(n_factors=N_FACTORS)
    for i in range(N_ITEMS):
        model.learn_one(f"user-{i % 1000}", f"item-{i}", float(i * 7 % 11))
    return model


def ours_recommend() -> Driver:
    model = _ranker()

    def ask(users: Sequence[tuple[str, float]]) -> None:
        for user, _ in users:
            model.recommend(user, k=TOP)

    return Driver(ask, None)


def numpy_recommend() -> Driver:
    best = _best_by_numpy(_ranker())

    def ask(users: Sequence[tuple[str, float]]) -> None:
        for user, _ in users:
            best(user)

    return Driver(ask, None)


def _best_by_numpy(model: MatrixFactorization) -> Callable[[str], list[str]]:
    """What one would write on arrays: a product of matrix and vector, a partition, a sort of the few that are left."""
    rows = {user: row for row, user in enumerate(model.users.keys(), start=1)}
    p, q, keys = model.user_rows.serving, model.item_rows.serving[1 : N_ITEMS + 1], model.items.keys()
    biases, factors = np.ascontiguousarray(q[:, 0]), np.ascontiguousarray(q[:, 1:])

    def best(user: str) -> list[str]:
        scores = biases + factors @ p[rows[user], 1:]
        few = np.argpartition(-scores, TOP)[:TOP]
        return [keys[i] for i in few[np.argsort(-scores[few], kind="stable")]]

    return best


def check_same_items() -> None:
    """Raise an error unless both recommend the same."""
    model = _ranker()
    best = _best_by_numpy(model)
    for user, _ in asked_users(50):
        if model.recommend(user, k=TOP) != best(user):
            raise click.ClickException(f"MatrixFactorization.recommend and NumPy disagree on the best for {user}.")


# --- Rows -----------------------------------------------------------------------------------------

OURS = "EdgeDescent"
HASH_BITS = 16
# A hundred floats are 7 KB per event: fewer events, so that learning is measured and not paging.
SHARES = {10: 1.0, 100: 0.2}
SKLEARN_NOTE = "StandardScaler and SGDRegressor.partial_fit (no Adam there), row by row, the first 1/50 of events."


def sklearn_peer(n_features: int) -> Peer:
    stream = partial(regression_arrays, n_features)
    return Peer("scikit-learn", sklearn_linear, share=0.02, stream=stream, note=SKLEARN_NOTE)


def dicts_row(n_features: int, optimizer: Optimizer, at_least: float) -> Row:
    name = type(optimizer).__name__
    return Row(
        f"dicts, linear, {n_features} features, {name}",
        partial(regression, n_features),
        [
            Peer(OURS, partial(ours_linear, optimizer)),
            Peer("River", partial(river_linear, name), note="StandardScaler | LinearRegression(intercept_lr=0.1)."),
            Peer(
                "VW from Python",
                vw_linear,
                share=0.2,
                note="Its binding takes text, made here from the dict.",
                needs="vowpalwabbit",
            ),
            sklearn_peer(n_features),
        ],
        Target("River", at_least),
        SHARES[n_features],
    )


def arrays_row(n_features: int, optimizer: Optimizer) -> Row:
    name = type(optimizer).__name__
    return Row(
        f"arrays, linear, {n_features} features, {name}",
        partial(regression_matrix, n_features),
        [
            Peer(OURS, partial(ours_on_arrays, optimizer)),
            Peer(
                "plain C loop",
                partial(plain_loop, n_features, optimizer),
                note="bench/plain.c, compiled as the kernels are; it predicts the same bits, which was checked.",
            ),
            Peer("River", partial(river_on_rows, n_features, name), share=0.2),
            sklearn_peer(n_features),
        ],
        Target("plain C loop", at_least=0.5),
        SHARES[n_features],
        check=partial(check_same_bits, n_features, optimizer),
    )


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


def factors_row() -> Row:
    return Row(
        "matrix factorization, k=10",
        ratings,
        [
            Peer(OURS, ours_factors, note="MatrixFactorization(n_factors=10)."),
            Peer("River", river_factors, note="BiasedMF(n_factors=10) with SGD(0.025)."),
        ],
        Target("River", at_least=15),
    )


def machine_row() -> Row:
    return Row(
        "factorization machine, k=10",
        ratings_as_features,
        [
            Peer(OURS, ours_machine, note="FactorizationMachine(n_factors=10) on the same ratings as dicts."),
            Peer("River", river_machine, note="FMRegressor(n_factors=10)."),
        ],
        Target("River", at_least=30),
    )


def network_row() -> Row:
    return Row(
        "network with replay, 10 features",
        partial(regression, 10),
        [
            Peer(OURS, partial(ours_network, 8), note="MLPRegressor(): (64, 32) units, 9 steps per event."),
            Peer("ours without replay", partial(ours_network, 0), note="MLPRegressor(replay_steps=0)."),
            Peer(
                "scikit-learn",
                sklearn_network,
                share=0.2,
                stream=partial(regression_arrays, 10),
            ),
        ],
        # A hundred times as much arithmetic as that of the linear rows.
        share=0.1,
    )


def hashed_row() -> Row:
    return Row(
        f"dicts, linear, 2 categories hashed to {HASH_BITS} bits",
        ratings_as_features,
        [
            Peer(OURS, ours_hashed, note=f"LinearRegressor(hash_bits={HASH_BITS}) where categories are hashed."),
            Peer("River", river_hashed, note="FeatureHasher | LinearRegression(Adam(0.01)) there."),
            Peer("VW from Python", vw_hashed, share=0.2, needs="vowpalwabbit"),
        ],
    )


def recommend_row() -> Row:
    return Row(
        f"recommend {TOP} of {N_ITEMS:,} items, k={N_FACTORS}",
        asked_users,
        [
            Peer(OURS, ours_recommend, note="µs per call of recommend; there are no errors to compare."),
            Peer(
                "NumPy", numpy_recommend, note="biases + factors @ p, argpartition; the same items, which was checked."
            ),
        ],
        Target("NumPy", at_least=0.0, us_max=200.0),
        share=0.05,
        check=check_same_items,
    )


def rows() -> list[Row]:
    """Every line of the table."""
    sgd, adam = SGD(lr=0.01), Adam(lr=0.01)
    return [
        dicts_row(10, sgd, at_least=15),
        dicts_row(10, adam, at_least=20),
        dicts_row(100, sgd, at_least=15),
        dicts_row(100, adam, at_least=40),
        arrays_row(10, sgd),
        arrays_row(10, adam),
        arrays_row(100, sgd),
        arrays_row(100, adam),
        json_row(10),
        json_row(100),
        factors_row(),
        machine_row(),
        recommend_row(),
        network_row(),
        hashed_row(),
    ]


# --- Command line ---------------------------------------------------------------------------------


@click.command(epilog="Example: python bench/learn.py --runs 9")
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="Interleaved runs.")
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
    """Time predict and learn per event beside River, scikit-learn, Vowpal Wabbit, NumPy and a plain C loop.

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
    chosen = [with_installed(row) for row in rows() if only.lower() in row.name.lower()]
    if not chosen:
        raise click.ClickException(f"No row holds {only!r}. There are: {'; '.join(row.name for row in rows())}")
    results = []
    for row in chosen:
        if not json_ and sys.stderr.isatty():
            click.echo(f"{row.name} …", err=True)
        try:
            results.append(measure(row, runs, events))
        except RuntimeError as error:
            raise click.ClickException(str(error)) from error
    ran_on = environment(LIBRARIES)
    if json_:
        click.echo(as_json(results, ran_on, command_line()))
    else:
        click.echo(f"predict, then learn; medians of {runs} interleaved runs\n")
        click.echo(as_table(results))
        click.echo("\nerror: mean absolute error on 200 further events, relative to predicting their mean.")
        for note in notes(results):
            click.echo(note)
        click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if all(result.passed for result in results) else 1)


if __name__ == "__main__":
    main()
