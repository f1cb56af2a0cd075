"""Checkpoints: what is shown and how one moves in it. What there is comes from `app.live`, already read by its thread."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from mypt.bundle import BundleInfo
from mypt.diff import Reached, reached
from mypt.runs.record import RunRecord
from mypt.text import size
from mypt.watch.history import RunHistory
from mypt.watch.run import Run
from tui.actions import Action
from tui.chart.widget import Chart
from tui.dashboard import Dashboard, shown_path
from tui.live import Live
from tui.screens.checkpoints import details, gold
from tui.screens.checkpoints.rows import EARLIER, TreeRow, tree_rows
from tui.screens.checkpoints.runs import Runs, curve_of
from tui.screens.checkpoints.tabs import TabLine
from tui.screens.checkpoints.tree import BundleTree
from tui.widgets.lines import KeyLine, TopLine
from tui.widgets.lineview import LineView


class BrowsingScreen(Screen[RunRecord | None]):
    """Every model below the one that it was fine-tuned from; at the right what the chosen checkpoint holds. Changes nothing."""

    ACTIONS: ClassVar[tuple[Action, ...]] = ()

    app: Dashboard

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[str] = []
        self.tab = details.TABS[0]
        self._shown: object = None
        self._guards: gold.Guards = {}
        self._awaited = ""

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
        self.query_one(TopLine).stand_at(shown_path(self.app.workspace), "checkpoints")
        chart = self.query_one(Chart)
        chart.axis = self.app.prefs["axis"]
        chart.log_y = self.app.prefs["log_y"]
        self.app.changed.subscribe(self, self._on_changed)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._show_details(again=True))
        self.query_one(BundleTree).focus()
        self._show()
        self.run_worker(self._read_guards, thread=True, group="guards")

    def _read_guards(self) -> None:
        # The settings bring pydantic along, for which nobody shall wait.
        guards = gold.default_guards()
        self.app.call_from_thread(self._take_guards, guards)

    def _take_guards(self, guards: gold.Guards) -> None:
        self._guards = guards
        self._show_details(again=True)

    def on_resize(self) -> None:
        """Lines are wrapped for the width that there is."""
        self.call_after_refresh(self._show)

    def on_screen_resume(self) -> None:
        """Back from another screen: what was missed is shown at once."""
        self._show()

    # ── the picture ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def empty_actions(self) -> tuple[Action, ...]:
        """What can be done where there is no checkpoint yet."""
        return tuple(action for action in self.ACTIONS if action.name in ("import_checkpoint", "back"))

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
        numbers: dict[str, Reached] = {}
        for row in rows:
            if row.info is None:
                continue
            name = row.model.name
            if name not in histories:
                run = runs.of(name)
                histories[name] = run.history if run else None
            numbers[row.key] = reached(row.info, histories[name])
        tree = self.query_one(BundleTree)
        tree.show(rows, numbers, self.marked)
        if self._awaited and tree.choose(self._awaited):
            self._awaited = ""
        self._say_totals(there, [row.info for row in rows if row.info is not None])
        self.set_class(not rows, "-empty")
        self.query_one(KeyLine).show(self.ACTIONS if rows else self.empty_actions)
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
        hints = {0: self._tree_note(), 1: "1 marked: space marks another"}
        self.query_one(BundleTree).border_subtitle = hints.get(
            len(self.marked), f"{len(self.marked)} marked: v compares them"
        )

    def _tree_note(self) -> str:
        return EARLIER if self.query_one(BundleTree).has_signs else ""

    def _teach(self) -> Text:
        key, quiet = f"bold {self.app.theme_variables.get('primary', '')}".strip(), "not bold dim"
        text = Text("No checkpoints yet\n\n", "bold", justify="center")
        for words, style in (
            ("A run saves one at each evaluation, the best one as gold.\nPress ", quiet),
            ("esc", key),
            (" and then ", quiet),
            ("n", key),
            (" to train a model, or ", quiet),
            ("i", key),
            (" to bring in one of another program.", quiet),
        ):
            text.append(words, style)
        return text

    def _nothing(self, row: TreeRow | None) -> bool:
        """Whether there is no checkpoint at all to do something with; says then how to come by one."""
        if row is None:
            self._warn("There is no checkpoint here yet: esc and then n trains a model, i brings one in")
        return row is None

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
        decided = len(run.history.golds) + len(run.history.blocked) if run and self.tab == "gold" else 0
        shown = (row.key, self.tab, row.info, width, decided)
        if again or shown != self._shown:
            before, self._shown = self._shown, shown
            lines.show(self._section(row, run, width))
            if not isinstance(before, tuple) or before[:2] != shown[:2]:
                lines.scroll_home(animate=False, immediate=True)
        data, words = curve_of(run)
        chart = self.query_one(Chart)
        chart.empty_text = words
        chart.show(data)

    def _section(self, row: TreeRow, run: Run | None, width: int) -> list[Text]:
        colours = self.app.theme_variables
        if row.info is None:
            return []
        if self.tab == "gold":
            return gold.lines(row.model, row.info, run, self._guards, width, colours)
        return details.section(self.tab, row.info, width, colours)

    def _warn(self, words: str) -> None:
        self.notify(words, severity="warning", markup=False)

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
            self.dismiss(None)

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
