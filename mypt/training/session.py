"""One training process from its first line of the log to its last: the loop, and every way in which it ends."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable

from mypt import bundle, events, signals
from mypt.disk import remedy
from mypt.errors import MyptError, RunError
from mypt.events import LogWriter
from mypt.memory import check_room
from mypt.runs.lock import LostError
from mypt.training import lines
from mypt.training import numerics as machine
from mypt.training.build import Built, memory_needed
from mypt.training.console import Console
from mypt.training.engine import NotFiniteError
from mypt.training.keeper import BundleKeeper
from mypt.training.loop import Trainer
from mypt.training.report import RunReporter, Sampler
from mypt.training.roles import End
from mypt.training.sampling import sampler_of
from mypt.training.stopping import StopFlag, say_on_stderr

# A disk that hangs is what a second signal is often about.
_PATIENCE_S = 5.0


class Session:
    """Trains what was `built`, once: `train` uses it up."""

    #: What goes on with the model when it is named once more.
    command = "mypt train"

    def __init__(
        self,
        built: Built,
        console: Console,
        stop: StopFlag,
        run_id: str | None = None,
        keeper: BundleKeeper | None = None,
    ) -> None:
        self.built, self.run, self.data = built, built.run, built.data
        self.engine, self.progress = built.engine, built.progress
        self.console, self.stop, self.run_id = console, stop, run_id
        self.keeper = keeper or BundleKeeper(built)
        #: Raises where the log is not this run's to write any more.
        self.check_log: Callable[[], None] | None = None

    def train(self) -> int:
        """Train to the end or to a stop, with all events in the log. Returns the process's exit status.

        Raises `RunError` for bad luck, after saying so in the log where it can still be written.
        """
        with self._open_log() as log:
            self.keeper.log, log.check_ours = log, self._check_ours
            self.keeper.tell(lambda text: self.console.line(f"Note: {text}", "strong"))
            try:
                end = self._train(log)
            except NotFiniteError as error:
                self.console.end_progress()
                self._tell_why(log, "nan", str(error))
                what = f"step {error.step}: {error.what}; {error.before}, and {self.keeper.kept()}"
                raise RunError(f"{what}. {error.remedy}{self.keeper.further_back()}") from None
            except KeyboardInterrupt:
                # Only of a second signal within a program: it is not waited for a checkpoint any longer.
                self.keeper.abandon()
                self.console.end_progress()
                self._tell_why(log, "signal", self._twice(self.stop.signal or "SIGINT"))
                raise
            except OSError as error:
                # Checkpoints say their own errors: here a disk would not take a line of the log.
                self.console.end_progress()
                file = error.filename or self.run.settings.log_file
                what = f"{error.strerror or error}; {self.keeper.kept()}; {remedy(error)}"
                self._tell_why(log, "error", f"{file}: {what}")
                raise RunError(f"{file}: {what}") from error
            except LostError:
                # The log is the other run's as well: a last word of this one would be taken for its.
                self.console.end_progress()
                raise
            except Exception as error:
                self.console.end_progress()
                known = isinstance(error, MyptError)
                self._tell_why(log, "error", str(error) if known else f"{type(error).__name__}: {error}")
                raise
        if end is not End.COMPLETE:
            return self._say_stopped(end)
        self._say_done()
        return 0

    def _open_log(self) -> LogWriter:
        try:
            return LogWriter(self.run.log_path, self.run.workspace)
        except OSError as error:
            what = f"the log cannot be written: {error.strerror}; {remedy(error)}"
            raise RunError(f"{self.run.settings.log_file}: {what}") from error

    def _check_ours(self) -> None:
        for check in (self.keeper.check_ours, self.check_log):
            if check is not None:
                check()

    def _train(self, log: LogWriter) -> End:
        """The loop between the lines that begin and end its part of the log."""
        s, p = self.run.settings, self.progress
        sampler = sampler_of(self.engine, self.data.tokenizer, self.stop)
        reporter = self._reporter(log, sampler)
        peak = machine.peak_flops(self.engine.numerics)
        trainer = self._trainer(reporter, peak)
        log.write(lines.start_event(self.built, self.run_id))
        needed = memory_needed(self.engine.model.num_parameters(), s)
        with machine.telling_memory(self.engine.numerics.device, needed), self.engine.ranks.telling_loss():
            check_room()
            self.built.join(self.console)
            try:
                end = trainer.run()
                self.console.end_progress()
                self.keeper.fp16(p)
            except Exception:
                # What there is to go on from is told once it is there.
                self.keeper.settle()
                raise
        log.sync()
        log.write(lines.complete_event(self.built) if end is End.COMPLETE else self._stopped_event(end))
        log.sync()
        return end

    def _reporter(self, log: LogWriter, sampler: Sampler | None) -> RunReporter:
        return RunReporter(log, self.console, self.run.settings.max_iters, sampler)

    def _trainer(self, reporter: RunReporter, peak: float | None) -> Trainer:
        return Trainer(self.engine, self.data, self.progress, reporter, self.keeper, self.stop, peak)

    def _tell_why(self, log: LogWriter, reason: str, message: str) -> None:
        # The log itself may be what cannot be written, or another run's by now.
        with contextlib.suppress(OSError, LostError):
            log.write(events.TrainingStopped(iter=self.progress.iter, reason=reason, message=message))

    def end_at_once(self, name: str, finish: Callable[[int, str], None]) -> None:
        """End the process where it stands, as a kill would, because the signal `name` came a second time.

        Called in the signal's handler. The log and the run's record (by `finish`, with the exit status and a sentence)
        get their last word, and a half-written checkpoint is removed; a disk that does not answer is not waited for.
        """
        status = signals.STATUS[name]
        signals.end_within(_PATIENCE_S, status)
        for step in (
            self.keeper.abandon,
            lambda: self._say_ended(name),
            lambda: finish(status, self._twice(name)),
        ):
            # Whatever goes wrong here, the process is to end.
            with contextlib.suppress(Exception):
                step()
        os._exit(status)

    def _say_ended(self, name: str) -> None:
        said = self._twice(name)
        if self.keeper.log is not None:
            self._tell_why(self.keeper.log, "signal", said)
        resume = f"Resume training: {self.command} --model_name {shlex.quote(self.run.model_name)}"
        say_on_stderr(f"ended at once by {said}\n  {resume}")
        self.console.note(f"ended at once by {said}\n  {resume}")

    def _twice(self, name: str) -> str:
        step = self.progress.iter
        saved = bundle.read_info(self.keeper.target).step == step
        return f"{name}, sent twice, at step {step}{'' if saved else ', not saved'}; {self.keeper.kept()}"

    def _stopped_event(self, end: End) -> events.TrainingStopped:
        p, request = self.progress, end is End.REQUEST
        message = f"at step {p.iter}" if request else f"{self.stop.signal} at step {p.iter}"
        return events.TrainingStopped(iter=p.iter, reason="request" if request else "signal", message=message)

    def _say_stopped(self, end: End) -> int:
        word = "on request" if end is End.REQUEST else f"by {self.stop.signal}"
        line = self.console.line
        line()
        line(f"Training stopped {word} at step {self.progress.iter}; checkpoint saved.", "strong")
        line(f"  Resume training: {self.command} --model_name {shlex.quote(self.run.model_name)}")
        return self._status(end)

    def _status(self, end: End) -> int:
        return 0 if end is End.REQUEST else signals.STATUS.get(self.stop.signal or "", 1)

    def _say_done(self) -> None:
        p, name, console, keeper = self.progress, self.run.model_name, self.console, self.keeper
        console.line()
        console.line("Training finished!", "strong")
        console.line(f"  Resume training from: {keeper.shown(bundle.Kind.LAST)}")
        console.line(f"  Deploy inference from: {keeper.shown(bundle.Kind.FP16)}")
        gold_info = bundle.read_info(keeper.folder(bundle.Kind.GOLD))
        if p.gold.gold_step is not None and gold_info.files:
            loss = gold_info.training_state.get("progress", {}).get("val_loss")
            shown = f", val_loss={loss:.4f}" if isinstance(loss, float) else ""
            place = keeper.shown(bundle.Kind.GOLD)
            console.line(f"  🏆 Best (GOLD) checkpoint: {place} (step {p.gold.gold_step}{shown})", "gold")
        tries = (self.run.settings.sample_prompt, "Once")
        known = next((text for text in tries if text and not self.data.tokenizer.unknown(text)), "")
        prompt = f" --prompt {shlex.quote(known)}" if known else ""
        console.line(f"  Generate: mypt generate --model_name {shlex.quote(name)}{prompt}", "quiet")
