"""The machine: GPUs, processors, memory, disk, and the share of the run in view."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from mypt.text import printable, size
from mypt.watch.run import Run
from mypt.watch.system import Gpu, SystemSample
from tui.dashboard import Dashboard
from tui.widgets.lines import fit
from tui.widgets.lineview import LineView

_LABEL = 10
_BAR = 12
_SPARK = 24
_NARROW = 48
"""Below this many cells numbers come before their pictures."""
_LABEL_NARROW, _BAR_NARROW, _SPARK_LEAST = 9, 6, 4
_EIGHTHS = "▁▂▃▄▅▆▇█"
# Below this a checkpoint may soon have no room.
_LITTLE_DISK = 5_000_000_000


class MachinePanel(LineView):
    """A line for each part of the machine; the small curves are the last minutes."""

    HELP_NAME = "the machine"
    app: Dashboard

    def __init__(self) -> None:
        super().__init__(id="machine", empty="looking …")

    def show_run(self, run: Run) -> None:
        """The machine is the same for every run."""

    def show_system(self) -> None:
        """Show what was found last."""
        width = self.scrollable_content_region.width
        self.show(machine_lines(list(self.app.live.system.history), self.app.theme_variables, width))

    def on_resize(self) -> None:
        """Other pictures for another room."""
        self.show_system()

    def heading(self) -> str:
        """What it is."""
        return "Machine"

    def note(self) -> str:
        """What it may be mistaken for."""
        history = self.app.live.system.history
        return "busy says that something ran, not how well" if history and history[-1].gpus else ""

    def set_large(self, large: bool) -> None:
        """It looks the same."""


def machine_lines(history: Sequence[SystemSample], colours: dict[str, str], width: int = 0) -> list[Text]:
    """The last look, with what came before it as small curves; in `width` cells, where that is known, no number is cut."""
    if not history:
        return []
    now = history[-1]
    primary, trouble = colours.get("primary", ""), colours.get("error", "red")
    lines: list[Text] = []
    narrow = 0 < width < _NARROW
    head, cells = (_LABEL_NARROW, _BAR_NARROW) if narrow else (_LABEL, _BAR)

    def row(
        label: str, part: float | None, value: str, past: Sequence[float], note: str = "", style: str = ""
    ) -> None:
        line = Text()
        line.append(fit(label, head), "dim")
        line.append(_bar(part, cells), style or primary)
        line.append(f" {value}", style or "bold")
        room = width - line.cell_len - 2 if width else _SPARK
        beside = not narrow or len(note) <= room
        if narrow and note and beside:
            room -= len(note) + 2
        if len(past) > 1 and (not narrow or room >= _SPARK_LEAST):
            line.append("  ")
            line.append(_levels(past[-max(room, 1) :] if narrow else past), primary)
        if note and beside:
            line.append(f"  {note}", style or "dim")
        lines.append(line)
        if note and not beside:
            lines.append(Text(f"  {note}", style or "dim"))

    for place, gpu in enumerate(now.gpus):
        past = [each.gpus[place] for each in history if len(each.gpus) == len(now.gpus)]
        name = f"GPU {gpu.index}" if len(now.gpus) > 1 else "GPU"
        row(
            name,
            gpu.busy,
            _part(gpu.busy),
            [g.busy or 0.0 for g in past],
            _about(gpu),
            trouble if gpu.throttled else "",
        )
        if gpu.memory_used is not None and gpu.memory_total:
            share = gpu.memory_used / gpu.memory_total
            held = [(g.memory_used or 0) / gpu.memory_total for g in past]
            value = f"{size(gpu.memory_used)} of {size(gpu.memory_total)}"
            row("  memory", share, value, held, style=trouble if share > 0.97 else "")
    cpu = [each.cpu for each in history]
    row("CPU", now.cpu, _part(now.cpu), cpu, f"{now.cores} core{'s' * (now.cores != 1)}")
    share = now.memory_used / now.memory_total
    held = [each.memory_used / each.memory_total for each in history]
    value = f"{size(now.memory_used)} of {size(now.memory_total)}"
    row("memory", share, value, held, style=trouble if share > 0.95 else "")
    if now.disk_free is not None and now.disk_total:
        little = now.disk_free < _LITTLE_DISK
        used = 1 - now.disk_free / now.disk_total
        row(
            "disk",
            used,
            f"{size(now.disk_free)} free",
            (),
            "checkpoints need room" if little else "",
            trouble if little else "",
        )
    if now.trainer_memory is not None:
        line = Text()
        line.append(fit("this run", head), "dim")
        line.append(f"{size(now.trainer_memory)}{'' if narrow else ' of memory'}", "bold")
        if now.trainer_cpu is not None:
            line.append(f", {now.trainer_cpu:.1f} cores busy", "bold")
        lines.append(line)
    return lines


def gpu_summary(sample: SystemSample) -> str:
    """The GPUs in a few words, for the first line: `GPU 87% 11.2 GB of 16 GB`. Empty without one."""
    gpus = sample.gpus
    if not gpus:
        return ""
    busy = [gpu.busy for gpu in gpus if gpu.busy is not None]
    parts = [f"{len(gpus)} GPUs" if len(gpus) > 1 else "GPU"]
    if busy:
        parts.append(_part(sum(busy) / len(busy)))
    used, total = (sum(getattr(gpu, name) or 0 for gpu in gpus) for name in ("memory_used", "memory_total"))
    if total:
        parts.append(f"{size(used)} of {size(total)}")
    return " ".join(parts)


def _about(gpu: Gpu) -> str:
    said = [printable(gpu.name, newline=False)]
    if gpu.temperature is not None:
        said.append(f"{gpu.temperature} °C")
    if gpu.power_w is not None:
        limit = f" of {gpu.power_limit_w:.0f}" if gpu.power_limit_w else ""
        said.append(f"{gpu.power_w:.0f}{limit} W")
    if gpu.throttled:
        said.append("slowed down by heat or power")
    return "  ".join(said)


def _levels(past: Sequence[float]) -> str:
    """Parts of a whole, 0 to 1, as a small curve: what hardly moves looks so."""
    return "".join(_EIGHTHS[round(min(max(part, 0.0), 1.0) * (len(_EIGHTHS) - 1))] for part in past[-_SPARK:])


def _bar(part: float | None, cells: int) -> str:
    if part is None:
        return " " * cells
    full = round(min(max(part, 0.0), 1.0) * cells)
    return "━" * full + "╌" * (cells - full)


def _part(part: float | None) -> str:
    return "–" if part is None else f"{100 * part:3.0f}%"
