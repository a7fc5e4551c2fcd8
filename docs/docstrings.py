"""Griffe extension: the project's docstrings in the form that the site's Markdown takes."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
SESSION = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
LITERAL = re.compile(r"^ *::\n", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites what Google's form and Markdown write differently.

    A section `Example` becomes `Examples`, which is laid out as an interpreter's session; a session that stands outside
    of one becomes a block of code. The mark `::` before an indented block is dropped: in Markdown the indentation
    alone says that it is code.
    """

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of each object that Griffe finds."""
        if obj.docstring is not None:
            text = EXAMPLE.sub("Examples:", obj.docstring.value)
            text = SESSION.sub(r"```pycon\n\g<0>\n```", text)
            obj.docstring.value = LITERAL.sub("", text)
