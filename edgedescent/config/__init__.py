"""Configuration of the daemon: a TOML file, validated as a whole before anything starts.

Unknown keys are errors. Every error names the path of the key, its value and the expected one. Environment variables
override the file: ``EDGEDESCENT_BROKER__HOST=pump`` sets ``host`` of ``[broker]``. Two underscores separate a table
from its key. Where text is expected, a variable is used literally; everywhere else it is parsed as a TOML value.
"""

from edgedescent.config.answers import answer_template
from edgedescent.config.building import build, check_keys, convert
from edgedescent.config.config import Config
from edgedescent.config.loading import checksum, load
from edgedescent.config.recommend import Recommend
from edgedescent.config.tables import (
    OUTPUTS,
    Drift,
    HomeAssistant,
    Limits,
    Logs,
    Metrics,
    Predictions,
    Snapshots,
    State,
    Topics,
    address_of,
)
from edgedescent.config.values import Variable
from edgedescent.learners.description import describe

__all__ = [
    "OUTPUTS",
    "Config",
    "Drift",
    "HomeAssistant",
    "Limits",
    "Logs",
    "Metrics",
    "Predictions",
    "Recommend",
    "Snapshots",
    "State",
    "Topics",
    "Variable",
    "address_of",
    "answer_template",
    "build",
    "check_keys",
    "checksum",
    "convert",
    "describe",
    "load",
]
