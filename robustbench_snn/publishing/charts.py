"""Line and point charts as SVG that inherits the page's colours and needs no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from robustbench_snn.publishing.names import isolated, visible

WIDTH, HEIGHT = 440, 300
STYLES = 8
"""Number of styles of series that the style sheet knows."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 44
_SHAPES = (
    "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z",
    "M-4-4H4V4H-4Z",
    "M0-5L5 4H-5Z",
    "M0-5.5L5.5 0L0 5.5L-5.5 0Z",
    "M0 5L5-4H-5Z",
    "M-5-1.5H-1.5V-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5Z",
    "M-5 0L-2.5-4.5H2.5L5 0L2.5 4.5H-2.5Z",
    "M0-6L1.6-1.8L6-1.8L2.4 1L3.7 5.2L0 2.6L-3.7 5.2L-2.4 1L-6-1.8L-1.6-1.8Z",
)


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        name: for people.
        points: (x, y) each.
        ring: index of a point to mark; None for none.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    ring: int | None = None


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        label: what it says.
        low: its lower end; that of the points if None.
        high: its upper end.
        log: whether it is logarithmic; then all values are above 0.
    """

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False


class _Scale:
    """From values to pixels."""

    def __init__(self, axis: Axis, values: Sequence[float], start: float, end: float) -> None:
        low = min(values) if axis.low is None else axis.low
        high = max(values) if axis.high is None else axis.high
        if low == high:
            low, high = (low / 2, high * 2) if axis.log else (low - 0.5, high + 0.5)
        self.log = axis.log
        self.low, self.high = (math.log10(low), math.log10(high)) if axis.log else (low, high)
        if axis.low is None and axis.high is None:  # room around points
            room = 0.06 * (self.high - self.low)
            self.low, self.high = self.low - room, self.high + room
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        place = math.log10(value) if self.log else value
        return round(self.start + (place - self.low) / (self.high - self.low) * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round values within the axis."""
        if self.log:
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            steps = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            return [step for step in steps if self.low <= math.log10(step) <= self.high]
        raw = (self.high - self.low) / 5
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
        first = math.ceil(self.low / step - 1e-9)
        return [round(k * step, 12) for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def chart(title: str, series: Sequence[Series], x: Axis, y: Axis, *, joined: bool = True, front: int = -1) -> str:
    """A chart as SVG.

    Args:
        title: read out by screen readers.
        series: at least one with at least one point.
        x: the horizontal axis.
        y: the vertical axis.
        joined: lines through the points of a series, else points alone.
        front: index of a series that is drawn as a line without points (a Pareto front); -1 for none.
    """
    points = [point for found in series for point in found.points]
    across = _Scale(x, [point[0] for point in points], _LEFT, WIDTH - _RIGHT)
    upward = _Scale(y, [point[1] for point in points], HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(isolated(title))}">',
        *_axes(across, upward, x, y),
    ]
    for number, found in enumerate(series):
        style = f"s{number % STYLES}"
        places = [(across(px), upward(py)) for px, py in found.points]
        if number == front or (joined and len(places) > 1):
            path = "L".join(f"{px} {py}" for px, py in places)
            parts.append(f'<path class="{"front" if number == front else f"line {style}"}" d="M{path}"/>')
        if number == front:
            continue
        for index, ((px, py), (vx, vy)) in enumerate(zip(places, found.points, strict=True)):
            told = escape(f"{isolated(found.name)}: {vx:.4g}, {vy:.4g}")
            parts.append(
                f'<path class="mark {style}" transform="translate({px} {py})" d="{_SHAPES[number % STYLES]}">'
                f"<title>{told}</title></path>"
            )
            if index == found.ring:
                parts.append(f'<circle class="ring {style}" cx="{px}" cy="{py}" r="8"/>')
    return "".join([*parts, "</svg>"])


def swatch(number: int) -> str:
    """The mark of a series for a legend."""
    style = f"s{number % STYLES}"
    return (
        '<svg class="swatch" viewBox="0 0 28 14" aria-hidden="true">'
        f'<path class="line {style}" d="M0 7H28"/>'
        f'<path class="mark {style}" transform="translate(14 7)" d="{_SHAPES[number % STYLES]}"/></svg>'
    )


def _axes(across: _Scale, upward: _Scale, x: Axis, y: Axis) -> list[str]:
    parts = []
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    for tick in upward.ticks():
        place = upward(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {place}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{place + 4}" text-anchor="end">{_text(tick)}</text>')
    for tick in across.ticks():
        place = across(tick)
        parts.append(f'<path class="grid" d="M{place} {_TOP}V{bottom}"/>')
        parts.append(f'<text x="{place}" y="{bottom + 17}" text-anchor="middle">{_text(tick)}</text>')
    middle = (_TOP + bottom) / 2
    parts.append(
        f'<text x="{(_LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(visible(x.label))}</text>'
    )
    turned = f'text-anchor="middle" transform="rotate(-90 14 {middle})"'
    parts.append(f'<text x="14" y="{middle}" {turned}>{escape(visible(y.label))}</text>')
    return parts


def _text(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if abs(value) >= 1e4 else f"{value:g}"
