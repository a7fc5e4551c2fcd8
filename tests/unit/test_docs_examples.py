"""Every example in a docstring does what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = [
    *("edgedescent", "edgedescent_mqtt", "edgedescent_onnx", "edgedescent_river", "edgedescent_sparkplug"),
    "edgedescent_sims",
]


def modules() -> list[str]:
    """All modules of all packages but those that are meant to be run."""
    names = []
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        names += [package, *(m.name for m in pkgutil.walk_packages(path, f"{package}."))]
    return [name for name in names if not name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_examples(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in PACKAGES:
            raise
        pytest.skip(f"{error.name} is not installed")
    flags = doctest.NORMALIZE_WHITESPACE
    outcome = doctest.testmod(module, optionflags=flags)
    assert outcome.failed == 0


def test_the_main_names_have_examples() -> None:
    finder = doctest.DocTestFinder()
    for name in ("edgedescent", "edgedescent.optim.adam", "edgedescent.optim.sgd", "edgedescent.losses.huber"):
        assert any(test.examples for test in finder.find(importlib.import_module(name))), name
