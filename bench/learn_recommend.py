"""A row of `learn.py`: the best items for a user, beside what one would write in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
import numpy as np
from harness import Driver, Peer, Row, Target
from learn_peers import OURS
from streams import asked_users

from edgedescent import MatrixFactorization

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
    """NumPy's way: a product of matrix and vector, a partition, and a sort of the few that are left."""
    rows = {user: row for row, user in enumerate(model.encoder.users.keys(), start=1)}
    p, q, keys = (
        model.model.user_rows.serving,
        model.model.item_rows.serving[1 : N_ITEMS + 1],
        model.encoder.items.keys(),
    )
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
        Target("NumPy", at_least=1.5),
        share=0.05,
        check=check_same_items,
    )
