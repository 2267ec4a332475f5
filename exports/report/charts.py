"""Small charts as SVG text: lines, bars and a heat map. The same data give the same text."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 24, 34
COLOURS = ("#1b6ca8", "#d1495b", "#2e933c", "#edae49", "#6a4c93", "#00798c", "#8d6a9f", "#555555")
_STYLE = 'font-family="system-ui, sans-serif" font-size="11" fill="#333"'


def _number(value: float) -> str:
    if value == 0:
        return "0"
    size = abs(value)
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values between low and high."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step - 1e-9) * step
    return [first + n * step for n in range(int((high - first) / step + 1e-9) + 1)]


def _svg(parts: Sequence[str], width: float = WIDTH, height: float = HEIGHT) -> str:
    body = "\n".join(parts)
    box = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {_STYLE}>\n{body}\n</svg>\n'


def _text(x: float, y: float, text: object, anchor: str = "start", size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(str(text))}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#ddd", dash: str = "") -> str:
    style = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{style}/>'


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_labels: Mapping[float, str] | None = None,
    y_labels: Mapping[float, str] | None = None,
    y_unit: str = "",
    diagonal: bool = False,
) -> str:
    """One line per name over points (x, y) in order of x. `x_labels` and `y_labels` name places of the axes, `diagonal` draws
    y = x."""
    points = [point for line in series.values() for point in line]
    if not points:
        return nothing()
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_low, x_high, y_low, y_high = min(xs), max(xs), min(ys), max(ys)
    if diagonal:
        x_low, x_high, y_low, y_high = 0.0, 1.0, 0.0, 1.0
    x_span, y_span = (x_high - x_low) or 1.0, (y_high - y_low) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - x_low) / x_span * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - y_low) / y_span * (HEIGHT - TOP - BOTTOM),
        )

    parts = [_text(4, 12, y_unit)]
    for y_value, label in (y_labels or {tick: _number(tick) for tick in _ticks(y_low, y_high)}).items():
        _, y = place(x_low, y_value)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y), _text(LEFT - 6, y + 4, label, "end")]
    for x_value, label in (x_labels or {tick: _number(tick) for tick in _ticks(x_low, x_high)}).items():
        x, _ = place(x_value, y_low)
        parts += [_line(x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 4, "#888"), _text(x, HEIGHT - 12, label, "middle")]
    if diagonal:
        parts.append(_line(*place(0, 0), *place(1, 1), "#888", "4 3"))
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts += (
            [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>' for x, y in (place(*p) for p in line)]
            if len(line) < 60
            else []
        )
        legend = TOP + 12 + number * 15
        parts += [
            _line(WIDTH - RIGHT + 10, legend - 4, WIDTH - RIGHT + 24, legend - 4, colour),
            _text(WIDTH - RIGHT + 28, legend, name),
        ]
    return _svg(parts)


def bar_chart(bars: Sequence[tuple[str, float]]) -> str:
    """Horizontal bars from the top, each with its label and value."""
    if not bars:
        return nothing()
    largest = max(value for _, value in bars) or 1.0
    left, height = 190, 22 * len(bars) + 10
    parts = []
    for number, (label, value) in enumerate(bars):
        y = 6 + number * 22
        length = (WIDTH - left - 90) * value / largest
        parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="16" fill="{COLOURS[0]}"/>')
        parts += [_text(left - 6, y + 12, label, "end"), _text(left + length + 6, y + 12, f"{value:,.6g}")]
    return _svg(parts, height=height)


def heat_map(cells: Mapping[tuple[str, str], float], rows: Sequence[str], columns: Sequence[str]) -> str:
    """A cell per (row, column): the darker the larger, with its number; cells without a value stay white."""
    if not cells:
        return nothing()
    largest = max(cells.values()) or 1.0
    left, size = 190, 22
    parts = [_text(left + n * size + size / 2, 12, column, "middle", 9) for n, column in enumerate(columns)]
    for number, row in enumerate(rows):
        y = 18 + number * size
        parts.append(_text(left - 6, y + 14, row, "end"))
        for n, column in enumerate(columns):
            value = cells.get((row, column))
            if value is not None:
                x, share = left + n * size, math.sqrt(value / largest)
                parts.append(f'<rect x="{x}" y="{y}" width="{size - 1}" height="{size - 1}" {_fill(COLOURS[0], share)}/>')
                ink = "#fff" if share > 0.6 else "#333"
                parts.append(
                    _text(x + size / 2, y + 14, _number(value), "middle", 8).replace("<text", f'<text style="fill:{ink}"')
                )
    return _svg(parts, width=left + size * len(columns) + 10, height=28 + size * len(rows))


def _fill(colour: str, share: float) -> str:
    return f'fill="{colour}" fill-opacity="{share:.2f}"'


def nothing() -> str:
    """What stands where there is nothing to draw."""
    return _svg([_text(10, 20, "nothing in this period")], height=30)
