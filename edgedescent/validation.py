"""Declared parameters and their validation: constructors, the configuration and the documentation share them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
import textwrap
import types
import typing
from collections.abc import Hashable, Iterator, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, SupportsFloat, cast

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.dataframes import is_frame, read_series


class Parameter(NamedTuple):
    """One declared parameter of a class."""

    name: str
    kind: Any
    """Type without its bounds."""
    meta: Meta
    """Bounds and description."""
    default: Any
    """Default, or `dataclasses.MISSING`."""


class Declared:
    """Base of classes whose hyper-parameters are declared as the fields of a dataclass.

    A subclass is a dataclass with a field ``name: Annotated[type, Meta(ge=0, description="...")] = default`` for each
    parameter. The constructor validates every field, and the section Args of the docstring is made from them.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Blur(Declared):
        ...     width: typing.Annotated[float, Meta(gt=0, description="standard deviation of the kernel")] = 1.0
        >>> Blur(width=-3)
        Traceback (most recent call last):
        ...
        ValueError: The `width` of Blur must be > 0. Got -3.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if text := cls.__dict__.get("__doc__"):
            cls.__doc__ = _DocstringWithArgs(text)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        validate_fields(self)


class _DocstringWithArgs:
    """Descriptor for the docstring of a class, to which it adds the section Args when it is read.

    The fields of a dataclass are not there yet when its class is made.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __get__(self, _: object, owner: type) -> str:
        if "__dataclass_fields__" in vars(owner) and "__match_args__" not in vars(owner):
            # `dataclass` asks only whether there is one, of each class, while the classes are made: at every start.
            return self._text
        args = describe_parameters(owner)
        if not args:
            return self._text
        text = inspect.cleandoc(self._text)
        # Before the section that follows it in Google style, or at the end.
        section = re.search(r"^(Raises|Example|References):$", text, re.MULTILINE)
        at = section.start() if section else len(text)
        return f"{text[:at].rstrip()}\n\n{args}\n\n{text[at:]}".rstrip() + "\n"


def parameters(kind: type) -> Mapping[str, Parameter]:
    """Declared parameters of a class by name, its own before those that it inherits; none if it is no dataclass.

    Example:
        >>> from edgedescent.optim import SGD
        >>> list(parameters(SGD))
        ['lr', 'schedule', 'clip_value', 'clip_norm', 'average_rate']
    """
    return _declared(cast("Hashable", kind))


@functools.cache
def _declared(kind: Any) -> Mapping[str, Parameter]:
    # Cached, because resolving annotations takes longer than making a learner.
    if not dataclasses.is_dataclass(kind):
        return {}
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    bases = [base for base in cast("type", kind).__mro__[1:] if dataclasses.is_dataclass(base)]
    inherited = {field.name for base in bases for field in dataclasses.fields(base)}
    ordered = sorted(fields, key=lambda field: field.name in inherited)
    return {field.name: Parameter(field.name, *_split(hints[field.name]), field.default) for field in ordered}


def validate_fields(instance: Any) -> None:
    """Validate the declared parameters of an instance; a list becomes a tuple.

    Raises:
        ValueError: If one is out of its range or of another type; names class, parameter and bounds.
    """
    for name, parameter in parameters(type(instance)).items():
        value = getattr(instance, name)
        checked = _validated(instance, name, value, parameter.kind, parameter.meta)
        if checked is not value:
            object.__setattr__(instance, name, checked)


def describe_parameters(kind: type) -> str:
    """Section of the documentation of a class that lists its parameters, in Google style; empty if it declares none.

    Args:
        kind: The class.

    Example:
        >>> from edgedescent.losses import QuantileLoss
        >>> describe_parameters(QuantileLoss).splitlines()[1].strip()
        'q: Share of the targets that shall lie below the prediction; > 0 and < 1; default 0.5.'
    """
    wrap = functools.partial(textwrap.fill, width=110, initial_indent="    ", subsequent_indent="        ")
    lines = [wrap(f"{name}: {_description(parameter)}") for name, parameter in parameters(kind).items()]
    return "\n".join(["Args:", *lines]) if lines else ""


def _description(parameter: Parameter) -> str:
    parts = [parameter.meta.description or "See the base class"]
    if bounds := " and ".join(_bounds(parameter.kind, parameter.meta)):
        parts.append(bounds)
    if parameter.default is not dataclasses.MISSING:
        parts.append(f"default {parameter.default!r}")
    return "; ".join(parts) + "."


def _bounds(kind: Any, meta: Meta) -> Iterator[str]:
    if typing.get_origin(kind) is Literal:
        yield "one of " + ", ".join(map(repr, typing.get_args(kind)))
    limits = ((meta.gt, ">"), (meta.ge, ">="), (meta.lt, "<"), (meta.le, "<="))
    yield from (
        f"{sign} {limit:g}" if isinstance(limit, float) else f"{sign} {limit}"
        for limit, sign in limits
        if limit is not None
    )
    if meta.max_length is not None:
        yield f"{meta.min_length or 0} to {meta.max_length} values"


def _split(hint: Any) -> tuple[Any, Meta]:
    """Type and bounds of an annotation."""
    if typing.get_origin(hint) is typing.Annotated:
        kind, *extras = typing.get_args(hint)
        return kind, next((extra for extra in extras if isinstance(extra, Meta)), Meta())
    return hint, Meta()


def _validated(owner: object, name: str, value: Any, kind: Any, meta: Meta) -> Any:
    """A valid value; a list as a tuple."""
    origin, members = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union) and type(None) in members:
        if value is None:
            return value
        (kind,) = (member for member in members if member is not type(None))
        origin, members = typing.get_origin(kind), typing.get_args(kind)
    if kind is float:
        require_number(
            owner,
            name,
            value,
            above=-math.inf if meta.gt is None else meta.gt,
            below=math.inf if meta.lt is None else meta.lt,
            at_least=-math.inf if meta.ge is None else meta.ge,
            at_most=math.inf if meta.le is None else meta.le,
        )
    elif kind is int:
        require_count(
            owner,
            name,
            value,
            at_least=0 if meta.ge is None else int(meta.ge),
            at_most=None if meta.le is None else int(meta.le),
        )
    elif origin is Literal:
        require_choice(owner, name, value, members)
    elif origin is tuple:
        # A string is a sequence of strings too, but not one that was meant.
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise ValueError(f"The `{name}` of {_name_of(owner)} must be a sequence. Got {value!r}.")
        if not (meta.min_length or 0) <= len(value) <= (len(value) if meta.max_length is None else meta.max_length):
            raise ValueError(
                f"The `{name}` of {_name_of(owner)} must be {meta.min_length or 0} to {meta.max_length} values. "
                f"Got {value!r}."
            )
        item, item_meta = _split(members[0])
        checked = tuple(_validated(owner, name, each, item, item_meta) for each in value)
        # The same object where it is right already: scikit-learn refuses constructors that change what they are given.
        return value if checked == value else checked
    elif isinstance(kind, type):
        require_instance(owner, name, value, kind)
    return value


def require_number(
    owner: object,
    name: str,
    value: object,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    at_least: float = -math.inf,
    at_most: float = math.inf,
) -> None:
    """Raise ValueError unless `value` is a finite number within the bounds.

    >>> require_number("Adam", "lr", -3, above=0)
    Traceback (most recent call last):
    ...
    ValueError: The `lr` of Adam must be > 0. Got -3.
    """
    bounds = [
        text
        for given, text in (
            (above, f"> {above:g}"),
            (at_least, f">= {at_least:g}"),
            (below, f"< {below:g}"),
            (at_most, f"<= {at_most:g}"),
        )
        if math.isfinite(given)
    ]
    expected = " and ".join(bounds) if bounds else "a finite number"
    number = _to_float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan
    if not (math.isfinite(number) and above < number < below and at_least <= number <= at_most):
        raise ValueError(f"The `{name}` of {_name_of(owner)} must be {expected}. Got {value!r}.")


def require_count(owner: object, name: str, value: object, *, at_least: int = 0, at_most: int | None = None) -> None:
    """Raise ValueError unless `value` is an integer within the bounds.

    >>> require_count("MatrixFactorization", "n_factors", 2.5, at_least=1)
    Traceback (most recent call last):
    ...
    ValueError: The `n_factors` of MatrixFactorization must be an integer >= 1. Got 2.5.
    """
    whole = int(value) if not isinstance(value, bool) and isinstance(value, Integral) else None
    if whole is None or whole < at_least or (at_most is not None and whole > at_most):
        limit = "" if at_most is None else f" and <= {at_most}"
        raise ValueError(f"The `{name}` of {_name_of(owner)} must be an integer >= {at_least}{limit}. Got {value!r}.")


def require_choice(owner: object, name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of the choices.

    >>> require_choice("LinearRegressor", "when_full", "drop", ("evict", "share"))
    Traceback (most recent call last):
    ...
    ValueError: The `when_full` of LinearRegressor must be one of 'evict', 'share'. Got 'drop'.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"The `{name}` of {_name_of(owner)} must be one of {listed}. Got {value!r}.")


def require_instance(owner: object, name: str, value: object, kind: type) -> None:
    """Raise ValueError unless `value` is an instance of `kind`.

    >>> require_instance("LinearRegressor", "l2", "no", float)
    Traceback (most recent call last):
    ...
    ValueError: The `l2` of LinearRegressor must be an instance of float. Got 'no'.
    """
    if not isinstance(value, kind):
        raise ValueError(  # noqa: TRY004 - every wrong hyper-parameter raises the same error
            f"The `{name}` of {_name_of(owner)} must be an instance of {kind.__name__}. Got {value!r}."
        )


def as_table(name: str, values: object, ndim: int = 2) -> NDArray[Any]:
    """Return `values` as an array of any type, with None for what a mask hides.

    Raises:
        ValueError: If they do not have `ndim` dimensions, or are a sparse matrix.

    >>> as_table("X", np.ma.masked_equal([[1, 2]], 2)).tolist()
    [[1, None]]
    """
    if hasattr(values, "tocoo"):
        raise ValueError(f"The `{name}` must be an array. Got a sparse matrix: give `toarray()` of it.")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"The `{name}` must be an array of {ndim} dimensions. {error}") from None
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        array = array.astype(object)
        array[np.ma.getmaskarray(values)] = None
    if array.size == 0 and array.ndim < ndim:
        array = array.reshape((0,) * ndim)
    if array.ndim != ndim:
        hint = " Reshape your data, by X.reshape(-1, 1) if it is one feature." if (ndim, array.ndim) == (2, 1) else ""
        raise ValueError(f"The `{name}` must be an array of {ndim} dimensions. Got {array.ndim}.{hint}")
    return array


def as_numbers(name: str, values: object, ndim: int) -> NDArray[np.float64]:
    """Return `values` as a contiguous array of floats, perhaps read-only, with NaN for None and for what is masked.

    Args:
        name: Name of the values in error messages.
        values: Array, nested sequence, or with `ndim` 1 also a column of a data frame.
        ndim: Number of dimensions.

    Raises:
        ValueError: If they hold anything but real numbers, or do not have `ndim` dimensions.

    >>> as_numbers("y", [1, None, True], ndim=1)
    array([ 1., nan,  1.])
    >>> as_numbers("y", ["1.5"], ndim=1)
    Traceback (most recent call last):
    ...
    ValueError: The `y` must hold real numbers. Got np.str_('1.5').
    """
    if ndim == 1 and is_frame(values):
        values = read_series(name, values)
    array = as_table(name, values, ndim)
    if array.dtype.kind == "O":
        for value in array.flat:
            if value is not None and not isinstance(value, Real | np.bool_ | Decimal):
                raise ValueError(f"The `{name}` must hold real numbers. Got {value!r:.80}.")
        floats = [math.nan if value is None else _to_float(value) for value in array.flat]
        array = np.array(floats).reshape(array.shape)
    elif array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: the `{name}` must hold real numbers. Got {array.dtype}.")
    elif array.dtype.kind not in "biuf" and array.size:
        # NumPy would parse text and count the days of a date.
        hint = " Give what matters of a time as numbers, such as its hour." if array.dtype.kind in "mM" else ""
        raise ValueError(f"The `{name}` must hold real numbers. Got {array.flat[0]!r:.80}.{hint}")
    return np.ascontiguousarray(array, dtype=np.float64)


def _to_float(value: SupportsFloat) -> float:
    try:
        return float(value)
    except OverflowError:
        # An integer or fraction beyond the largest float.
        return math.inf


def _name_of(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__
