"""Specifications of River's models in a configuration file, and conversion to objects and back.

::

    "linear_model.LinearRegression"                       a class of River, with its default parameters
    { type = "linear_model.LinearRegression", l2 = 0.1 }  a class with parameters, which may be specifications again
    [ "preprocessing.StandardScaler", … ]                 a pipeline
"""

from __future__ import annotations

import collections
import collections.abc
import functools
import importlib
import inspect
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from river import compose

from edgedescent.config import Variable
from edgedescent.errors import did_you_mean
from edgedescent_river.allowed import PACKAGES
from edgedescent_river.ordered import Select

Specification = str | list[Any] | dict[str, Any]

_PATH = re.compile(rf"({'|'.join(PACKAGES)})(\.[A-Za-z_]\w*)+")
_SEQUENCES = re.compile(r"\b(list|set|tuple|dict|Sequence|Iterable|Collection|Mapping)\b")
_TEXTS = re.compile(r"\bFeatureName\b|^[^.]*\bstr\b[^.]*$")


def build(specification: Specification, *, seed: int) -> Any:
    """Return the object of River that a specification describes.

    Args:
        specification: Path of a class below ``river``, a table with such a ``type``, or a list for a pipeline.
        seed: Seed of every part that draws random numbers and has no seed of its own. Without one, such a part would
            learn something else after a restart.

    Raises:
        ValueError: If it is not valid; names the place in the specification, the value, and what was expected.

    >>> model = build(["preprocessing.StandardScaler", {"type": "linear_model.LinearRegression", "l2": 0.1}], seed=1)
    >>> model["LinearRegression"].l2
    0.1
    """
    made = _Builder(seed).value(specification, "model", "")
    if type(made).__module__.partition(".")[0] not in ("river", "edgedescent_river"):
        raise _wrong("model", specification, "the path of a class of River, a table with a `type`, or a list of those")
    return made


def _wrong(path: str, value: object, expected: str, hint: str = "") -> ValueError:
    return ValueError(f"`{path}` is {value!r:.80}: expected {expected}.{' ' if hint else ''}{hint}")


class _Builder:
    def __init__(self, seed: int) -> None:
        self.seed = seed

    def value(self, value: Any, path: str, annotation: str) -> Any:
        if isinstance(value, Variable):
            value = value.parsed()
        if isinstance(value, str):
            return self.named(value, path, annotation)
        if isinstance(value, Mapping):
            if "type" in value:
                return self.table(value, path)
            return {key: self.value(item, f"{path}.{key}", "") for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, bytes):
            inner = _SEQUENCES.sub("", annotation)
            items = [self.value(item, f"{path}[{i}]", inner) for i, item in enumerate(value)]
            is_pipeline = items and not _SEQUENCES.search(annotation) and all(map(_is_specification, value))
            return self.call(compose.Pipeline, items, {}, path) if is_pipeline else items
        if isinstance(value, bool | int | float):
            return value
        raise _wrong(path, value, "a number, a text, a list or a table")

    def named(self, text: str, path: str, annotation: str) -> Any:
        """Return the object or function of River that the text is the path of, or the text itself if it is no path."""
        is_root = path == "model" or re.fullmatch(r"model(\[\d+\])+", path) is not None
        if not is_root and (_TEXTS.search(annotation) or not _PATH.fullmatch(text)):
            return text
        found = find(text, path)
        return self.call(found, [], {}, path) if isinstance(found, type) else found

    def table(self, table: Mapping[str, Any], path: str) -> Any:
        kind = find(table["type"], f"{path}.type")
        if not isinstance(kind, type):
            raise _wrong(f"{path}.type", table["type"], "the path of a class")
        parameters = _parameters(kind)
        named = {name: p for name, p in parameters.items() if p.kind is not inspect.Parameter.VAR_KEYWORD}
        positional: list[Any] = []
        arguments: dict[str, Any] = {}
        for key, given in table.items():
            if key == "type":
                continue
            if key not in named and len(named) == len(parameters):
                choices = f"one of {', '.join(named)}" if named else "none"
                hint = did_you_mean(key, named)
                raise ValueError(
                    f"`{path}.{key}` is not a parameter of {table['type']}: expected {choices}. {hint}".rstrip()
                )
            parameter = named.get(key)
            annotation = str(parameter.annotation) if parameter and parameter.annotation is not parameter.empty else ""
            if parameter is not None and parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                if isinstance(given, str) or not isinstance(given, Sequence):
                    raise _wrong(f"{path}.{key}", given, "a list")
                positional = [self.value(item, f"{path}.{key}[{i}]", annotation) for i, item in enumerate(given)]
                continue
            made = self.value(given, f"{path}.{key}", annotation)
            if parameter is not None and not _fits(made, _expected_type(kind, parameter)):
                wanted = annotation or type(parameter.default).__name__
                raise _wrong(f"{path}.{key}", given, wanted.replace("typing.", ""))
            arguments[key] = made
        return self.call(kind, positional, arguments, path)

    def call(self, kind: type, positional: list[Any], arguments: dict[str, Any], path: str) -> Any:
        parameters = _parameters(kind)
        if inspect.isabstract(kind):
            raise ValueError(f"`{path}` is {kind.__name__}, which is abstract: expected a class that is complete.")
        seed = parameters.get("seed")
        if seed is not None and seed.default is None:
            arguments = {"seed": self.seed, **arguments}
        for name, parameter in parameters.items():
            if (
                parameter.default is parameter.empty
                and name not in arguments
                and parameter.kind
                in (
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    inspect.Parameter.KEYWORD_ONLY,
                )
            ):
                raise ValueError(f"`{path}.{name}` is missing: {kind.__name__} has no default for it.")
        try:
            return (Select if kind is compose.Select else kind)(*positional, **arguments)
        except Exception as error:
            # River checks few arguments, and raises errors of any kind.
            raise ValueError(f"`{path}`: River's {kind.__name__} cannot be made: {error!r:.200}.") from error


def find(text: Any, path: str) -> Any:
    """Return the public class or function of River at a path such as ``linear_model.LinearRegression``.

    Raises:
        ValueError: If there is none; `path` is the place in the specification.
    """
    if not isinstance(text, str) or not text:
        raise _wrong(path, text, "the path of a class of River, such as 'linear_model.LinearRegression'")
    *packages, name = text.split(".")
    if not packages or packages[0] not in PACKAGES:
        asked = packages[0] if packages else name
        raise _wrong(path, text, "the path of a class in a package of River", did_you_mean(asked, PACKAGES))
    module = importlib.import_module(f"river.{packages[0]}")
    for number, part in enumerate(packages[1:], start=2):
        if not isinstance(getattr(module, part, None), types.ModuleType) or part not in _public(module):
            raise _wrong(path, text, f"a name of river.{'.'.join(packages[: number - 1])}", _near(part, module))
        module = importlib.import_module(f"river.{'.'.join(packages[:number])}")
    thing = getattr(module, name, None)
    if name not in _public(module) or not isinstance(thing, type | types.FunctionType | types.BuiltinFunctionType):
        raise _wrong(path, text, f"a name of river.{'.'.join(packages)}", _near(name, module))
    return thing


def _public(module: types.ModuleType) -> list[str]:
    return list(getattr(module, "__all__", ()))


def _near(name: str, module: types.ModuleType) -> str:
    return did_you_mean(name, _public(module))


def _is_specification(value: Any) -> bool:
    if isinstance(value, str):
        return _PATH.fullmatch(value) is not None
    return "type" in value if isinstance(value, Mapping) else isinstance(value, list)


@functools.cache
def _parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    parameters = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    own = {name: p for name, p in parameters.items() if name != "self"}
    # A class without a constructor has no parameters, although the signature of `object` has some.
    return {} if kind.__init__ is object.__init__ else own  # type: ignore[misc]


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(kind.__init__)  # type: ignore[misc]
    except (NameError, TypeError, AttributeError):
        # River imports some names for type checkers alone.
        return {}


def _expected_type(kind: type, parameter: inspect.Parameter) -> Any:
    # Without an annotation, text in the place of a number would only fail at the first event.
    guess = (
        float | int if isinstance(parameter.default, int | float) and parameter.annotation is parameter.empty else Any
    )
    return _hints(kind).get(parameter.name, guess)


def _fits(value: Any, hint: Any) -> bool:
    """Return False if a value is surely not of the type that a parameter is annotated with."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, member) for member in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    hint = origin or hint
    if isinstance(value, list) and hint in (set, tuple, collections.abc.Iterable, collections.abc.Sequence):
        return True
    if hint is float:
        return isinstance(value, float | int)
    if hint is Any or not isinstance(hint, type) or typing.is_typeddict(hint):
        return True
    return isinstance(value, hint)


def describe(thing: Any, path: str = "model") -> Any:  # noqa: PLR0911 - one for each kind
    """Return the specification of an object of River: its class and the parameters that differ from their defaults.

    Raises:
        ValueError: If a parameter cannot be written into a file.

    >>> from river import linear_model, preprocessing
    >>> describe(preprocessing.StandardScaler() | linear_model.PARegressor(C=0.1))
    ['preprocessing.StandardScaler', {'type': 'linear_model.PARegressor', 'C': 0.1}]
    """
    if isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, list | tuple):
        return [describe(item, f"{path}[{i}]") for i, item in enumerate(thing)]
    if isinstance(thing, set | frozenset):
        return [describe(item, path) for item in sorted(thing)]
    if type(thing) is dict and all(type(key) is str for key in thing) and "type" not in thing:
        return {key: describe(item, f"{path}.{key}") for key, item in thing.items()}
    if isinstance(thing, types.FunctionType | types.BuiltinFunctionType):
        return _path_of(thing, path)
    if type(thing) is compose.Pipeline:
        return [describe(step, f"{path}[{i}]") for i, step in enumerate(thing.steps.values())]
    name, table = _path_of(type(thing), path), {}
    kind: Any = type(thing)
    for key, parameter in _parameters(kind).items():
        value = getattr(thing, key, None)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            table.update({name: describe(item, f"{path}.{name}") for name, item in (value or {}).items()})
            continue
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            value = list(value.values()) if isinstance(value, dict) else list(value or ())
        if (value is None and parameter.default is None) or value is parameter.default:
            continue
        if isinstance(value, bool | int | float | str) and value == parameter.default:
            continue
        if isinstance(value, types.BuiltinFunctionType | collections.deque) and parameter.default is None:
            # River sets these itself where no argument is given.
            continue
        table[key] = describe(value, f"{path}.{key}")
    return {"type": name, **table} if table else name


def _path_of(thing: Any, path: str) -> str:
    if thing is Select:
        thing = compose.Select
    root, *parts = str(thing.__module__).split(".")
    if root == "river" and parts and parts[0] in PACKAGES:
        for length in range(1, len(parts) + 1):
            module = importlib.import_module(".".join([root, *parts[:length]]))
            if thing.__name__ in _public(module) and getattr(module, thing.__name__) is thing:
                return ".".join([*parts[:length], thing.__name__])
    raise ValueError(f"`{path}` is {thing!r:.80}: expected something public of River, which a specification can name.")
