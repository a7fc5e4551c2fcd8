"""Griffe extension: the project's docstrings in the form that the site's Markdown takes."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import reduce
from pathlib import Path
from typing import Any

import griffe

from edgedescent.validation import parameters

EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
SESSION = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
LITERAL = re.compile(r"^ *::\n", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Finds the docstrings of compiled code, and rewrites what Google's form and Markdown write differently.

    A stub (`.pyi`) has types but no docstrings; those are read from the compiled module. Declared parameters are listed
    in the docstring of the imported class only, which is read too. A section `Example` becomes
    `Examples`, which is laid out as an interpreter's session; a session that stands outside of one becomes a block of
    code. The mark `::` before an indented block is dropped: in Markdown the indentation alone says that it is code.
    """

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Complete the docstring of each object that Griffe finds."""
        if obj.docstring is None and isinstance(obj.filepath, Path) and obj.filepath.suffix == ".pyi":
            obj.docstring = compiled_docstring(obj)
        elif obj.is_class and obj.docstring is not None and (text := declared_docstring(obj)):
            obj.docstring.value = text
        if obj.docstring is not None:
            text = EXAMPLE.sub("Examples:", obj.docstring.value)
            text = SESSION.sub(r"```pycon\n\g<0>\n```", text)
            obj.docstring.value = LITERAL.sub("", text)


def declared_docstring(obj: griffe.Object) -> str | None:
    """Return the docstring of a class with declared parameters: its section Args is made when it is imported."""
    kind = getattr(importlib.import_module(obj.module.path), obj.name, None)
    # A plain subclass inherits its parameters at run time, where Griffe does not see them.
    declares = isinstance(kind, type) and "__dataclass_fields__" in vars(kind)
    return inspect.getdoc(kind) if declares and parameters(kind) else None


def compiled_docstring(obj: griffe.Object) -> griffe.Docstring | None:
    """Return the docstring that the compiled module has for a function, a class or the module of a stub."""
    if obj.is_attribute:
        return None
    inner = obj.path.removeprefix(obj.module.path).strip(".")
    names = inner.split(".") if inner else []
    text = inspect.getdoc(reduce(getattr, names, importlib.import_module(obj.module.path)))
    return griffe.Docstring(text, parent=obj) if text else None
