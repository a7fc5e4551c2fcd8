"""Packages that the demo needs beside EdgeDescent."""

from __future__ import annotations

import importlib.util

from edgedescent.errors import ConfigError
from edgedescent_sims.broker.process import find_mosquitto


def require_packages(*, with_river: bool) -> None:
    """Raise ConfigError, before anything is started, if a package that the demo needs is not installed.

    Args:
        with_river: True if the events come from a data set of River.
    """
    needed = ["onnx", "onnxruntime", *(["river"] if with_river else []), *([] if find_mosquitto() else ["amqtt"])]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if not missing:
        return
    hint = "Install them with: pip install 'edgedescent[demo]'"
    if missing == ["amqtt"]:
        hint = "Install it with: pip install 'edgedescent[demo]', or install the broker mosquitto"
    raise ConfigError(f"The demo needs packages that are not installed: {', '.join(missing)}.", f"{hint}.")
