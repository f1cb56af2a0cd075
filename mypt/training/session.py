"""One training process from checked settings to its closing line: model, optimizer, log, checkpoints around the loop."""

from __future__ import annotations

import contextlib
import copy
import math
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim import AdamW

from mypt import bundle, events
from mypt.data.source import RunData, vocabulary_rows
from mypt.data.split import key_of
from mypt.errors import MyptError, Problem, RunError, UserError
from mypt.estimate import parameters
from mypt.events import LogWriter
from mypt.generate import sample_tokens
from mypt.model import GPT
from mypt.model.weights import load_weights
from mypt.settings.fields import Settings
from mypt.settings.model_config import GPTConfig
from mypt.settings.resolve import Resolved, warmup_steps
from mypt.text import size
from mypt.tokenizers import Tokenizer
from mypt.training import checkpointing
from mypt.training import numerics as machine
from mypt.training import optimizer as adamw
from mypt.training.console import Console
from mypt.training.gold import GoldState, new_phase
from mypt.training.loop import End, NotFiniteError, Progress, Trainer
from mypt.training.numerics import Numerics
from mypt.training.report import RunReporter
from mypt.training.stopping import EXIT_OF_SIGNAL, StopFlag

SAMPLE_TEMPERATURE = 0.8


@dataclass
class Session:
    """Everything that a run needs while it runs. `build` makes one; `train` uses it up."""

    run: Resolved
    data: RunData
    model: GPT
    optimizer: AdamW
    numerics: Numerics
    progress: Progress
    scaler: torch.amp.GradScaler | None
    notices: list[str] = field(default_factory=list)
    run_id: str | None = None
    log: LogWriter | None = None

    @property
    def target(self) -> Path:
        """The folder of the last checkpoint."""
        return self.run.workspace / "checkpoints" / self.run.model_name

    # ── checkpoints (the loop's `Keeper`) ───────────────────────────────────────────────────────────────────────

    def last(self, progress: Progress) -> None:
        """Save the checkpoint that resuming begins from, after the lines of the log that led to it."""
        if self.log is not None:
            self.log.sync()
        self._save(bundle.Kind.LAST, progress)

    def gold(self, progress: Progress) -> None:
        """Save the checkpoint of the best evaluation so far."""
        self._save(bundle.Kind.GOLD, progress)

    def fp16(self, progress: Progress) -> None:
        """Save the light copy for deployment."""
        self._save(bundle.Kind.FP16, progress)

    def _save(self, kind: bundle.Kind, progress: Progress) -> None:
        light = kind is bundle.Kind.FP16
        checkpointing.save(
            self.target.parent / bundle.directory_name(self.run.model_name, kind),
            self.model,
            self.data.tokenizer.to_dict(),
            self._state(progress),
            device=self.numerics.device,
            optimizer=None if light else self.optimizer.state_dict(),
            dtype=torch.float16 if light else torch.float32,
        )

    def _state(self, progress: Progress) -> dict[str, Any]:
        run = self.run
        settings = run.settings.model_dump(mode="json")
        state: dict[str, Any] = {
            "step": progress.iter,
            "training_config": {
                **settings,
                "vocab_size": self.model.config.vocab_size,
                "warmup_iters": warmup_steps(run.settings),
                "start_step": run.start_step,
                "config_file": run.request.config_file,
            },
            "model_dtype_at_save": "float32",
            "gold": progress.gold.to_json(),
            "progress": {
                "tokens_processed": progress.tokens,
                "elapsed_s": progress.elapsed_s,
                "started_at": progress.started_at,
                "last_eval": progress.last_eval,
                "phase": progress.phase,
                "eval_sequences": progress.eval_sequences,
                "train_loss": _finite(progress.train_loss),
                "val_loss": _finite(progress.val_loss),
            },
            "numerics": self.numerics.to_json(),
            "data_fingerprint": self.data.fingerprint,
            "versions": checkpointing.versions(),
        }
        if self.scaler is not None:
            state["grad_scaler"] = self.scaler.state_dict()
        before = run.checkpoint.training_state.get("base") if run.checkpoint else None
        if run.base is not None:
            state["base"] = {"name": run.base.name, "step": run.base.step}
        elif before is not None:
            state["base"] = before
        return state

    # ── the run ─────────────────────────────────────────────────────────────────────────────────────────────────

    def train(self, console: Console, stop: StopFlag) -> int:
        """Train to the end or to a stop, with all events in the log. Returns the process's exit status.

        Raises `RunError` for bad luck, after saying so in the log where it can still be written.
        """
        s = self.run.settings
        try:
            log = LogWriter(self.run.log_path)
        except OSError as error:
            raise RunError(f"{s.log_file}: the log cannot be written: {error.strerror}") from error
        with log:
            self.log = log
            reporter = RunReporter(log, console, s.max_iters, self._sampler())
            trainer = Trainer(
                self.model,
                self.optimizer,
                self.data,
                s,
                self.numerics,
                self.progress,
                reporter,
                self,
                stop,
                forward=_compiled(self.model, self.numerics, console),
                scaler=self.scaler,
            )
            try:
                log.write(self._start_event())
                began, first = time.monotonic(), self.progress.iter
                needed = _memory_needed(self.model.num_parameters(), s)
                with machine.telling_memory(self.numerics.device, needed):
                    end = trainer.run()
                    console.end_progress()
                    self.fp16(self.progress)
                log.sync()
                if end is not End.COMPLETE:
                    return self._say_stopped(log, console, end, stop)
                log.write(self._complete_event(began, first))
                log.sync()
            except NotFiniteError as error:
                console.end_progress()
                self._tell_why(log, "nan", str(error))
                raise RunError(
                    f"step {error.step}: {error.what}; stopped before the update, and {self._kept()}. "
                    "Lower learning_rate, or raise warmup_iters"
                ) from None
            except (Exception, KeyboardInterrupt) as error:
                console.end_progress()
                known = isinstance(error, MyptError)
                self._tell_why(log, "error", str(error) if known else f"{type(error).__name__}: {error}")
                if isinstance(error, OSError):
                    # Checkpoints say their own errors: here a disk would not take a line of the log.
                    file = error.filename or s.log_file
                    raise RunError(f"{file}: {error.strerror or error}; {self._kept()}") from error
                raise
        self._say_done(console)
        return 0

    def _tell_why(self, log: LogWriter, reason: str, message: str) -> None:
        # The log itself may be what cannot be written.
        with contextlib.suppress(OSError):
            log.write(events.TrainingStopped(iter=self.progress.iter, reason=reason, message=message))

    def _kept(self) -> str:
        if self.target.is_dir():
            return f"the last good checkpoint is checkpoints/{self.run.model_name}"
        return "no checkpoint had been saved yet"

    def _start_event(self) -> events.TrainingStart:
        s, config = self.run.settings, self.model.config
        return events.TrainingStart(
            config={
                "max_iters": s.max_iters,
                "start_step": self.progress.iter,
                "resumed": self.run.checkpoint is not None,
                "learning_rate": s.learning_rate,
                "warmup_iters": warmup_steps(s),
                "grad_clip": s.grad_clip,
                "grad_accum_steps": s.grad_accum_steps,
                "batch_size": s.batch_size,
                "block_size": s.block_size,
                "tokens_per_step": s.batch_size * s.block_size * s.grad_accum_steps,
                "eval_interval": s.eval_interval,
                "eval_iters": s.eval_iters,
                "use_amp": self.numerics.precision != "fp32",
                "amp_dtype": self.numerics.precision,
                "config_file": self.run.request.config_file,
                "dataset_dir": s.dataset_dir,
                "input_file": s.input_file,
                "weight_decay": s.weight_decay,
                "dropout": s.dropout,
                "seed": s.seed,
                "base": self.run.base.name if self.run.base else None,
            },
            model={
                "total_params": self.model.num_parameters(),
                "n_layer": config.n_layer,
                "n_head": config.n_head,
                "n_embd": config.n_embd,
                "pos_encoding": config.pos_encoding,
                "mlp_type": config.mlp_type,
                "norm_type": config.norm_type,
            },
            run_id=self.run_id,
            runtime={**self.numerics.to_json(), "device_name": machine.device_name(self.numerics.device)},
        )

    def _complete_event(self, began: float, first: int) -> events.TrainingComplete:
        p, s = self.progress, self.run.settings
        seconds = max(time.monotonic() - began, 1e-9)
        steps = p.iter - first
        per_step = s.batch_size * s.block_size * s.grad_accum_steps
        return events.TrainingComplete(
            started_at=p.started_at,
            total_elapsed_s=p.elapsed_s,
            total_elapsed_h=p.elapsed_s / 3600,
            total_steps=p.iter,
            total_tokens=p.tokens,
            steps_per_sec=steps / seconds,
            tokens_per_sec=round(steps * per_step / seconds),
            final_train_loss=p.train_loss,
            final_val_loss=p.val_loss,
            best_val_loss=p.gold.lowest,
            gold_step=p.gold.gold_step,
            config_file=self.run.request.config_file,
            dataset_dir=s.dataset_dir,
        )

    def _say_stopped(self, log: LogWriter, console: Console, end: End, stop: StopFlag) -> int:
        p, asked = self.progress, stop.signal or "request"
        word = "on request" if end is End.REQUEST else f"by {asked}"
        message = f"at step {p.iter}" if end is End.REQUEST else f"{asked} at step {p.iter}"
        reason = "request" if end is End.REQUEST else "signal"
        log.write(events.TrainingStopped(iter=p.iter, reason=reason, message=message))
        log.sync()
        console.line()
        console.line(f"Training stopped {word} at step {p.iter}; checkpoint saved.", "strong")
        console.line(f"  Resume training: mypt train --model_name {shlex.quote(self.run.model_name)}")
        return 0 if end is End.REQUEST else EXIT_OF_SIGNAL.get(asked, 1)

    def _say_done(self, console: Console) -> None:
        p, name = self.progress, self.run.model_name
        console.line()
        console.line("Training finished!", "strong")
        console.line(f"  Resume training from: checkpoints/{name}")
        console.line(f"  Deploy inference from: checkpoints/{name}_fp16")
        gold_info = bundle.read_info(self.target.parent / f"{name}_gold")
        if p.gold.gold_step is not None and gold_info.files:
            loss = gold_info.training_state.get("progress", {}).get("val_loss")
            shown = f", val_loss={loss:.4f}" if isinstance(loss, float) else ""
            console.line(
                f"  🏆 Best (GOLD) checkpoint: checkpoints/{name}_gold (step {p.gold.gold_step}{shown})",
                "gold",
            )
        tries = (self.run.settings.sample_prompt, "Once")
        known = next((text for text in tries if text and not self.data.tokenizer.unknown(text)), "")
        prompt = f" --prompt {shlex.quote(known)}" if known else ""
        console.line(f"  Generate: mypt generate --model_name {shlex.quote(name)}{prompt}", "quiet")

    def _sampler(self) -> Callable[[int], tuple[str, str] | None]:
        s, tokenizer = self.run.settings, self.data.tokenizer
        if s.sample_interval == 0:
            return lambda step: None
        prompt = "".join(c for c in s.sample_prompt if c not in set(tokenizer.unknown(s.sample_prompt)))
        ids = tokenizer.encode(prompt) if prompt else []
        if not ids:
            # Any beginning is better than no sample, so token 0 where there is no line break.
            ids = tokenizer.encode("\n") if not tokenizer.unknown("\n") else [0]

        def draw(step: int) -> tuple[str, str]:
            with self.numerics.autocast():
                tokens = list(
                    sample_tokens(
                        self.model,
                        ids,
                        max_new_tokens=s.sample_tokens,
                        temperature=SAMPLE_TEMPERATURE,
                        seed=key_of(s.seed, "sample") >> 1,
                        valid_vocab=min(tokenizer.valid_vocab, self.model.config.vocab_size),
                    )
                )
            return prompt, tokenizer.decode(tokens)

        return draw


def build(run: Resolved, data: RunData, console: Console) -> Session:
    """Model, optimizer and progress for a run: new, resumed or fine-tuned. Raises `UserError` for what does not fit."""
    kept = run.checkpoint.training_state.get("numerics") if run.checkpoint else None
    numerics, notices = machine.choose(run.settings, kept if isinstance(kept, dict) else None)
    config = copy.deepcopy(run.config)
    config.vocab_size = vocabulary_rows(run, data.tokenizer)
    config.device = numerics.device
    with machine.telling_memory(numerics.device, _memory_needed(parameters(config), run.settings)):
        if run.checkpoint is not None:
            model = checkpointing.load_model(run.checkpoint, config)
        elif run.base is not None:
            model = _from_base(run, config, data.tokenizer, console, notices)
        else:
            model = GPT(config, seed=key_of(run.settings.seed, "weights") >> 1)
        model.to(numerics.device)
        model.set_kernel(numerics.attention)
        _freeze(model, run)
        optimizer = adamw.build(
            model, learning_rate=run.settings.learning_rate, weight_decay=run.settings.weight_decay
        )
        progress = (
            _resume(run, optimizer, notices, data.fingerprint) if run.checkpoint is not None else Progress()
        )
    if short := checkpointing.check_space(run.workspace, checkpointing.needed_space(model)):
        notices.append(short)
    scaler = torch.amp.GradScaler(numerics.kind) if numerics.precision == "fp16" else None
    saved = run.checkpoint.training_state.get("grad_scaler") if run.checkpoint else None
    if scaler is not None and isinstance(saved, dict):
        scaler.load_state_dict(saved)
    return Session(run, data, model, optimizer, numerics, progress, scaler, notices)


def _resume(run: Resolved, optimizer: AdamW, notices: list[str], fingerprint: str) -> Progress:
    info = run.checkpoint
    assert info is not None
    step = info.step or 0
    if run.request.reset_optimizer:
        notices.append(
            "the optimizer starts anew (--reset_optimizer): from here on the run is no exact continuation"
        )
    elif bundle.OPTIMIZER not in info.files:
        notices.append("the checkpoint has no optimizer.pt, so the optimizer starts anew")
    else:
        state = checkpointing.load_pickle(info.path / bundle.OPTIMIZER)
        if not isinstance(state, dict):
            raise UserError(Problem("holds no optimizer state", where=f"{info.name}/{bundle.OPTIMIZER}"))
        adamw.load_state(optimizer, state, weight_decay=run.settings.weight_decay)
        if "progress" not in info.training_state:
            # The original's closing checkpoint says one step less than the weights have behind them. Ours say the
            # truth, which an optimizer that started anew, or skipped fp16 overflows, does not know.
            step = max(step, adamw.steps_done(state) or 0)
    state = info.training_state
    saved = state.get("progress") if isinstance(state.get("progress"), dict) else {}
    assert isinstance(saved, dict)
    s = run.settings
    per_step = s.batch_size * s.block_size * s.grad_accum_steps
    gold = GoldState.from_json(state.get("gold"))
    before = state.get("data_fingerprint")
    if before is not None and before != fingerprint:
        # A loss on other data is no measure for this; otherwise the old best could block gold for ever.
        gold = new_phase(gold)
    return Progress(
        iter=step,
        tokens=int(saved.get("tokens_processed") or step * per_step),
        elapsed_s=float(saved.get("elapsed_s") or 0.0),
        started_at=str(saved.get("started_at") or ""),
        last_eval=saved.get("last_eval", step),
        phase=saved.get("phase"),
        gold=gold,
        train_loss=saved.get("train_loss"),
        val_loss=saved.get("val_loss"),
        eval_sequences=_eval_sequences(run, saved),
    )


def _eval_sequences(run: Resolved, saved: dict[str, Any]) -> int:
    """The number that the checkpoint evaluated on, unless `eval_iters` has been changed since; then 0: count anew."""
    info = run.checkpoint
    assert info is not None
    before = info.training_config.get("eval_iters")
    if before != run.settings.eval_iters:
        return 0
    kept = saved.get("eval_sequences") or before * info.config.get("batch_size", 0)
    return kept if isinstance(kept, int) else 0


def _from_base(
    run: Resolved, config: GPTConfig, tokenizer: Tokenizer, console: Console, notices: list[str]
) -> GPT:
    base = run.base
    assert base is not None
    theirs = GPTConfig.from_dict(base.config, where=f"{base.name}/{bundle.CONFIG}")
    console.line(f"Initializing from base model '{base.name}' (new format)")
    if tokenizer.kind == "char":
        console.line(f"Using base model's char vocabulary (size: {config.vocab_size})")
    console.line("Updating model config with new training parameters...")
    for name in ("use_loss_mask", "dropout", "batch_size"):
        console.line(f"  {name}: {getattr(config, name)}")
    if config.block_size != theirs.block_size:
        console.line(
            f"  block_size: {theirs.block_size} → {config.block_size}: the context changes, and the model has to "
            "get used to it",
            "strong",
        )
    model = GPT(config, seed=key_of(run.settings.seed, "weights") >> 1)
    notices += load_weights(
        model, checkpointing.read_weights(base), where=f"{base.name}/{bundle.MODEL}", adapt=True
    )
    return model


def _freeze(model: GPT, run: Resolved) -> None:
    s = run.settings
    for block in list(model.blocks)[: s.freeze_layers]:
        block.requires_grad_(False)
    if s.freeze_embeddings:
        model.token_embedding_table.requires_grad_(False)
        if model.config.pos_encoding == "learned":
            model.position_embedding_table.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise UserError(Problem("leaves nothing to train", field="freeze_layers", value=s.freeze_layers))


def _compiled(model: GPT, numerics: Numerics, console: Console) -> Callable[..., Any]:
    """The forward pass, compiled where that was chosen; falls back with a sentence where it cannot be."""
    if not numerics.compile:
        return model
    compiled = torch.compile(model)
    state: dict[str, Callable[..., Any]] = {}

    def forward(*args: Any) -> Any:
        if "use" not in state:
            try:
                result = compiled(*args)
                state["use"] = compiled
                return result
            except Exception as error:
                first = (str(error).splitlines() or [type(error).__name__])[0]
                console.line(
                    f"torch.compile does not work here ({first[:120]}); training goes on without it",
                    "trouble",
                )
                state["use"] = model
        return state["use"](*args)

    return forward


def _memory_needed(parameters: int, settings: Settings) -> str:
    return (
        f"the model's weights, gradients and optimizer state take {size(16 * parameters)}, and a batch of "
        f"{settings.batch_size} × {settings.block_size} tokens its activations"
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
