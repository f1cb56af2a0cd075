"""A chart as SVG: one small file that a browser, an editor and a web page show, with what the marks mean on hovering."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from mypt.plotting.drawing import AXIS_NAMES, Curve, Mark, View, scales, shown_marks, strokes, ticks_along
from mypt.plotting.palette import DARK, LIGHT, SIZE
from mypt.plotting.scale import Scale, value_label, y_ticks
from mypt.text import printable, whole

Ground = Literal["auto", "light", "dark"]

_LEFT, _RIGHT, _BOTTOM, _ROW = 64.0, 18.0, 44.0, 20.0
# What a letter takes: a little more than it does in most sans-serif fonts.
_LETTER = 7.2
_SWATCH = 28.0
_STARS_APART = 34.0
# Ground, text, axes and the faint lines behind.
_SHADES = {
    "light": ("#fbfaf7", "#20272e", "#5d6b78", "#e4e0d8"),
    "dark": ("#0f1318", "#d6dde4", "#8595a3", "#222b34"),
}


def svg(
    curves: Sequence[Curve],
    marks: Sequence[Mark] = (),
    view: View | None = None,
    *,
    title: str = "",
    width: int = 960,
    height: int = 540,
    ground: Ground = "auto",
) -> str:
    """The chart as the text of an SVG file of `width` × `height` pixels. The first curve is drawn last, on top.

    `ground` "auto" follows what the reader prefers, where the program that shows it knows, and is light elsewhere.
    Whatever is in labels and texts, the XML is valid.
    """
    view = view or View()
    named = [curve for curve in curves if not curve.quiet]
    legend = _legend(named, width)
    top = 20 + (26 if title else 0) + _ROW * len(legend)
    body = [f'<rect class="ground" width="{width}" height="{height}"/>']
    if title:
        body.append(_words("title", _LEFT, 28, title))
    for number, row in enumerate(legend):
        y = top - 12 - _ROW * (len(legend) - 1 - number)
        body += [_entry(curve, x, y) for curve, x in row]
    wide, high = max(width - _LEFT - _RIGHT, 10.0), max(height - top - _BOTTOM, 10.0)
    found = scales(curves, marks, view, round(wide))
    if found is None:
        body.append(_words("label", width / 2, height / 2, "no point to draw", "middle"))
    else:
        body += _Plot(view, *found, _LEFT, top, wide, high).lines(curves, marks)
    said = title or ", ".join(curve.label for curve in named)
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}" role="img" aria-label={quoteattr(_clean(said))}>',
            f"<style>{_style(ground)}</style>",
            *body,
            "</svg>",
            "",
        ]
    )


class _Plot:
    """The rectangle in which curves and marks are, and how values become places in it."""

    def __init__(
        self, view: View, x: Scale, y: Scale, left: float, top: float, wide: float, high: float
    ) -> None:
        self.view, self.x, self.y = view, x, y
        self.left, self.top, self.wide, self.high = left, top, wide, high
        self.right, self.bottom = left + wide, top + high
        self._across, self._up = x.mapper(1), y.mapper(1)

    def px(self, value: float) -> float:
        """The place of a position on the x axis."""
        return self.left + self.wide * self._across(value)

    def py(self, value: float) -> float:
        """The place of a value, from the top."""
        return self.top + self.high * (1 - self._up(value))

    def lines(self, curves: Sequence[Curve], marks: Sequence[Mark]) -> list[str]:
        """All that is in it and around it."""
        axis = self.view.axis
        shown = shown_marks(marks, axis, self.x, _STARS_APART / self.wide * (self.x.hi - self.x.lo))
        out = self._axes()
        out.append(
            f'<clipPath id="plot"><rect x="{self.left:g}" y="{self.top:g}" width="{self.wide:g}"'
            f' height="{self.high:g}"/></clipPath>'
        )
        out.append('<g clip-path="url(#plot)">')
        out += [self._behind(mark) for mark, _ in shown]
        out += [self._curve(curve) for curve in reversed(curves)]
        out.append("</g>")
        out += [self._sign(mark, latest) for mark, latest in shown]
        return [line for line in out if line]

    def _axes(self) -> list[str]:
        out = []
        for tick in y_ticks(self.y, max(int(self.high / 18), 1), 2):
            at = self.py(tick.value)
            out.append(f'<path class="grid" d="M{self.left:g} {at:.1f}h{self.wide:g}"/>')
            out.append(_words("label", self.left - 8, at + 4, tick.label, "end"))
        for tick in ticks_along(self.view, self.x, max(int(self.wide / _LETTER), 1), 10):
            at = self.px(tick.value)
            out.append(f'<path class="axis" d="M{at:.1f} {self.bottom:g}v5"/>')
            out.append(_words("label", at, self.bottom + 19, tick.label, "middle"))
        out.append(f'<path class="axis" d="M{self.left:g} {self.top:g}V{self.bottom:g}H{self.right:g}"/>')
        out.append(_words("faint", self.right, self.bottom + 37, AXIS_NAMES[self.view.axis], "end"))
        return out

    def _curve(self, curve: Curve) -> str:
        parts = []
        for line in strokes(curve, self.x, self.y, self.view.axis, round(self.wide)):
            spots = ((self.left + self.wide * u, self.top + self.high * (1 - v)) for u, v in line)
            places = list(dict.fromkeys(f"{x:.1f} {y:.1f}" for x, y in spots))
            # A line of no length with round ends is a dot.
            parts.append("M" + "L".join(places if len(places) > 1 else places * 2))
        last = curve.column.last()
        said = f"{curve.label}: {value_label(last.y)} at step {whole(last.step)}" if last else curve.label
        if not parts:
            return ""
        return f'<path class="{_classes(curve)}" d="{"".join(parts)}">{_title(said)}</path>'

    def _behind(self, mark: Mark) -> str:
        at = self.px(mark.x(self.view.axis))
        if mark.kind == "phase":
            line = f'<path class="phase" d="M{at:.1f} {self.top:g}v{self.high:g}">{_title("phase " + mark.text)}</path>'
            return line + _words("faint", at + 5, self.top + 13, mark.text)
        if mark.kind == "best" and mark.y is not None and math.isfinite(self.py(mark.y)):
            return f'<path class="phase" d="M{self.left:g} {self.py(mark.y):.1f}h{self.wide:g}">{_title(mark.text)}</path>'
        if mark.kind == "forecast" and mark.y is not None:
            y, low, high = (self.py(v) for v in (mark.y, mark.low or mark.y, mark.high or mark.y))
            if math.isfinite(y + low + high):
                return (
                    f'<path class="phase" d="M{at:.1f} {low:.1f}V{high:.1f}">{_title(mark.text)}</path>'
                    f'<circle class="hollow" cx="{at:.1f}" cy="{y:.1f}" r="4">{_title(mark.text)}</circle>'
                )
        return ""

    def _sign(self, mark: Mark, latest: bool) -> str:
        at = self.px(mark.x(self.view.axis))
        if mark.kind == "resume":
            return f'<path class="resume" d="M{at:.1f} {self.bottom:g}l-4 8h8z">{_title(mark.text or "resumed")}</path>'
        if mark.kind == "notice":
            y = self.bottom if mark.y is None else self.py(mark.y)
            y = min(max(y, self.top), self.bottom) if math.isfinite(y) else self.bottom
            return f'<path class="notice" d="M{at:.1f} {y - 5:.1f}l-5 9h10z">{_title(mark.text or "notice")}</path>'
        if mark.kind not in ("gold", "blocked") or mark.y is None:
            return ""
        y = self.py(mark.y)
        if not self.top - 1 <= y <= self.bottom + 1:
            return ""
        if mark.kind == "gold":
            kind = "gold" if latest else "gold-past"
            return f'<path class="{kind}" d="{_star(at, y, 7.5)}">{_title(mark.text or "gold")}</path>'
        cross = f"M{at - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
        return f'<path class="blocked" d="{cross}">{_title("blocked: " + mark.text)}</path>'


def _star(x: float, y: float, size: float) -> str:
    corners = []
    for number in range(10):
        radius, turn = size if number % 2 == 0 else size * 0.42, math.pi * number / 5
        corners.append(f"{x + radius * math.sin(turn):.1f} {y - radius * math.cos(turn):.1f}")
    return "M" + "L".join(corners) + "Z"


def _legend(curves: Sequence[Curve], width: int) -> list[list[tuple[Curve, float]]]:
    """The curves in rows, each with the place where its entry begins."""
    rows: list[list[tuple[Curve, float]]] = []
    x = math.inf
    for curve in curves:
        room = _SWATCH + _LETTER * len(_shortened(curve.label)) + 22
        if x + room > width - _RIGHT:
            rows.append([])
            x = _LEFT
        rows[-1].append((curve, x))
        x += room
    return rows


def _entry(curve: Curve, x: float, y: float) -> str:
    line = f'<path class="{_classes(curve)}" d="M{x:g} {y - 4:g}h20"/>'
    return line + _words("label", x + _SWATCH, y, _shortened(curve.label))


def _shortened(label: str) -> str:
    return label if len(label) <= 60 else label[:59] + "…"


def _classes(curve: Curve) -> str:
    number = curve.color.removeprefix("series-")
    known = number if number.isdecimal() and 1 <= int(number) <= SIZE else "1"
    return f"curve s{known}" + (" dim" if curve.dim else "") + (" dashed" if curve.dashed else "")


def _words(kind: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{placed}>{escape(_clean(text))}</text>'


def _title(text: str) -> str:
    return f"<title>{escape(_clean(text))}</title>"


def _clean(text: str) -> str:
    """`text` without what XML cannot hold, even escaped."""
    return printable(text, newline=False).replace("\ufffe", "").replace("\uffff", "")


def _style(ground: Ground) -> str:
    fixed = (
        "text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
        ".title{font-size:16px;font-weight:600}"
        ".curve{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}"
        ".dim{stroke-opacity:.45;stroke-width:1.3}.dashed{stroke-dasharray:7 4}"
        ".grid,.axis,.phase,.blocked,.hollow{fill:none}.phase{stroke-dasharray:3 4}"
        ".blocked{stroke-width:2.2;stroke-linecap:round}"
    )
    if ground == "auto":
        return fixed + _colours("light") + "@media (prefers-color-scheme:dark){" + _colours("dark") + "}"
    return fixed + _colours(ground)


def _colours(ground: Literal["light", "dark"]) -> str:
    paper, ink, quiet, faint = _SHADES[ground]
    colours = LIGHT if ground == "light" else DARK
    rules = [
        f".ground{{fill:{paper}}}.title,.label{{fill:{ink}}}.faint,.resume{{fill:{quiet}}}",
        f".grid{{stroke:{faint}}}.axis,.phase,.hollow{{stroke:{quiet}}}.blocked{{stroke:{colours['trouble']}}}",
        f".notice{{fill:{colours['trouble']}}}",
        f".gold{{fill:{colours['gold']}}}.gold-past{{fill:{colours['gold-past']}}}",
        *(f".s{number}{{stroke:{colours[f'series-{number}']}}}" for number in range(1, SIZE + 1)),
    ]
    return "".join(rules)
