"""What can be seen of the report in its style sheet: contrast and size of text.

`make axe` looks at the page itself, in a browser: overlap, overflow, roles, names.
"""

import re
from pathlib import Path

import pytest

from preflight import reporting

CSS = (Path(reporting.__file__).parent / "templates/report.css").read_text()
ROOT_PX = 16


def colours(css: str) -> list[dict[str, str]]:
    """The colours by name on light, on dark and on paper; what is not said anew stays."""
    roots = [
        dict(re.findall(r"--(\w+): (#\w+)", root)) for root in re.findall(r":root \{(.*?)\}", css)
    ]
    return [roots[0] | root for root in roots]


def contrast(one: str, other: str) -> float:
    """By WCAG 2.2, relative luminance."""

    def bright(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((bright(one), bright(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def unreadable(css: str) -> list[str]:
    """Pairs of colours of text and ground that are too close (AA: 4.5 to 1)."""
    return [
        f"{text} on {ground}"
        for named in colours(css)
        for text, ground, least in [
            ("ink", "paper", 4.5), ("soft", "paper", 4.5),
            ("white", "ship", 4.5), ("white", "hold", 4.5),
        ]
        for pair in [{"white": "#fff"} | named]
        if contrast(pair[text], pair[ground]) < least
    ]  # fmt: skip


def too_small(css: str) -> list[str]:
    """Sizes of text under 12 px, the least that `clamp` or `max` leave."""
    sizes = re.findall(r"font(?:-size)?: ([^;}]*)", css)
    unit = {"px": 1.0, "rem": ROOT_PX, "em": ROOT_PX, "pt": 96 / 72}
    faults = []
    for size in sizes:
        lengths = [
            float(number) * unit[kind]
            for number, kind in re.findall(r"([\d.]+)(px|rem|em|pt)\b", size)
        ]
        least = max(lengths) if size.startswith("max") else min(lengths[:1], default=ROOT_PX)
        faults += [size] if least < 12 else []
    return faults


def test_text_is_seen_on_light_on_dark_and_on_paper() -> None:
    assert len(colours(CSS)) == 3
    assert unreadable(CSS) == []


def test_no_text_is_smaller_than_12_px() -> None:
    assert len(re.findall("font", CSS)) > 6
    assert too_small(CSS) == []


@pytest.mark.parametrize("colour", ["#999", "#a0a7af"])
def test_pale_text_is_found(colour: str) -> None:
    pale = re.sub(r"--soft: #\w+", f"--soft: {colour}", CSS, count=1)
    assert unreadable(pale) == ["soft on paper"]


@pytest.mark.parametrize("size", ["11px", ".7rem", "clamp(.7rem, 2vw, 2rem)", "max(.5em, 11px)"])
def test_small_text_is_found(size: str) -> None:
    assert too_small("p { font-size: " + size + "; }") == [size]
