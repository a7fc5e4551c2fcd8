"""Parity check of recommended items: the lists of an exported file against those of the live model."""

from __future__ import annotations

from collections.abc import Sequence

from edgedescent.errors import ExportError
from edgedescent.interfaces import ServesLists
from edgedescent.learners.recommender import Recommender

USERS_MAX = 50
"""Number of users whose lists are compared, the newest ones."""
PLACES = 10


def check_lists(
    learner: Recommender, exporter: ServesLists, model: bytes, users: Sequence[str | int], *, tolerance: float
) -> None:
    """Compare the lists of the newest users, with and without what they had.

    Lists may differ by items that the live model predicts alike: sums are rounded in another order by another runtime.

    Args:
        learner: The live model.
        exporter: The exporter that made the file and serves it.
        model: Content of the file.
        users: Users of recent events, the newest last.
        tolerance: Largest relative difference of the predictions of two items that may stand for each other; of the
            probability for and against, where predictions are probabilities.

    Raises:
        ExportError: If a list has another length or other items; it names the user and both lists.
    """
    newest = list(dict.fromkeys(reversed(users)))[:USERS_MAX]
    for exclude_seen in (False, True):
        served = exporter.recommend(model, newest, PLACES, exclude_seen=exclude_seen)
        for user, exported in zip(newest, served, strict=True):
            live = learner.recommend(user, PLACES, exclude_seen=exclude_seen)
            if not _agree(learner, user, live, exported, tolerance):
                raise ExportError(
                    f"The snapshot recommends {exported!s:.300} to the user {user!r:.80}, the live model "
                    f"{live!s:.300}. It was not published.",
                    "Please report it, with `[learner]` of the configuration and this message: the two should agree.",
                )


def _agree(
    learner: Recommender, user: str | int, live: Sequence[str], exported: Sequence[str], tolerance: float
) -> bool:
    if len(live) != len(exported):
        return False
    for a, b in zip(live, exported, strict=True):
        if a == b:
            continue
        one, other = learner.predict_one(user, a), learner.predict_one(user, b)
        size = abs(one) if learner.labels_are_amounts else min(one, 1.0 - one)
        if not abs(one - other) <= tolerance * size:
            return False
    return True
