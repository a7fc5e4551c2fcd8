"""Template of the answers of a configuration, checked with all that it must fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgedescent.errors import ConfigError, shown

if TYPE_CHECKING:
    from edgedescent.config.config import Config
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
        for horizon in config.marks:
            sensor_source(template, config, horizon)
    return template


def sensor_source(template: AnswerTemplate, config: Config, horizon_s: float | None) -> tuple[str, str]:
    """Topic of a sensor of Home Assistant, and the template by which it finds the prediction in an answer.

    Args:
        template: Template of the answers.
        config: The configuration.
        horizon_s: Horizon of the forecasts, of several; None for the only one.

    Raises:
        ConfigError: If it cannot.
    """
    topic = template.topic_of_horizon(horizon_s)
    if topic is None:
        raise ConfigError(
            f"`home_assistant.discovery` is true, but `topics.predictions` is {shown(config.topics.predictions)}: "
            "expected one topic for all answers, without {id} and {key}, which is one sensor."
        )
    if horizon_s is not None and "{horizon_s}" not in config.topics.predictions:
        raise ConfigError(
            f"`home_assistant.discovery` is true, but `topics.predictions` is {shown(config.topics.predictions)}: "
            "expected {horizon_s} in it, a topic for each horizon, which is one sensor."
        )
    path = (template.paths or {}).get("prediction")
    if path is None:
        raise ConfigError(
            f"`home_assistant.discovery` is true, but `predictions.payload` is {shown(config.predictions.payload)}: "
            "expected JSON that holds {prediction} as a number, or {prediction} alone."
        )
    steps = "".join(f"[{json.dumps(step)}]" for step in path)
    return topic, f"{{{{ value_json{steps} }}}}" if path else "{{ value }}"
