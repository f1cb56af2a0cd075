"""Checkpoints: composition and routing. What there is comes from `app.live`, already read by its thread."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from mypt.bundle import BundleInfo, Kind
from mypt.runs.record import RunRecord
from mypt.text import printable, size
from mypt.watch.history import RunHistory
from mypt.watch.run import Run
from tui import starting
from tui.actions import Action, bindings
from tui.chart.widget import Chart
from tui.dashboard import Dashboard, shown_path
from tui.live import Live
from tui.screens.checkpoints import details
from tui.screens.checkpoints.rows import TreeRow, step_and_loss, tree_rows
from tui.screens.checkpoints.runs import Runs, curve_of
from tui.screens.checkpoints.tabs import TabLine
from tui.screens.checkpoints.tree import BundleTree, Numbers
from tui.widgets.lines import KeyLine, TopLine
from tui.widgets.lineview import LineView

_AREA = "Checkpoints"


class CheckpointsScreen(Screen[None]):
    """Every model below the one that it was fine-tuned from; at the right what the chosen checkpoint holds."""

    CSS_PATH = "checkpoints.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("mark", "space", "Mark", "Mark the checkpoint for comparing, or unmark it", _AREA),
        Action("compare", "v", "Compare", "The marked ones side by side, or the last with its gold", _AREA),
        Action("sample", "g", "Sample", "Let this one write, or two marked ones side by side", _AREA),
        Action("fine_tune", "f", "Fine-tune", "Train a new model from this one", _AREA, changes=True),
        Action(
            "resume", "r", "Resume", "Go on training this model from its last checkpoint", _AREA, changes=True
        ),
        Action("open", "enter", "Details", "Go to the details, to scroll in them", _AREA),
        Action("tab(1)", "right_square_bracket,right", "Section", "The next section of the details", "View"),
        Action("tab(-1)", "left_square_bracket,left", "Section before", "The section before", "View", False),
        Action("back", "escape", "Back", "Back to the tree, then to the runs", "View"),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)
    app: Dashboard

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[str] = []
        self.tab = details.TABS[0]
        self._shown: object = None

    def compose(self) -> ComposeResult:
        """The tree, the details, and the lines around them."""
        yield TopLine()
        yield Static(id="empty", markup=False)
        with Horizontal(id="body"):
            tree = BundleTree(id="tree", classes="pane")
            tree.border_title = "Checkpoints"
            yield tree
            with Vertical(id="details", classes="pane"):
                yield Static(id="head", markup=False)
                yield TabLine(details.TABS)
                yield LineView(id="lines")
                yield Chart(id="curve")
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Show what is known, and every change from now on."""
        self.query_one(TopLine).left = f"MyPT  {shown_path(self.app.workspace)}  ›  checkpoints"
        chart = self.query_one(Chart)
        chart.axis = self.app.prefs["axis"]
        chart.log_y = self.app.prefs["log_y"]
        self.app.changed.subscribe(self, self._on_changed)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._show_details(again=True))
        self.query_one(BundleTree).focus()
        self._show()

    def on_resize(self) -> None:
        """Lines are wrapped for the width that there is."""
        self.call_after_refresh(self._show_details)

    def on_screen_resume(self) -> None:
        """Back from another screen: what was missed is shown at once."""
        self._show()

    # ── the picture ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def row(self) -> TreeRow | None:
        """The chosen line of the tree."""
        return self.query_one(BundleTree).row

    def _on_changed(self, message: Live.Changed) -> None:
        if self.is_current and (message.bundles or message.first or message.changes.any):
            self._show()

    def _show(self) -> None:
        """Bring tree and details up to date; nothing is drawn that has not changed."""
        live = self.app.live
        rows = tree_rows(live.models)
        there = {row.key for row in rows if row.info is not None}
        self.marked = [name for name in self.marked if name in there]
        runs = Runs(live.workspace.runs)
        histories: dict[str, RunHistory | None] = {}
        numbers: dict[str, Numbers] = {}
        for row in rows:
            if row.info is None:
                continue
            name = row.model.name
            if name not in histories:
                run = runs.of(name)
                histories[name] = run.history if run else None
            numbers[row.key] = step_and_loss(row.info, histories[name])
        self.query_one(BundleTree).show(rows, numbers, self.marked)
        self._say_totals(there, [row.info for row in rows if row.info is not None])
        self.set_class(not rows, "-empty")
        if not rows:
            self.query_one("#empty", Static).update(self._teach())
        self._show_details()

    def _say_totals(self, names: set[str], bundles: list[BundleInfo]) -> None:
        broken = sum(bool(info.problem) for info in bundles)
        said = [f"{len(names)} checkpoint{'s' * (len(names) != 1)}", size(sum(b.size for b in bundles))]
        if not names:
            said.clear()
        if broken:
            said.append(f"{broken} broken")
        if self.marked:
            said.append(f"{len(self.marked)} marked")
        if self.app.readonly:
            said.append("read-only")
        self.query_one(TopLine).right = " · ".join(said)
        hints = {0: "", 1: "1 marked: space marks another"}
        self.query_one(BundleTree).border_subtitle = hints.get(
            len(self.marked), f"{len(self.marked)} marked: v compares them"
        )

    def _teach(self) -> Text:
        text = Text("No checkpoints yet\n\n", "bold", justify="center")
        text.append("A run saves one at each evaluation, the best one as gold.\nPress ", "not bold dim")
        text.append("esc", f"bold {self.app.theme_variables.get('primary', '')}".strip())
        text.append(" and then ", "not bold dim")
        text.append("n", f"bold {self.app.theme_variables.get('primary', '')}".strip())
        text.append(" to train a model.", "not bold dim")
        return text

    def _run(self, row: TreeRow | None) -> Run | None:
        return Runs(self.app.live.workspace.runs).of(row.model.name) if row else None

    def _show_details(self, *, again: bool = False) -> None:
        row = self.row
        if row is None or not self.is_current:
            return
        colours = self.app.theme_variables
        run = self._run(row)
        head = details.head(row, run, colours)
        place = self.query_one("#head", Static)
        place.update(head)
        place.set_class(row.info is not None and bool(row.info.problem), "-broken")
        lines = self.query_one("#lines", LineView)
        width = lines.size.width - 1
        shown = (row.key, self.tab, row.info, width)
        if again or shown != self._shown:
            before, self._shown = self._shown, shown
            lines.show(details.section(self.tab, row.info, width, colours) if row.info else [])
            if not isinstance(before, tuple) or before[:2] != shown[:2]:
                lines.scroll_home(animate=False, immediate=True)
        data, words = curve_of(run)
        chart = self.query_one(Chart)
        chart.empty_text = words
        chart.show(data)

    # ── moving ──────────────────────────────────────────────────────────────────────────────────────────────────

    def on_bundle_tree_chosen(self, message: BundleTree.Chosen) -> None:
        """Another checkpoint: its details, and the whole of its curve."""
        self.query_one(Chart).action_reset_view()
        self._show_details()

    def on_bundle_tree_opened(self, message: BundleTree.Opened) -> None:
        """Clicked twice."""
        self.action_open()

    def on_tab_line_picked(self, message: TabLine.Picked) -> None:
        """A section was clicked."""
        self.pick(message.tab)

    def pick(self, tab: str) -> None:
        """Show this section."""
        inside = self.focused is not None and self.focused.id in ("lines", "curve")
        self.tab = tab
        self.query_one(TabLine).active = tab
        self.set_class(tab == "curve", "-curve")
        if inside or self._one_at_a_time:
            self.action_open()
        self.call_after_refresh(self._show_details)

    @property
    def _one_at_a_time(self) -> bool:
        """Whether there is room for the tree or for the details, not for both."""
        return self.has_class("-narrow") and self.has_class("-short")

    def action_tab(self, by: int) -> None:
        """The next section, or the one before."""
        tabs = details.TABS
        self.pick(tabs[(tabs.index(self.tab) + by) % len(tabs)])

    def action_open(self) -> None:
        """Into the details."""
        if self.row is None:
            return
        self.add_class("-inside")
        self.query_one("#curve" if self.tab == "curve" else "#lines").focus()
        self.call_after_refresh(self._show_details)

    def action_back(self) -> None:
        """One layer: from the details to the tree, from there to where one came from."""
        tree = self.query_one(BundleTree)
        if self.focused is not None and self.focused is not tree and not self.has_class("-empty"):
            self.remove_class("-inside")
            self.call_after_refresh(tree.focus)
        else:
            self.dismiss()

    def on_descendant_focus(self, message: events.DescendantFocus) -> None:
        """Where the focus is, there is the room."""
        inside = message.widget is not self.query_one(BundleTree)
        self.set_class(inside, "-inside")
        words = "] next section · esc back to the tree" if inside else "⏎ details · ] next section"
        self.query_one("#details").border_subtitle = words

    def on_click(self, message: events.Click) -> None:
        """A click on what is said of the chosen one opens its details."""
        if message.widget is not None and message.widget.id in ("head", "details"):
            self.action_open()

    # ── doing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _warn(self, words: str) -> None:
        self.notify(words, severity="warning", markup=False)

    def action_mark(self) -> None:
        """Mark for comparing."""
        row = self.row
        if row is None or row.info is None:
            self._warn("There is no checkpoint on this line to mark")
            return
        if row.key in self.marked:
            self.marked.remove(row.key)
        else:
            self.marked.append(row.key)
        self._show()

    def action_compare(self) -> None:
        """Open what is marked side by side."""
        from tui.screens.compare import CompareScreen

        names = self._to_compare()
        if len(names) < 2:
            self._warn("Mark two or more checkpoints with space, then press v")
        else:
            self.app.push_screen(CompareScreen(names))

    def _to_compare(self) -> list[str]:
        """The marked ones in the order of the tree; else the chosen model's last and gold, else it and its base."""
        rows = self.query_one(BundleTree).rows
        if len(self.marked) >= 2:
            return [row.key for row in rows if row.key in self.marked]
        row = self.row
        if row is None:
            return []
        if self.marked and row.info is not None and row.key not in self.marked:
            return [*self.marked, row.key]
        bundles = row.model.bundles
        names = [bundles[kind].name for kind in (Kind.LAST, Kind.GOLD) if kind in bundles]
        if len(names) < 2:
            base = next((r.key for r in rows if r.key == row.model.base and r.info is not None), None)
            names = [*([base] if base else []), *names]
        return names

    def action_sample(self) -> None:
        """Let the chosen one write; the first two of those that are marked, side by side."""
        from tui.screens.sample import SampleScreen, sample_of

        row, marked = self.row, self._to_compare() if len(self.marked) >= 2 else []
        if marked or (row is not None and row.info is not None):
            self.app.push_screen(SampleScreen(marked or [row.key] if row else marked))
        elif row is not None:
            self.app.push_screen(sample_of(self.app, row.model.name))

    def action_fine_tune(self) -> None:
        """Open the form with this checkpoint as the base; of a copy for use, with the one that it was made of."""
        row = self.row
        if row is None or not self.app.allow("Fine-tune"):
            return
        base, last = row.info, row.model.bundles.get(Kind.LAST)
        if row.kind is Kind.FP16 and last is not None and not last.problem:
            base = last
        if base is None or base.problem:
            self._warn(f"{printable(row.key, newline=False)} is not whole, so nothing can be trained from it")
            return
        from tui.screens.launch import LaunchScreen

        self.app.push_screen(LaunchScreen(base=base.name), self._launched)

    def _launched(self, record: RunRecord | None) -> None:
        if record is not None:
            self.app.live.hint()

    def action_resume(self) -> None:
        """Go on from the model's last checkpoint, unless it is training or done."""
        row = self.row
        if row is None or not self.app.allow("Resume"):
            return
        name, run, last = row.model.name, self._run(row), row.model.bundles.get(Kind.LAST)
        refused = starting.refuse_resume(name, run, last)
        if refused:
            self._warn(refused)
        elif starting.is_done(last):
            from tui.screens.launch import LaunchScreen

            self.notify(
                f"{printable(name, newline=False)} has done all its steps: set max_iters higher to go on"
            )
            self.app.push_screen(LaunchScreen(model_name=name), self._launched)
        else:
            starting.resume(self.app, name, run)
