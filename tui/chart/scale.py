"""The scales and ticks of the chart: those of every other drawing of curves."""

from __future__ import annotations

from mypt.plotting.scale import (
    Scale,
    Tick,
    number_label,
    text_of_log,
    time_label,
    value_label,
    x_scale,
    x_ticks,
    y_scale,
    y_ticks,
)

__all__ = [
    "Scale",
    "Tick",
    "number_label",
    "text_of_log",
    "time_label",
    "value_label",
    "x_scale",
    "x_ticks",
    "y_scale",
    "y_ticks",
]
