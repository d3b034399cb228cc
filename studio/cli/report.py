"""A self-contained HTML report: text, numbers, inline SVG charts and embedded pictures; no script, no network."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studio.core.config import load_toml
from studio.core.paths import resources_dir

_STYLE = """
body { font: 15px/1.5 Inter, "Segoe UI", Cantarell, "DejaVu Sans", sans-serif; color: TEXT; background: PAPER;
       max-width: 1080px; margin: 32px auto; padding: 0 24px; }
h1 { font-size: 32px; margin-bottom: 4px; } h2 { margin-top: 40px; border-top: 1px solid LINE; padding-top: 24px; }
.lead { color: SOFT; } figure { margin: 16px 0; } figcaption { color: SOFT; font-size: 13px; }
img { max-width: 100%; border: 1px solid LINE; border-radius: 8px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: 4px 16px 4px 0; text-align: left; }
th { color: SOFT; font-weight: 500; } tr { border-bottom: 1px solid LINE; }
.good { color: GOOD; font-weight: 600; } .poor { color: POOR; font-weight: 600; }
.failures { border-left: 4px solid POOR; padding: 8px 16px; background: PANEL; }
.charts { display: flex; flex-wrap: wrap; gap: 16px; } svg { background: PANEL; border-radius: 8px; }
"""


def _colours() -> dict[str, str]:
    light = load_toml(resources_dir() / "themes" / "tokens.toml")["light"]
    return {
        "TEXT": light["text"]["1"],
        "SOFT": light["text"]["3"],
        "PAPER": light["bg"]["0"],
        "PANEL": light["bg"]["1"],
        "LINE": light["line"]["1"],
        "GOOD": light["verdict"]["good"],
        "POOR": light["verdict"]["poor"],
        "CURVE": light["axis"]["z"],
        "SECOND": light["cat"]["2"],
    }


@dataclass(kw_only=True)
class Series:
    """One curve: points (x, y) and a name."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass
class Report:
    """Collects sections in order; `to_html` makes one file of them."""

    title: str
    lead: str
    _parts: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def paragraph(self, text: str) -> None:
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def failures(self, lines: Sequence[str]) -> None:
        """What went wrong, first and in full; says so when nothing did."""
        if not lines:
            self._parts.append('<p class="good">Every step of this run ended as planned.</p>')
            return
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        self._parts.append(f'<div class="failures"><b class="poor">What went wrong</b><ul>{items}</ul></div>')

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
        body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
        self._parts.append(f"<table><tr>{head}</tr>{body}</table>")

    def picture(self, path: Path, caption: str) -> None:
        data = base64.b64encode(path.read_bytes()).decode()
        self._parts.append(
            f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )

    def charts(self, charts: Sequence[str]) -> None:
        self._parts.append(f'<div class="charts">{"".join(charts)}</div>')

    def to_html(self) -> str:
        style = _STYLE
        for name, value in _colours().items():
            style = style.replace(name, value)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
            f"<style>{style}</style></head><body><h1>{html.escape(self.title)}</h1>"
            f'<p class="lead">{html.escape(self.lead)}</p>{"".join(self._parts)}</body></html>\n'
        )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return '<td class="good">reached</td>' if value else '<td class="poor">missed</td>'
    return f"<td>{html.escape(f'{value:.3g}' if isinstance(value, float) else str(value))}</td>"


@dataclass(frozen=True)
class _Frame:
    """Maps data to the pixels of one chart."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    width: int
    height: int

    def x(self, value: float) -> float:
        return 56 + (value - self.x_low) / max(self.x_high - self.x_low, 1e-12) * (self.width - 68)

    def y(self, value: float) -> float:
        return self.height - 28 - (value - self.y_low) / max(self.y_high - self.y_low, 1e-12) * (self.height - 76)


def _text(x: float, y: float, text: str, colour: str, *, anchor: str = "start", weight: int = 400) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{html.escape(text)}</text>'


def _axes(frame: _Frame, colours: dict[str, str]) -> list[str]:
    drawn = []
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        y_value = frame.y_low + share * (frame.y_high - frame.y_low)
        x_value = frame.x_low + share * (frame.x_high - frame.x_low)
        y = frame.y(y_value)
        drawn.append(f'<line x1="56" x2="{frame.width - 12}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colours["LINE"]}"/>')
        drawn.append(_text(8, y + 4, f"{y_value:.3g}", colours["SOFT"]))
        drawn.append(_text(frame.x(x_value), frame.height - 8, f"{x_value:.4g}", colours["SOFT"], anchor=anchor))
    return drawn


def line_chart(title: str, unit: str, series: Sequence[Series], *, width: int = 500, height: int = 240) -> str:
    """Curves on common axes as SVG; an empty chart says that there is nothing."""
    colours = _colours()
    drawn = [_text(12, 20, title, colours["TEXT"], weight=600), _text(12, 36, unit, colours["SOFT"])]
    points = [point for one in series for point in one.points]
    if len(points) < 2:
        drawn.append(_text(12, 60, "no data", colours["SOFT"]))
        return f'<svg width="{width}" height="{height}" font-size="13">{"".join(drawn)}</svg>'
    xs, ys = [x for x, _ in points], [y for _, y in points]
    frame = _Frame(min(xs), max(xs), min(0.0, *ys), max(ys), width, height)
    drawn += _axes(frame, colours)
    for index, one in enumerate(series):
        colour = colours[("CURVE", "SECOND", "POOR", "GOOD")[index % 4]]
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in one.points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        drawn.append(_text(width - 12, 20 + 16 * index, one.name, colour, anchor="end"))
    return f'<svg width="{width}" height="{height}" font-size="13">{"".join(drawn)}</svg>'


def bar_chart(title: str, unit: str, values: Sequence[tuple[str, float]], *, width: int = 500) -> str:
    """Named horizontal bars as SVG."""
    colours = _colours()
    longest = max([value for _, value in values] + [1e-12])
    rows = [_text(12, 24, title, colours["TEXT"], weight=600)]
    for index, (name, value) in enumerate(values):
        y = 48 + 24 * index
        length = (width - 220) * value / longest
        rows.append(_text(12, y + 13, name, colours["TEXT"]))
        rows.append(f'<rect x="130" y="{y}" width="{length:.1f}" height="16" rx="3" fill="{colours["CURVE"]}"/>')
        rows.append(_text(136 + length, y + 13, f"{value:.3g} {unit}", colours["SOFT"]))
    return f'<svg width="{width}" height="{60 + 24 * len(values)}" font-size="13">{"".join(rows)}</svg>'
