"""Decoders of inputs, from what their tables name."""

from __future__ import annotations

from typing import Any

from edgedescent.errors import ConfigError
from edgedescent.formats import DECODERS, Decoder


def decoder_type(table: str | dict[str, Any], path: str) -> type[Decoder]:
    """Class of the decoder that an input names."""
    if isinstance(table, str):
        return DECODERS.find(table, path)
    return DECODERS.find(table.get("type"), f"{path}.type")


def build_decoder(table: str | dict[str, Any], path: str) -> Decoder:
    """Build the decoder that an input names.

    Raises:
        ConfigError: If there is none of this name, or it does not take these parameters.
    """
    parameters = {} if isinstance(table, str) else {name: value for name, value in table.items() if name != "type"}
    try:
        return decoder_type(table, path)(**parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"`{path}`: {error}") from None
