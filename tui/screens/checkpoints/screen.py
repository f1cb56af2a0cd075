"""Checkpoints: what one can do with the chosen one and with those that are marked. It routes."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from mypt import housekeeping
from mypt.bundle import BundleInfo, Kind
from mypt.housekeeping import Deletion, Renaming
from mypt.runs.record import RunRecord
from mypt.text import printable, size
from tui import further, starting
from tui.actions import Action, bindings
from tui.on_checkpoints import AREA, CHECKPOINT
from tui.screens.checkpoints.browsing import BrowsingScreen
from tui.screens.checkpoints.deleting import DeleteScreen, wishes_for
from tui.screens.checkpoints.renaming import RenameScreen
from tui.screens.checkpoints.rows import TreeRow
from tui.screens.checkpoints.runs import alive
from tui.screens.checkpoints.tree import BundleTree


class CheckpointsScreen(BrowsingScreen):
    """The tree and the details, and every action on a checkpoint. Left with the run that was started from here, if any."""

    CSS_PATH = "checkpoints.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        *CHECKPOINT,
        Action("open", "enter", "Details", "Go to the details, to scroll in them", AREA, False),
        Action("tab(1)", "right_square_bracket,right", "Section", "The next section of the details", "View"),
        Action("tab(-1)", "left_square_bracket,left", "Section before", "The section before", "View", False),
        Action("back", "escape", "Back", "Back to the tree, then to the runs", "View"),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)

    def __init__(self) -> None:
        super().__init__()
        self._started: RunRecord | None = None

    def on_mount(self) -> None:
        """End what a kill cut off in the middle of a rename or a delete."""
        if not self.app.readonly:
            self.run_worker(self._recover, thread=True, group="recover")

    def _recover(self) -> None:
        for sentence in housekeeping.recover(self.app.workspace):
            self.app.call_from_thread(self.notify, sentence)
            self.app.live.hint()

    def action_mark(self) -> None:
        """Mark for comparing."""
        row = self.row
        if self._nothing(row):
            return
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
        if self._nothing(self.row):
            return
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
        if self._nothing(row):
            return
        if marked or (row is not None and row.info is not None):
            self.app.push_screen(SampleScreen(marked or [row.key] if row else marked))
        elif row is not None:
            self.app.push_screen(sample_of(self.app, row.model.name))

    def action_fine_tune(self) -> None:
        """Open the form with this checkpoint as the base; of a classifier, the dialogue that made it."""
        if (base := self._base_for("Fine-tune")) is None:
            return
        if base.is_classifier:
            self._ask_for_classifier(base)
            return
        from tui.screens.launch import LaunchScreen

        self.app.push_screen(LaunchScreen(base=base.name), self._launched)

    def action_classifier(self) -> None:
        """Ask for texts and their classes, to make a classifier of this model."""
        if (base := self._base_for("Classifier")) is not None:
            self._ask_for_classifier(base)

    def _ask_for_classifier(self, base: BundleInfo) -> None:
        from tui.screens.classify import opening

        opening.ask(self.app, base, self._launched)

    def _base_for(self, change: str) -> BundleInfo | None:
        """The chosen checkpoint, to train from; of a copy for use, the one that it was made of."""
        if (row := self._row_to(change)) is None:
            return None
        base, last = row.info, row.model.bundles.get(Kind.LAST)
        if row.kind is Kind.FP16 and last is not None and not last.problem:
            base = last
        if base is None or base.problem:
            self._warn(f"{printable(row.key, newline=False)} is not whole, so nothing can be trained from it")
            return None
        return base

    def _launched(self, record: RunRecord | None) -> None:
        if record is not None:
            self.app.live.hint()
            self._started = record
            # A form that was answered is on top of this screen for a moment yet.
            self.call_later(self._leave_with_what_was_started)

    def on_screen_resume(self) -> None:
        """Back from another screen, or from the form that started something."""
        self._leave_with_what_was_started()

    def _leave_with_what_was_started(self) -> None:
        """What was started is watched where runs are; whoever looks at something else meanwhile is left alone."""
        if self._started is not None and self.app.screen is self:
            started, self._started = self._started, None
            self.dismiss(started)

    def action_resume(self) -> None:
        """Go on from the model's last checkpoint, unless it is training or done."""
        if (row := self._row_to("Resume")) is None:
            return
        name, run, last = row.model.name, self._run(row), row.model.bundles.get(Kind.LAST)
        refused = starting.refuse_resume(name, run, last)
        if refused:
            self._warn(refused)
        else:
            further.go_on(self.app, name, run, last, self._launched)

    def _row_to(self, change: str) -> TreeRow | None:
        """The chosen line, to `change` something of it; None, after a word why, where that cannot be."""
        row = self.row
        return None if self._nothing(row) or not self.app.allow(change) else row

    # ── other names, less room, other formats ───────────────────────────────────────────────────────────────────

    def action_rename(self) -> None:
        """Ask for another name."""
        if (row := self._row_to("Rename")) is None:
            return
        name = printable(row.model.name, newline=False)
        if row.gone:
            self._warn(f"{name} is not here, so there is nothing to rename")
        elif alive(self._run(row)):
            self._warn(f"{name} is being trained: stop it, or wait until it ends")
        else:
            self.app.push_screen(RenameScreen(self.app.workspace, row.model.name), self._renamed)

    def _renamed(self, done: Renaming | None) -> None:
        if done is None:
            return
        self._awaited = done.new
        self.app.live.hint()
        self.notify(f"{printable(done.old, newline=False)} is called {done.new} now")

    def action_delete(self) -> None:
        """Ask which, and say the size: those that are marked, this one, or its whole model."""
        if (row := self._row_to("Delete")) is None:
            return
        if row.gone:
            self._warn(f"{printable(row.model.name, newline=False)} is not here already")
            return
        rows = self.query_one(BundleTree).rows
        marked = [r for r in rows if r.key in self.marked]
        chosen = marked if len(marked) > 1 and row in marked else [row]
        running = next((r for r in chosen if alive(self._run(r))), None)
        if running is not None:
            name = printable(running.model.name, newline=False)
            self._warn(f"{name} is being trained: stop it, or wait until it ends")
        else:
            wishes = wishes_for(row, marked)
            self.app.push_screen(DeleteScreen(self.app.workspace, wishes), self._deleted)

    def _deleted(self, done: Deletion | None) -> None:
        if done is None:
            return
        self.app.live.hint()
        number = len(done.parts)
        self.notify(f"{number} checkpoint{'s' * (number != 1)} deleted, {size(done.size)} given back")

    def action_export(self) -> None:
        """Ask for a format and a place."""
        if (row := self._row_to("Export")) is None:
            return
        if row.info is None or row.info.problem:
            self._warn(f"{printable(row.key, newline=False)} is not whole, so it cannot be exported")
            return
        from tui.screens.transfer import ExportScreen

        self.app.push_screen(ExportScreen(self.app.workspace, row.info.name))

    def action_import_checkpoint(self) -> None:
        """Ask for a file and a name."""
        if not self.app.allow("Import"):
            return
        from tui.screens.transfer import ImportScreen

        self.app.push_screen(ImportScreen(self.app.workspace), self._imported)

    def _imported(self, name: str | None) -> None:
        if name:
            self._awaited = name
            self.app.live.hint()
