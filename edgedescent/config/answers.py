"""Template of the answers of a configuration, checked with all that it must fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgedescent.errors import ConfigError, shown

if TYPE_CHECKING:
    from edgedescent.config.tables import Config
    from edgedescent.config.templates import AnswerTemplate


def answer_template(config: Config) -> AnswerTemplate | None:
    """Template of the answers; None where they are as by default, in one message for all events of a message.

    Args:
        config: The configuration.

    Raises:
        ConfigError: If a template is wrong, an answer could go to another topic of the device, or Home Assistant could
            not find the prediction.
    """
    topic, payload = config.topics.predictions, config.predictions.payload
    if payload is None and "{" not in topic.replace("{device}", ""):
        return None
    # Devices without templates save the memory that it takes.
    from edgedescent.config.templates import AnswerTemplate

    template = AnswerTemplate(topic, payload, config.device)
    for key, own in config.own_topics().items():
        if key != "topics.predictions" and template.is_own(own):
            raise ConfigError(
                f"`topics.predictions` is {shown(topic)}: an answer could go to {shown(own)}, which is `{key}`.",
                "Give it a level of its own.",
            )
    if config.home_assistant.discovery:
        value_template(template, config)
    return template


def value_template(template: AnswerTemplate, config: Config) -> str:
    """Template by which Home Assistant finds the prediction in an answer.

    Args:
        template: Template of the answers.
        config: The configuration.

    Raises:
        ConfigError: If it cannot.
    """
    if template.varies:
        raise ConfigError(
            f"`home_assistant.discovery` is true, but `topics.predictions` is {shown(config.topics.predictions)}: "
            "expected one topic for all answers, without {id} and {key}, which is one sensor."
        )
    path = (template.paths or {}).get("prediction")
    if path is None:
        raise ConfigError(
            f"`home_assistant.discovery` is true, but `predictions.payload` is {shown(config.predictions.payload)}: "
            "expected JSON that holds {prediction} as a number, or {prediction} alone."
        )
    return f"{{{{ value_json{''.join(f'[{json.dumps(step)}]' for step in path)} }}}}" if path else "{{ value }}"
