"""Recommenders of River as learners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from river import reco

from edgedescent.validation import as_numbers
from edgedescent_river.learner import RiverLearner, number, text
from edgedescent_river.specification import Specification


class RiverRecommender(RiverLearner):
    """Recommender of River as a learner.

    Ids are strings; an integer is the same id as its decimal digits. A rating that is not finite or larger than 1e30
    is not learned, and a prediction that is not finite is replaced by the mean of the ratings.

    Args:
        model: Path of a class below ``river``, a table with such a ``type`` and its parameters, or a recommender
            of River, whose parameters are used.
        seed: Seed of every part that draws random numbers and has no seed of its own; >= 0.
        state_bytes_max: Size of the state above which the model learns no more; measured every 100 events, and more
            rarely the larger it is; >= 1.

    Raises:
        ValueError: If a parameter is out of its range, or `model` names a class that does not exist or cannot be
            saved.

    Example:
        >>> from edgedescent_river import RiverRecommender
        >>> ranker = RiverRecommender({"type": "reco.BiasedMF", "n_factors": 4})
        >>> for _ in range(100):
        ...     ranker.learn_one("ann", "tea", 5.0)
        ...     ranker.learn_one("ann", "beer", 1.0)
        >>> ranker.rank("ann", ["beer", "tea"])
        ['tea', 'beer']
    """

    input_kind: ClassVar[Literal["features", "ratings"]] = "ratings"

    def __init__(self, model: Specification, seed: int = 1, state_bytes_max: int = 67_108_864) -> None:
        self._set_up(model, seed, state_bytes_max)

    def _check_kind(self, model: Any) -> None:
        if not isinstance(model, reco.base.Ranker):
            raise ValueError(  # noqa: TRY004 - every wrong hyper-parameter raises the same error
                f"`model` is River's {type(model).__name__}: expected one of river.reco."
            )

    def predict_one(self, user: str | int, item: str | int) -> float:
        """Return the predicted rating; the state stays as it is.

        Raises:
            TypeError: If an id is neither a string nor an integer.
            ValueError: If the model cannot predict the event.
        """
        return self._predict(_id("user", user), _id("item", item))

    def learn_one(self, user: str | int, item: str | int, y: float) -> None:
        """Learn one rating.

        Raises:
            TypeError: If an id is neither a string nor an integer, or the rating is not a number.
            ValueError: If the model cannot learn the event; it is then as it was before.
        """
        self._learn(0, number("The rating", y), _id("user", user), _id("item", item))

    def predict_learn_one(self, user: str | int, item: str | int, y: float) -> float:
        """Return the predicted rating, then learn the true one.

        Raises:
            TypeError: If an id is neither a string nor an integer, or the rating is not a number.
            ValueError: If the model cannot predict or learn the event; it is then as it was before.
        """
        rating = number("The rating", y)
        prediction = self.predict_one(user, item)
        self._learn(0, rating, _id("user", user), _id("item", item))
        return prediction

    def learn_many(self, users: Sequence[str | int], items: Sequence[str | int], y: ArrayLike) -> NDArray[np.float64]:
        """Predict, then learn each rating, in order; return the predictions.

        Raises:
            ValueError: If the lengths differ, or the model cannot learn a rating; those before it are learned.
        """
        ratings = as_numbers("y", y, 1).tolist()
        if not len(users) == len(items) == len(ratings):
            raise ValueError(f"{len(users)} users, {len(items)} items and {len(ratings)} ratings do not pair.")
        triples = zip(users, items, ratings, strict=True)
        return np.array([self.predict_learn_one(*triple) for triple in triples])

    def rank(self, user: str | int, items: Iterable[str | int]) -> list[str | int]:
        """Return the given items by decreasing prediction for `user`; ties keep their order.

        Raises:
            TypeError: If an id is neither a string nor an integer.
        """
        return sorted(items, key=lambda item: self.predict_one(user, item), reverse=True)


def _id(what: str, value: Any) -> str:
    if isinstance(value, str):
        return text(f"The {what} id", value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"The {what} id must be a string or an integer. Got {value!r:.80}.")
