"""Contract checks for drift detectors, one function each; DETECTOR_CHECKS at the end lists them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np

from edgedescent.drift import Detection, Detector
from edgedescent.testing.optimizers import check_fields_are_validated, check_is_an_immutable_value
from edgedescent.testing.support import require, require_refused

N_EVENTS = 2000
EXTREMES = (-9e99, 9e99, 0.0, -0.0, 5e-324, 1e-200, 1.0, -1e50)


def check_detector(detector: Detector) -> None:
    """Run all of DETECTOR_CHECKS on `detector`.

    Raises:
        AssertionError: If a check fails; the message describes the violation.

    >>> from edgedescent.drift import ADWIN
    >>> check_detector(ADWIN())
    """
    for check in DETECTOR_CHECKS:
        check(detector)


def check_detector_is_an_immutable_value(detector: Detector) -> None:
    """Check that a detector is a frozen dataclass that compares equal by its numeric hyper-parameters."""
    check_is_an_immutable_value(detector)


def check_detector_parameters_are_validated(detector: Detector) -> None:
    """Check that NaN, infinities and objects of a wrong type raise a ValueError that names the hyper-parameter."""
    check_fields_are_validated(detector)


def check_change_is_found(detector: Detector) -> None:
    """Check that a change of six deviations, on the scale of a monitor, raises an alarm."""
    found = alarms(Detection(detector), stream())
    require(detector, any(i >= N_EVENTS // 2 for i in found), "a change of six deviations is not found")


def check_constant_is_no_change(detector: Detector) -> None:
    """Check that a stream of equal values raises no alarm."""
    detection = Detection(detector)
    require(detector, not any(detection.update(0.5) for _ in range(N_EVENTS)), "equal values are a change")


def check_state_goes_on(detector: Detector) -> None:
    """Check that a run that is restored again and again gives what one gives that never was, bit for bit."""
    one, two = Detection(detector), Detection(detector)
    for i, x in enumerate(stream()):
        if i % 37 == 0:
            saved = two.save()
            two = Detection(detector)
            two.restore(saved)
            require(detector, two.save().tobytes() == saved.tobytes(), "what is saved is not what was restored")
        require(detector, one.update(x) == two.update(x), f"a restored run differs at value {i}")
    require(detector, one.save().tobytes() == two.save().tobytes(), "a restored run ends with other numbers")


def check_bad_state_is_refused(detector: Detector) -> None:
    """Check that numbers of another length, another type or without a value are refused, and change nothing."""
    detection = Detection(detector)
    for x in stream()[:200]:
        detection.update(x)
    good = detection.save()
    spoiled = [good[:-1], np.append(good, 0.0), good.astype(np.float32), good.reshape(1, -1)]
    for wrong in (math.nan, math.inf):
        for place in {0, len(good) // 3, len(good) // 2, len(good) - 3, len(good) - 1}:
            bad = good.copy()
            bad[place] = wrong
            spoiled.append(bad)
    for bad in spoiled:
        require_refused(detector, lambda bad=bad: detection.restore(bad), "a spoiled state", (ValueError,))  # type: ignore[misc]
    require(detector, detection.save().tobytes() == good.tobytes(), "a refused state changed it")


def check_bad_value_is_refused(detector: Detector) -> None:
    """Check that what is no number between -1e100 and 1e100 is refused, and changes nothing."""
    detection = Detection(detector)
    detection.update(0.5)
    before = detection.save().tobytes()
    for wrong in (math.nan, math.inf, -math.inf, 1e100, "0.5", None, object()):
        require_refused(detector, lambda wrong=wrong: detection.update(wrong), repr(wrong), (ValueError,))  # type: ignore[misc]
    require(detector, detection.save().tobytes() == before, "a refused value changed it")


def check_state_is_bounded(detector: Detector) -> None:
    """Check that as many numbers are kept of a long stream as of none."""
    detection = Detection(detector)
    alarms(detection, stream())
    expected = (detector.n_numbers + 1,)
    require(detector, detection.save().shape == expected, f"{expected} numbers became {detection.save().shape}")


def check_extremes_stay_finite(detector: Detector) -> None:
    """Check that values of any size leave finite numbers, which can be restored."""
    detection = Detection(detector)
    for i in range(N_EVENTS):
        detection.update(EXTREMES[i * i % len(EXTREMES)])
    Detection(detector).restore(detection.save())


def check_runs_share_nothing(detector: Detector) -> None:
    """Check that two runs of one detector give the same alarms, one after the other."""
    first = alarms(Detection(detector), stream())
    require(detector, first == alarms(Detection(detector), stream()), "a second run of it differs")


def stream() -> list[float]:
    """Return values around 0.5 with a deviation of 0.1, which are around 1.1 from the middle on."""
    generator = random.Random(7)  # noqa: S311 - no secret
    return [generator.gauss(0.5 if i < N_EVENTS // 2 else 1.1, 0.1) for i in range(N_EVENTS)]


def alarms(detection: Detection, values: list[float]) -> list[int]:
    """Return the place of each alarm."""
    return [i for i, x in enumerate(values) if detection.update(x)]


DETECTOR_CHECKS: tuple[Callable[[Detector], None], ...] = (
    check_detector_is_an_immutable_value,
    check_detector_parameters_are_validated,
    check_change_is_found,
    check_constant_is_no_change,
    check_state_goes_on,
    check_bad_state_is_refused,
    check_bad_value_is_refused,
    check_state_is_bounded,
    check_extremes_stay_finite,
    check_runs_share_nothing,
)
