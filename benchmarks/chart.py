"""How much CPU a full redraw of the chart takes inside a running app.

python -m benchmarks.chart [--laps 40]
"""

from __future__ import annotations

import asyncio
import gc
import math
import random
import statistics
import time
from dataclasses import replace

from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.screen import Screen

from tui.chart.model import ChartData, Column, Curve, Mark, series_color
from tui.chart.widget import Chart

SIZE = (200, 50)
SERIES = 5


def curves(points: int) -> ChartData:
    """Five noisy loss curves over 50 000 steps, and some marks."""
    noise = random.Random(1)
    lines = []
    for number in range(SERIES):
        column = Column()
        column.extend(
            (
                i,
                i * 100.0,
                i * 0.01,
                2 + 0.1 * number + 2 * math.exp(-8 * i / points) + noise.gauss(0, 0.03),
            )
            for i in range(points)
        )
        lines.append(Curve(f"c{number}", f"curve {number}", series_color(number), column))
    marks = tuple(Mark(i, i * 100.0, i * 0.01, 2.3, "gold", "gold") for i in range(0, points, points // 20))
    return ChartData(tuple(lines), marks)


class Bench(App[None]):
    """An app that shows nothing but a chart, and encodes each frame for the terminal though none is there."""

    written = 0
    framed: asyncio.Event | None = None
    """Set by the next frame that changes more than a line or two."""

    def compose(self) -> ComposeResult:
        yield Chart()

    def _display(self, screen: Screen[object], renderable: object) -> None:
        # Without a terminal Textual leaves the encoding out, which a real one pays.
        if isinstance(renderable, CompositorUpdate):
            frame = renderable.render_segments(self.console)
            self.written += len(frame)
            if self.framed and len(frame) > 5 * SIZE[0]:
                self.framed.set()


async def measure(points: int, laps: int) -> tuple[float, float]:
    """Median CPU and wall milliseconds from new data to a written frame."""
    data = curves(points)
    app = Bench()
    cpu, wall = [], []
    async with app.run_test(size=SIZE) as pilot:
        chart = app.query_one(Chart)
        chart.show(data)
        await pilot.pause()
        for _ in range(laps):
            for curve in data.curves:
                last = curve.column.last()
                assert last is not None
                curve.column.append(last.step + 1, last.tokens + 100, last.time + 0.01, 2.0)
            drawn = asyncio.Event()
            before = app.written
            cpu_before, wall_before = time.process_time(), time.perf_counter()
            chart.show(replace(data))
            # All lines, though only some look different: the worst that can come.
            chart.refresh()
            chart.call_after_refresh(drawn.set)
            await drawn.wait()
            cpu.append((time.process_time() - cpu_before) * 1000)
            wall.append((time.perf_counter() - wall_before) * 1000)
            assert app.written - before > SIZE[0] * SIZE[1], "no frame was drawn"
    return statistics.median(cpu), statistics.median(wall)


MOVES = {
    "zoom": ("zoom_in",) * 6 + ("zoom_out",) * 6,
    "pan": ("pan_left",) * 6 + ("pan_right",) * 6,
    "cursor": ("cursor(-1)",) * 6 + ("cursor(-10)",) * 3,
}


async def moves(points: int, laps: int = 5) -> dict[str, list[float]]:
    """By kind of move the milliseconds from each to its written frame, ascending."""
    data = curves(points)
    app = Bench()
    took: dict[str, list[float]] = {}
    async with app.run_test(size=SIZE) as pilot:
        chart = app.query_one(Chart)
        chart.focus()
        chart.show(data)
        await pilot.pause()
        for kind, actions in MOVES.items():
            chart.action_reset_view()
            if kind == "pan":
                for _ in range(3):
                    chart.action_zoom_in()
            await pilot.pause()
            for action in actions * laps:
                app.framed = asyncio.Event()
                began = time.perf_counter()
                await chart.run_action(action)
                await asyncio.wait_for(app.framed.wait(), 10)
                took.setdefault(kind, []).append((time.perf_counter() - began) * 1000)
    return {kind: sorted(times) for kind, times in took.items()}


def main(laps: int = 40) -> None:
    # As the dashboard does.
    gc.freeze()
    for points in (400, 1_000_000):
        cpu, wall = asyncio.run(measure(points, laps))
        print(
            f"{SERIES} series, {points:>9,} points each, {SIZE[0]}×{SIZE[1]}: {cpu:.1f} ms CPU, {wall:.1f} ms wall a frame"
        )
    for kind, times in asyncio.run(moves(1_000_000)).items():
        print(
            f"{kind}, {SERIES} series, 1,000,000 points each, {SIZE[0]}×{SIZE[1]}: median {statistics.median(times):.1f} ms, "
            f"p95 {times[int(0.95 * len(times))]:.1f} ms from move to frame; goal < 33 (30 frames a second)"
        )


if __name__ == "__main__":
    main()
