"""Draws what was measured as SVG: bars with their spread, and lines over the number of packages. Readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from results import Spread

WIDTH = 860
LABELS = 190
"""Pixels for the names on the left."""
VALUES = 150
"""Pixels for the figures on the right of the longest bar."""
ROW = 24
BAR = 14
TITLE = 34
GAP = 18
LINE_HEIGHT = 260

STYLE = """
svg { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; }
.page { fill: #ffffff; } .text { fill: #1f2328; } .faint { fill: #59636e; } .title { fill: #1f2328; font-weight: 600; }
.ours { fill: #0b7285; } .ours.half { fill: #3fa7ba; } .peer { fill: #b4bcc6; } .peer.half { fill: #d0d6dd; }
.whisker { stroke: #1f2328; stroke-width: 1.2; fill: none; } .grid { stroke: #e3e7eb; } .axis { stroke: #b4bcc6; }
.line { fill: none; stroke: #0b7285; stroke-width: 2; } .line.other { stroke: #c2600c; } .dot { fill: #0b7285; } .dot.other { fill: #c2600c; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; } .text { fill: #e6edf3; } .faint { fill: #9198a1; } .title { fill: #e6edf3; }
  .ours { fill: #2bb3c9; } .ours.half { fill: #1d7a8a; } .peer { fill: #59636e; } .peer.half { fill: #3d444d; }
  .whisker { stroke: #e6edf3; } .grid { stroke: #262c34; } .axis { stroke: #59636e; }
  .line { stroke: #2bb3c9; } .line.other { stroke: #f0883e; } .dot { fill: #2bb3c9; } .dot.other { fill: #f0883e; }
}
"""


@dataclass(frozen=True)
class Bar:
    """One series."""

    label: str
    spread: Spread
    is_ours: bool
    is_half: bool = False
    """Drawn lighter: what is beside the point of the panel."""
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """Bars that share a scale."""

    title: str
    bars: list[Bar]


@dataclass(frozen=True)
class Line:
    """A name and its points: x, and the spread over it."""

    name: str
    points: list[tuple[float, Spread]]


def bars(panels: list[Panel], unit: str) -> str:
    """The panels below each other, each with its own scale from 0."""
    parts, y = [], GAP
    for panel in panels:
        parts += draw_panel(panel, unit, y)
        y += TITLE + ROW * len(panel.bars) + GAP
    return svg(y, parts)


def draw_panel(panel: Panel, unit: str, top: float) -> list[str]:
    most = max(bar.spread.most for bar in panel.bars)
    scale = (WIDTH - LABELS - VALUES) / most
    height = ROW * len(panel.bars)
    parts = [f'<text class="title" x="16" y="{top + 16}">{escape(panel.title)}</text>']
    for step in steps(most, 6):
        x = LABELS + step * scale
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top + TITLE - 6}" y2="{top + TITLE + height}"/>'
        )
    for row, bar in enumerate(panel.bars):
        y = top + TITLE + row * ROW
        classes = ("ours" if bar.is_ours else "peer") + (" half" if bar.is_half else "")
        parts.append(
            f'<text class="{"title" if bar.is_ours else "text"}" x="{LABELS - 10}" y="{y + 12}" text-anchor="end">{escape(bar.label)}</text>'
        )
        parts.append(
            f'<rect class="{classes}" x="{LABELS}" y="{y}" width="{bar.spread.median * scale:.1f}" height="{BAR}" rx="2"/>'
        )
        parts.append(
            whisker(
                LABELS + bar.spread.least * scale, LABELS + bar.spread.most * scale, y + BAR / 2
            )
        )
        x = LABELS + bar.spread.most * scale + 8
        note = f' <tspan class="faint">{escape(bar.note)}</tspan>' if bar.note else ""
        parts.append(
            f'<text class="text" x="{x:.1f}" y="{y + 12}">{figure(bar.spread.median)} {unit}{note}</text>'
        )
    return parts


def whisker(left: float, right: float, y: float) -> str:
    ends = f"M{left:.1f} {y - 3}v6M{right:.1f} {y - 3}v6" if right - left > 2 else ""
    return f'<path class="whisker" d="M{left:.1f} {y}H{right:.1f}{ends}"/>'


def lines(title: str, drawn: list[Line], unit: str) -> str:
    """Lines over the number of packages, from 0 on both axes."""
    most_x = max(x for line in drawn for x, _ in line.points) * 1.04
    most_y = max(spread.most for line in drawn for _, spread in line.points) * 1.1
    left, top, width = 64, TITLE + GAP, WIDTH - 64 - 130

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x / most_x * width, top + LINE_HEIGHT * (1 - y / most_y)

    parts = [f'<text class="title" x="16" y="{GAP + 12}">{escape(title)}</text>']
    for step in steps(most_y, 6):
        y = at(0, step)[1]
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text class="faint" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{figure(step)} {unit}</text>'
        )
    for x in sorted({x for line in drawn for x, _ in line.points}):
        parts.append(
            f'<text class="faint" x="{at(x, 0)[0]:.1f}" y="{top + LINE_HEIGHT + 20}" text-anchor="middle">{x:.0f}</text>'
        )
    parts.append(f'<path class="axis" d="M{left} {top + LINE_HEIGHT}h{width}"/>')
    parts.append(
        f'<text class="faint" x="{left + width / 2}" y="{top + LINE_HEIGHT + 40}" text-anchor="middle">packages</text>'
    )
    for line, kind in zip(drawn, ("", " other"), strict=False):
        parts += draw_line(line, kind, at, unit)
    return svg(top + LINE_HEIGHT + 56, parts)


def draw_line(
    line: Line, kind: str, at: Callable[[float, float], tuple[float, float]], unit: str
) -> list[str]:
    placed = [at(x, spread.median) for x, spread in line.points]
    parts = [f'<path class="line{kind}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in placed)}"/>']
    for (x, y), (number, spread) in zip(placed, line.points, strict=True):
        top, bottom = at(number, spread.most)[1], at(number, spread.least)[1]
        parts.append(
            f'<path class="whisker" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/><circle class="dot{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        )
        parts.append(
            f'<text class="text" x="{x:.1f}" y="{y - 12:.1f}" text-anchor="middle">{figure(spread.median)}</text>'
        )
    x, y = placed[-1]
    parts.append(f'<text class="title" x="{x + 26:.1f}" y="{y + 4:.1f}">{escape(line.name)}</text>')
    return parts


def steps(most: float, count: int) -> list[float]:
    """Round numbers up to `most`, at most about `count` of them."""
    rough = most / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(int(most / step) + 1)]


def figure(value: float) -> str:
    """Three digits."""
    return (
        f"{value:.0f}"
        if value >= 100 or value == 0
        else f"{value:.1f}"
        if value >= 10
        else f"{value:.2f}"
    )


def svg(height: float, parts: list[str]) -> str:
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    page = f'<rect class="page" width="{WIDTH}" height="{height:.0f}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n{page}\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
