"""Declared parameters: one declaration serves constructors, messages and documentation."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from edgedescent import BPR, LinearRegressor, MLPRegressor
from edgedescent.optim import Adam, Optimizer
from edgedescent.validation import Declared, describe_parameters, parameters
from support.exported import LEARNERS, LOSSES, OPTIMIZERS, SCHEDULES

EXPORTED = [*LEARNERS, *OPTIMIZERS, *LOSSES, *SCHEDULES]


@dataclass(frozen=True, kw_only=True)
class Everything(Declared):
    """One parameter of each kind.

    Example:
        >>> Everything()
    """

    rate: Annotated[float, Meta(gt=0, le=1, description="Share of each")] = 0.5
    size: Annotated[int, Meta(ge=1, le=9)] = 3
    mode: Annotated[Literal["fast", "slow"], Meta(description="Speed")] = "fast"
    rule: Annotated[Optimizer, Meta(description="Step rule")] = Adam()  # noqa: RUF009 - immutable
    limit: Annotated[float | None, Meta(ge=0)] = None
    widths: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1, max_length=2)] = (4,)
    names: Annotated[tuple[str, ...], Meta()] = ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 0}, "The `rate` of Everything must be > 0 and <= 1. Got 0."),
        ({"rate": float("nan")}, "The `rate` of Everything must be > 0 and <= 1. Got nan."),
        ({"rate": None}, "The `rate` of Everything must be > 0 and <= 1. Got None."),
        ({"size": 0}, "The `size` of Everything must be an integer >= 1 and <= 9. Got 0."),
        ({"size": 2.5}, "The `size` of Everything must be an integer >= 1 and <= 9. Got 2.5."),
        ({"mode": "quick"}, "The `mode` of Everything must be one of 'fast', 'slow'. Got 'quick'."),
        ({"rule": "adam"}, "The `rule` of Everything must be an instance of Optimizer. Got 'adam'."),
        ({"limit": -1}, "The `limit` of Everything must be >= 0. Got -1."),
        ({"widths": ()}, "The `widths` of Everything must be 1 to 2 values. Got ()."),
        ({"widths": (0,)}, "The `widths` of Everything must be an integer >= 1. Got 0."),
        ({"names": "ab"}, "The `names` of Everything must be a sequence. Got 'ab'."),
        ({"names": [3]}, "The `names` of Everything must be an instance of str. Got 3."),
    ],
)
def test_what_is_out_of_range_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Everything(**change)
    assert str(caught.value) == message


def test_what_is_within_range_is_taken() -> None:
    made = Everything(rate=1, size=9, mode="slow", limit=0.0, widths=[1, 2], names=["a"])  # type: ignore[arg-type]
    assert (made.widths, made.names) == ((1, 2), ("a",))


def test_the_docstring_gets_its_arguments_before_the_next_section() -> None:
    text = inspect.getdoc(Everything)
    assert text is not None
    assert text.index("One parameter") < text.index("Args:\n") < text.index("Example:")
    assert "    rate: Share of each; > 0 and <= 1; default 0.5." in text.splitlines()


@pytest.mark.parametrize("kind", EXPORTED)
def test_every_parameter_is_described_and_has_a_default(kind: Any) -> None:
    for parameter in parameters(kind).values():
        assert parameter.meta.description, parameter.name
        assert parameter.default is not MISSING
    args = describe_parameters(kind)
    assert args in inspect.getdoc(kind) if args else not parameters(kind)
    assert list(parameters(kind)) == list(dict.fromkeys(parameters(kind)))


@pytest.mark.parametrize("kind", EXPORTED)
def test_parameters_are_given_by_name(kind: Any) -> None:
    if parameters(kind):
        with pytest.raises(TypeError, match="positional"):
            kind(next(iter(parameters(kind).values())).default)


@pytest.mark.parametrize("learner", [LinearRegressor(), MLPRegressor(hidden=(4,)), BPR()])
def test_a_parameter_cannot_be_set_after_construction(learner: Any) -> None:
    for name, value in learner.get_params().items():
        with pytest.raises(AttributeError) as caught:
            setattr(learner, name, value)
        assert str(caught.value) == (
            f"`{name}` of {type(learner).__name__} cannot be changed: "
            f"make a changed copy with clone({{{name!r}: {value!r}}})."
        )
    learner.note = "an attribute of another name"
