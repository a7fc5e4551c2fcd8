"""One learner on one file of events, in a process of its own: predictions and processor time as one line of JSON.

Started by adaptation.py with the interpreter of this or of another checkout, so it needs nothing but the class it is
told.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any


def main() -> None:
    """Read MODULE, CLASS and PARAMETERS as arguments and the events from standard input."""
    module, kind, parameters = sys.argv[1:]
    events: list[tuple[dict[str, Any], float]] = [(x, y) for x, y in json.load(sys.stdin)]
    step = getattr(importlib.import_module(module), kind)(**json.loads(parameters)).predict_learn_one
    start = time.process_time()
    predictions = [step(x, y) for x, y in events]
    elapsed_s = time.process_time() - start
    json.dump({"predictions": predictions, "us_per_event": elapsed_s * 1e6 / len(events)}, sys.stdout)


if __name__ == "__main__":
    main()
