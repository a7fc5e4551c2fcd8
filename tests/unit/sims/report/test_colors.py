"""The colours of reports: enough contrast in both themes, and apart for readers with a colour deficiency."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

import edgedescent_sims.report.html as report_html
from edgedescent_sims.report.curve import PALETTE

# Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color vision deficiency",
# full severity, on linear RGB.
VISIONS = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def themes() -> dict[str, dict[str, str]]:
    text = report_html._text("report.css")
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block)) for block in text.split("}")[:2])
    return {"light": light, "dark": dark}


THEMES = themes()


def linear(color: str) -> np.ndarray:
    digits = color[1:] if len(color) == 7 else "".join(c * 2 for c in color[1:])
    value = np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """Contrast ratio of the Web Content Accessibility Guidelines 2."""
    low, high = sorted(float(linear(color) @ TO_XYZ[1]) for color in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(color: str, vision: np.ndarray) -> np.ndarray:
    x = TO_XYZ @ np.clip(vision @ linear(color), 0, 1) / WHITE
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", THEMES)
def test_contrast(theme: str) -> None:
    colors = THEMES[theme]
    for name in ("text", "muted", "accent", "drift", "fault"):
        assert contrast(colors[name], colors["surface"]) >= 4.5, name
    for name in ("good", "bad", "known"):
        assert contrast(colors[name], colors[f"{name}-fill"]) >= 4.5, name
    for i in range(8):
        assert contrast(colors[f"c{i}"], colors["surface"]) >= 3, i


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", THEMES)
def test_curves_are_told_apart(theme: str, vision: str) -> None:
    places = [lab(THEMES[theme][f"c{i}"], VISIONS[vision]) for i in range(8)]
    assert min(np.linalg.norm(a - b) for a, b in combinations(places, 2)) > 12


def test_pictures_have_the_colours_of_the_light_theme() -> None:
    assert list(PALETTE) == [THEMES["light"][f"c{i}"] for i in range(8)]
