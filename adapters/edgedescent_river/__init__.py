"""River adapter: EdgeDescent's learners as estimators of River, and River's models as learners.

The import registers the learners with River:

>>> import edgedescent_river
>>> from edgedescent import LinearRegressor
>>> from river import datasets, evaluate, metrics, preprocessing
>>> model = preprocessing.StandardScaler() | LinearRegressor()
>>> mae = evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE())
>>> mae.get() < 1.0
True

River is large, so nothing in `edgedescent` imports this package.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from river import base, reco

from edgedescent import (
    BPR,
    AutoRecommender,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
)
from edgedescent.assembly import Deriver
from edgedescent.learners import Learner
from edgedescent_river.recommender import RiverRecommender
from edgedescent_river.regressor import RiverRegressor

__all__ = ["LogisticClassifier", "RiverAdapter", "RiverRecommender", "RiverRegressor"]

# Methods that River's functions and pipelines call on an estimator besides learning and predicting. They need only
# the constructor's signature and attributes of the same names, which our learners have too.
_BORROWED = (
    "__or__",
    "__ror__",
    "_is_stochastic",
    "_memory_usage",
    "_mutable_attributes",
    "_raw_memory_usage",
    "_repr_html_",
    "_supervised",
    "_unit_test_params",
    "mutate",
)


class LogisticClassifier(LogisticRegressor):
    """Logistic regression with the interface of River's classifiers: `predict_one` returns the likelier label.

    Parameters and learning are those of `LogisticRegressor`. `predict_proba_one` returns the probabilities.

    Example:
        >>> from edgedescent_river import LogisticClassifier
        >>> from river import datasets, evaluate, metrics
        >>> accuracy = evaluate.progressive_val_score(datasets.Phishing(), LogisticClassifier(), metrics.Accuracy())
        >>> accuracy.get() > 0.85
        True
    """

    _multiclass: ClassVar[bool] = False

    def predict_one(self, x: Mapping[str, Any]) -> bool:
        """Return True if that label is likelier than False; the state stays as it is."""
        return self.predict_proba_one(x)[True] > 0.5


class RiverAdapter:
    """Registration of the learners as virtual subclasses of River's abstract classes.

    The regressors become `river.base.Regressor`, `LogisticClassifier` a `river.base.Classifier`, and the recommenders
    `river.reco.base.Ranker`, so that `isinstance` holds, and all get the methods that River expects of an estimator.
    Their learning and predictions do not change. `edgedescent.assembly.Deriver` becomes a `river.base.Transformer`.
    """

    regressors: ClassVar[tuple[type[Learner], ...]] = (LinearRegressor, FactorizationMachine, MLPRegressor)
    classifiers: ClassVar[tuple[type[Learner], ...]] = (LogisticClassifier,)
    rankers: ClassVar[tuple[type[Learner], ...]] = (AutoRecommender, MatrixFactorization, BPR)

    @classmethod
    def register(cls) -> None:
        """Register every learner. The import of this package calls it; another call changes nothing."""
        members = {name: inspect.getattr_static(base.Estimator, name) for name in _BORROWED}
        own = {
            "__str__": _name,
            "_get_params": _parameters,
            "_unit_test_skips": _checks_to_skip,
            "_tags": property(_tags),
        }
        for name, member in {**members, **own}.items():
            setattr(Learner, name, member)
        for ranker in cls.rankers:
            for name, member in {"rank": _rank, "is_contextual": property(_is_contextual)}.items():
                setattr(ranker, name, member)
        for kinds, parent in (
            (cls.regressors, base.Regressor),
            (cls.classifiers, base.Classifier),
            (cls.rankers, reco.base.Ranker),
        ):
            for kind in kinds:
                parent.register(kind)
        for name, member in {**members, "__str__": _name}.items():
            if name != "_supervised":
                setattr(Deriver, name, member)
        base.Transformer.register(Deriver)


def _name(step: Learner | Deriver) -> str:
    """Return the title of a step where River draws or debugs a pipeline."""
    return type(step).__name__


def _tags(_learner: Learner) -> set[str]:
    # River's own collects them from `_more_tags`, a name that scikit-learn refuses in an estimator.
    return set()


def _parameters(learner: Learner) -> dict[str, Any]:
    # To River a tuple among parameters is an estimator and its parameters, even if it is empty. Learners with tuples
    # accept lists as well.
    return {name: list(v) if isinstance(v, tuple) else v for name, v in learner.get_params().items()}


def _checks_to_skip(learner: Learner) -> set[str]:
    # River allows only plain values as defaults, because all instances share a mutable default. Our default optimizers
    # and losses are frozen dataclasses, which cannot change.
    skips = {"check_init_default_params_are_not_mutable"}
    # An event of a ranker is a user and an item, from which River's own rankers cannot drop features either.
    return skips | reco.base.Ranker._unit_test_skips(learner) if learner.input_kind == "ratings" else skips


def _is_contextual(_ranker: Learner) -> bool:
    return False


def _rank(
    ranker: Any,
    user: str | int,
    items: Iterable[str | int],
    x: Any = None,  # noqa: ARG001 - River's signature
) -> list[str | int]:
    """Return the given items by decreasing prediction for `user`.

    Args:
        ranker: The learner that this is a method of.
        user: An id; for an unknown one the items' biases alone decide.
        items: Ids to order.
        x: Context that River passes to contextual rankers; not used.

    Raises:
        ValueError: If an id is neither a string nor an integer.
    """
    return sorted(items, key=lambda item: ranker.predict_one(user, item), reverse=True)


RiverAdapter.register()
