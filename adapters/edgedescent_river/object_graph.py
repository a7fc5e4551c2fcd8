"""Serialization of River's objects without pickle: exact floats, shared objects and cycles.

A graph is written as MessagePack: a version, a list of nodes, and the root. A node is a list, a dict, a set, an array,
a generator of random numbers or an object; everything else is a value, written where it is used: plain numbers and
text, tuples, references to nodes, and names of classes and functions.

The parts of an object come from Python's protocol for copies (``__reduce_ex__``). On reading, only classes of River
and a few of the standard library (`edgedescent_river.allowed`) are called; nothing else is, whatever the bytes hold.
The same graph always gives the same bytes: sets are written in sorted order, and nodes in the order in which they are
reached.
"""

from __future__ import annotations

import copyreg
import random
import types
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np

from edgedescent_river.allowed import look_up, may_be_called, may_have_objects, name_of

VERSION = 1

# Kinds of nodes.
LIST, DICT, SET, ARRAY, GENERATOR, OBJECT = range(6)
# Kinds of values other than plain numbers and text.
REFERENCE, TUPLE, FROZENSET, INTEGER, NAME, SCALAR, METHOD, MAPPING, SEQUENCE = range(9)

ARRAY_KINDS = "biufc"
_NEW = vars(copyreg)["__newobj__"]
_PLAIN = (bool, float, str, bytes, type(None))
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1


class GraphError(ValueError):
    """Error about an object that cannot be saved, or about bytes that are not a saved graph; names the place."""


def encode(root: Any) -> bytes:
    """Return an object and all of its parts as bytes.

    Args:
        root: An object of River, or a container of such objects.

    Raises:
        GraphError: If a part of it cannot be saved; names the attributes that lead there.

    >>> decode(encode([1.5, "a", (2, None)]))
    [1.5, 'a', (2, None)]
    """
    return _Writer().write(root)


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.index: dict[int, int] = {}
        # The objects are kept, because `index` identifies them by their addresses. Their paths are for error messages.
        self.reached: list[tuple[Any, str]] = []

    def write(self, root: Any) -> bytes:
        start = self.value(root, "")
        # The list grows during the loop.
        for thing, path in self.reached:
            self.nodes.append(self.node(thing, path))
        try:
            return msgspec.msgpack.encode([VERSION, self.nodes, start])
        except (UnicodeEncodeError, OverflowError) as error:
            raise GraphError(f"A text in it cannot be saved: {error}.") from None

    def value(self, thing: Any, path: str) -> Any:  # noqa: PLR0911 - one for each kind
        kind = type(thing)
        if kind in _PLAIN:
            return thing
        if kind is int:
            return thing if _MIN_INT <= thing <= _MAX_INT else [INTEGER, hex(thing)]
        if kind is tuple:
            return [TUPLE, *(self.value(item, f"{path}[{i}]") for i, item in enumerate(thing))]
        if kind is frozenset:
            return [FROZENSET, *self.sorted(thing, path)]
        if isinstance(thing, np.generic) and thing.dtype.kind in ARRAY_KINDS:
            return [SCALAR, thing.dtype.str, thing.tobytes()]
        if isinstance(thing, type | types.FunctionType | types.BuiltinFunctionType):
            name = name_of(thing)
            if name is None:
                raise GraphError(f"`{path}` is {thing!r:.120}, which is not of River and has no name to save it by.")
            return [NAME, *name]
        if kind is types.MethodType:
            return [METHOD, self.value(thing.__self__, path), thing.__func__.__name__]
        return [REFERENCE, self.reference(thing, path)]

    def reference(self, thing: Any, path: str) -> int:
        known = self.index.get(id(thing))
        if known is None:
            known = self.index[id(thing)] = len(self.reached)
            self.reached.append((thing, path))
        return known

    def sorted(self, items: Iterable[Any], path: str) -> list[Any]:
        return sorted((self.key(item, path) for item in items), key=msgspec.msgpack.encode)

    def key(self, thing: Any, path: str) -> Any:
        value = self.value(thing, path)
        if isinstance(value, list) and _refers(value):
            raise GraphError(f"`{path}` has a {type(thing).__name__} for a key, which cannot be saved.")
        return value

    def node(self, thing: Any, path: str) -> list[Any]:
        kind = type(thing)
        if kind is list:
            return [LIST, *(self.value(item, f"{path}[{i}]") for i, item in enumerate(thing))]
        if kind is dict:
            return [DICT, *self.pairs(thing.items(), path)]
        if kind is set:
            return [SET, *self.sorted(thing, path)]
        if kind is np.ndarray:
            return self.array(thing, path)
        if kind is np.random.RandomState:
            return [GENERATOR, self.inline(thing.get_state(legacy=False), path)]
        if may_have_objects(kind):
            return self.object(thing, path)
        raise GraphError(f"`{path}` is a {kind.__module__}.{kind.__qualname__}, which cannot be saved.")

    def pairs(self, items: Iterable[tuple[Any, Any]], path: str) -> list[Any]:
        flat = []
        for key, item in items:
            flat += [self.key(key, path), self.value(item, f"{path}[{key!r:.40}]")]
        return flat

    def array(self, thing: np.ndarray[Any, Any], path: str) -> list[Any]:
        if thing.dtype.kind not in ARRAY_KINDS:
            raise GraphError(f"`{path}` is an array of {thing.dtype}, which cannot be saved.")
        fortran = thing.flags.f_contiguous and not thing.flags.c_contiguous
        order = "F" if fortran else "C"
        return [ARRAY, thing.dtype.str, order, list(thing.shape), thing.tobytes(order)]  # type: ignore[arg-type]

    def object(self, thing: Any, path: str) -> list[Any]:
        reduced = thing.__reduce_ex__(2)
        if not isinstance(reduced, tuple):
            raise GraphError(f"`{path}` is a {type(thing).__name__}, which cannot be saved.")
        build, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if build is _NEW:
            build, arguments, new = arguments[0], arguments[1:], True
        else:
            new = False
        if build is not type(thing) or not (new or may_be_called(build)):
            raise GraphError(f"`{path}` is a {type(thing).__name__} that is made by {build!r:.80}: it cannot be saved.")
        return [
            OBJECT,
            *self.value(build, path)[1:],
            new,
            [self.inline(argument, f"{path}({i})") for i, argument in enumerate(arguments)],
            self.state(state, path),
            [self.value(item, f"{path}[{i}]") for i, item in enumerate(items or ())],
            self.pairs(pairs or (), path),
        ]

    def state(self, state: Any, path: str) -> Any:
        """Return the state of an object; attributes are written one by one, so that errors can name them."""
        if type(state) is dict and all(type(name) is str for name in state):
            items = ((name, self.value(item, f"{path}.{name}".lstrip("."))) for name, item in state.items())
            return [MAPPING, *(part for pair in items for part in pair)]
        if type(state) is tuple and len(state) == 2 and all(part is None or type(part) is dict for part in state):
            return [TUPLE, *(None if part is None else self.state(part, path) for part in state)]
        return self.inline(state, path)

    def inline(self, thing: Any, path: str) -> Any:
        """Return containers that exist for the copy protocol alone, and are not shared, as values instead of nodes."""
        if type(thing) is dict:
            flat: list[Any] = [MAPPING]
            for key, item in thing.items():
                flat += [self.key(key, path), self.inline(item, f"{path}[{key!r:.40}]")]
            return flat
        if type(thing) is list:
            return [SEQUENCE, *(self.inline(item, path) for item in thing)]
        if type(thing) is tuple:
            return [TUPLE, *(self.inline(item, path) for item in thing)]
        return self.value(thing, path)


def _refers(value: list[Any]) -> bool:
    return value[0] in (REFERENCE, METHOD) or any(isinstance(part, list) and _refers(part) for part in value[1:])


def decode(data: bytes) -> Any:
    """Return the object that `encode` has written.

    Raises:
        GraphError: If the bytes are not a graph, or name something that is not allowed in one.
    """
    try:
        version, nodes, root = msgspec.msgpack.decode(data, type=tuple[int, list[list[Any]], Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GraphError(f"The saved model is damaged: {error}.") from None
    if version != VERSION:
        raise GraphError(f"The saved model has version {version}; this version of EdgeDescent reads {VERSION}.")
    reader = _Reader(nodes)
    try:
        made = reader.value(root)
        for number in range(len(nodes)):
            reader.make(number)
        for number in range(len(nodes)):
            reader.fill(number)
    except GraphError:
        raise
    except Exception as error:
        # Classes of River raise errors of any kind for a state that none of their objects can have.
        raise GraphError(f"The saved model is damaged: {type(error).__name__}: {error}.") from error
    return made


_MISSING = object()
_MAKING = object()


class _Reader:
    """Reader of a graph: makes every node empty first, then fills each, so that cycles can be restored."""

    def __init__(self, nodes: list[list[Any]]) -> None:
        self.nodes = nodes
        self.made: list[Any] = [_MISSING] * len(nodes)

    def value(self, value: Any) -> Any:  # noqa: PLR0911 - one for each kind
        if not isinstance(value, list):
            return value
        kind, *parts = value
        if kind == REFERENCE:
            (number,) = parts
            return self.make(_counted(number))
        if kind == TUPLE:
            return tuple(map(self.value, parts))
        if kind == FROZENSET:
            return frozenset(map(self.value, parts))
        if kind == INTEGER:
            return int(_text(*parts), 16)
        if kind == NAME:
            module, name = parts
            return look_up(_text(module), _text(name))
        if kind == SCALAR:
            dtype, data = parts
            return np.frombuffer(data, _dtype(dtype), 1)[0]
        if kind == METHOD:
            owner, name = self.value(parts[0]), _text(parts[1])
            function = getattr(type(owner) if not isinstance(owner, type) else owner, name)
            _require(may_have_objects(type(owner)) and isinstance(function, types.FunctionType), f"a method {name}")
            return types.MethodType(function, owner)
        if kind == MAPPING:
            _require(len(parts) % 2 == 0, "a mapping with a key too many")
            return dict(zip(map(self.value, parts[::2]), map(self.value, parts[1::2]), strict=True))
        _require(kind == SEQUENCE, f"a value of kind {kind}")
        return list(map(self.value, parts))

    def make(self, number: int) -> Any:
        _require(number < len(self.made), f"a reference to node {number} of {len(self.made)}")
        if self.made[number] is _MISSING:
            self.made[number] = _MAKING
            self.made[number] = self._empty(self.nodes[number])
        _require(self.made[number] is not _MAKING, f"a node {number} that is needed to make itself")
        return self.made[number]

    def _empty(self, node: list[Any]) -> Any:
        kind, *parts = node
        if kind in (LIST, DICT, SET):
            return {LIST: list, DICT: dict, SET: set}[kind]()
        if kind == ARRAY:
            dtype, order, shape, data = parts
            _require(order in ("C", "F") and all(_counted(n) >= 0 for n in shape), f"an array of shape {shape}")
            return np.frombuffer(data, _dtype(dtype)).reshape(shape, order=order).copy(order)
        if kind == GENERATOR:
            generator = np.random.RandomState()
            generator.set_state(self.value(*parts))
            return generator
        _require(kind == OBJECT, f"a node of kind {kind}")
        module, name, new, arguments = parts[:4]
        build = look_up(_text(module), _text(name))
        _require(may_have_objects(build) and (new is True or may_be_called(build)), f"an object of {module}.{name}")
        given = [self.value(argument) for argument in arguments]
        made = build.__new__(build, *given) if new is True else build(*given)
        _require(type(made) is build, f"an object of {module}.{name}")
        return made

    def fill(self, number: int) -> None:
        thing, (kind, *parts) = self.made[number], self.nodes[number]
        if kind == LIST:
            thing.extend(map(self.value, parts))
        elif kind == SET:
            thing.update(map(self.value, parts))
        elif kind == DICT:
            self._fill_pairs(thing, parts)
        elif kind == OBJECT:
            state, items, pairs = parts[4:]
            _set_state(thing, self.value(state))
            if items:
                thing.extend(map(self.value, items))
            self._fill_pairs(thing, pairs)

    def _fill_pairs(self, thing: Any, pairs: list[Any]) -> None:
        _require(len(pairs) % 2 == 0, "a dict with a key too many")
        for key, item in zip(pairs[::2], pairs[1::2], strict=True):
            thing[self.value(key)] = self.value(item)


def _set_state(thing: Any, state: Any) -> None:
    if state is None:
        return
    # `random.Random` has a method of its own for the result of `getstate`; others use that of copies.
    set_state: Callable[[Any], None] | None = getattr(thing, "__setstate__", None)
    if isinstance(thing, random.Random):
        thing.setstate(state)
    elif set_state is not None:
        set_state(state)
    else:
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        if attributes:
            thing.__dict__.update(attributes)
        for name, value in (slots or {}).items():
            setattr(thing, name, value)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise GraphError(f"The saved model is damaged: it has {what}.")


def _counted(value: Any) -> int:
    _require(type(value) is int and value >= 0, f"the number {value!r:.40}")
    return int(value)


def _text(value: Any) -> str:
    _require(type(value) is str, f"the name {value!r:.40}")
    return str(value)


def _dtype(text: Any) -> np.dtype[Any]:
    dtype = np.dtype(_text(text))
    _require(dtype.kind in ARRAY_KINDS, f"an array of {dtype}")
    return dtype
