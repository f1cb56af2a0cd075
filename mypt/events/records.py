"""What a run can say: one record type an event."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import msgspec
from msgspec import UNSET, UnsetType

Number = float | None
"""A loss or another measured number: None where it was not measured, nan or inf where it was and is not finite."""

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A count: what is beyond is none, and no curve could be drawn of it."""


class Event(msgspec.Struct, kw_only=True, tag_field="event"):
    """What every event has: a naive local ISO `timestamp` with microseconds, as the original MyPT writes it."""

    timestamp: str = ""


class TrainingStart(Event, tag="training_start"):
    """A process begins to train: at step 0, or, where `config["resumed"]`, at `config["start_step"]`.

    `settings` are all effective settings, of which `config` has the promised ones; `sources` says where those come from
    that are no defaults.
    """

    config: dict[str, Any] = {}
    model: dict[str, Any] = {}
    run_id: str | UnsetType | None = UNSET
    runtime: dict[str, Any] | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    sources: dict[str, Any] | UnsetType = UNSET


class Train(Event, tag="train"):
    """One optimizer step, every `log_interval` steps. `train_loss` is that step's own, over all its tokens.

    `memory` is what training holds at that moment: on a GPU the most that was allocated on it since the last such event,
    on a CPU the memory of the process; in bytes. `rank_seconds`, where several processes share the batch (ddp), is what each of
    them spent in forward passes since the last such event: there none waits for another, so the slowest shows.
    """

    iter: Whole
    elapsed_s: Number = None
    tokens_processed: Whole | None = None
    lr: Number = None
    train_loss: Number = None
    grad_norm: Number = None
    tokens_per_sec: Number = None
    mfu: float | UnsetType | None = UNSET
    memory: Whole | UnsetType | None = UNSET
    rank_seconds: list[float] | UnsetType | None = UNSET


class Eval(Event, tag="eval"):
    """One evaluation after `iter` updates. `eval_sets` holds the losses that a line spells `eval_<name>`."""

    iter: Whole
    elapsed_s: Number = None
    tokens_processed: Whole | None = None
    progress_pct: Number = None
    lr: Number = None
    phase: str = "default"
    val_loss: Number = None
    train_loss: Number = None
    eval_duration_s: Number = None
    eval_sets: dict[str, Number] = {}


class PhaseSwitch(Event, tag="phase_switch"):
    """The curriculum goes on to `new_phase`: training and validation data change after `iter` updates."""

    iter: Whole
    elapsed_s: Number = None
    tokens_processed: Whole | None = None
    new_phase: str = ""


class GoldCheckpoint(Event, tag="gold_checkpoint"):
    """A new best validation loss was accepted and saved; `prev_best` is None for the first."""

    iter: Whole
    val_loss: Number = None
    prev_best: Number = None


class GoldBlocked(Event, tag="gold_blocked"):
    """A new best validation loss was refused by a guard, whose `reason` is text for people."""

    iter: Whole
    val_loss: Number = None
    best_val_loss: Number = None
    reason: str = ""


class Notice(Event, tag="notice"):
    """Something that a person should know of, and that does not stop the run.

    `kind` is "loss_spike" (`train_loss` is that update's own), "eval_set" (its loss is no finite number),
    "fp16_overflow" (updates are skipped), "gold_worse" (the first gold is no improvement) or "slow_save"; `message` is
    text for people.
    """

    iter: Whole
    elapsed_s: Number = None
    tokens_processed: Whole | None = None
    kind: str = ""
    message: str = ""
    train_loss: float | UnsetType | None = UNSET


class Sample(Event, tag="sample"):
    """Text that the model wrote after `iter` updates, going on from `prompt` (which is not part of `text`)."""

    iter: Whole
    prompt: str = ""
    text: str = ""


class TrainingStopped(Event, tag="training_stopped"):
    """The run ended before `max_iters`; `reason` is "signal", "request", "nan" or "error"."""

    iter: Whole
    reason: str = ""
    message: str = ""


class TrainingComplete(Event, tag="training_complete"):
    """The run reached `max_iters`. Totals are of the whole run, over every resume."""

    started_at: str = ""
    total_elapsed_s: Number = None
    total_elapsed_h: Number = None
    total_steps: Whole | None = None
    total_tokens: Whole | None = None
    steps_per_sec: Number = None
    tokens_per_sec: Number = None
    final_train_loss: Number = None
    final_val_loss: Number = None
    best_val_loss: Number = None
    gold_step: Whole | None = None
    config_file: str | None = None
    dataset_dir: str | None = None


class Unknown(Event, tag="?"):
    """An event of a kind that this version does not know; kept so that a list of events can still show it."""

    name: str = ""
    fields: dict[str, Any] = {}


KnownEvent = (
    TrainingStart
    | Train
    | Eval
    | PhaseSwitch
    | GoldCheckpoint
    | GoldBlocked
    | Notice
    | Sample
    | TrainingStopped
    | TrainingComplete
)
AnyEvent = KnownEvent | Unknown

NAMES: frozenset[str] = frozenset(kind.__struct_config__.tag for kind in get_args(KnownEvent))
"""What a line calls the events that are known."""
