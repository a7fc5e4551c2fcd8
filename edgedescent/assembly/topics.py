"""Topic patterns: topic filters whose levels have names, such as ``zigbee2mqtt/{room}``."""

from __future__ import annotations

import re

from edgedescent.errors import ConfigError, shown

_LEVEL = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class TopicPattern:
    """Topic filter of MQTT in which a level in braces matches any one level and gives it a name.

    Args:
        text: The pattern: ``+`` matches one level, ``#`` at the end all further ones, ``{name}`` one that has a name.
        path: Path of the key, for error messages.

    Attributes:
        filter: Topic filter to subscribe to.
        names: Names of the levels, in order.

    Raises:
        ConfigError: If a wildcard or brace stands within a level, or two levels have one name.

    Example:
        >>> pattern = TopicPattern("zigbee2mqtt/{room}", "inputs.climate.topics[0]")
        >>> pattern.filter, pattern.match("zigbee2mqtt/kitchen"), pattern.match("zigbee2mqtt/bridge/state")
        ('zigbee2mqtt/+', {'room': 'kitchen'}, None)
    """

    def __init__(self, text: str, path: str) -> None:
        levels = text.split("/")
        self.names: tuple[str, ...] = ()
        parts = []
        for i, level in enumerate(levels):
            named = _LEVEL.fullmatch(level)
            if named:
                self.names += (named[1],)
                parts.append(f"(?P<{named[1]}>[^/]*)")
            elif level == "+":
                parts.append("[^/]*")
            elif level == "#" and i == len(levels) - 1:
                # "plant/#" matches "plant" too (MQTT 5, section 4.7.1.2).
                parts = [*parts[:-1], parts[-1] + "(?:/.*)?"] if parts else [".*"]
            elif not text or any(sign in level for sign in "+#{}\0"):
                raise ConfigError(
                    f"`{path}` is {shown(text)}: expected a topic, with +, # and {{name}} only as whole levels.",
                    'For example "zigbee2mqtt/{room}".',
                )
            else:
                parts.append(re.escape(level))
        if len(set(self.names)) < len(self.names):
            raise ConfigError(f"`{path}` is {shown(text)}: expected a different name for each level.")
        self.filter = _LEVEL.sub("+", text)
        # Topics of the broker's own are not matched by a wildcard at the beginning (section 4.7.2).
        guard = "(?![$])" if self.filter[:1] in ("+", "#") else ""
        self._match = re.compile(guard + "/".join(parts), re.DOTALL).fullmatch

    def match(self, topic: str) -> dict[str, str] | None:
        """Levels of a topic by their names; None if the pattern does not match it."""
        found = self._match(topic)
        return None if found is None else found.groupdict()
