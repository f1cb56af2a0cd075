"""From checked settings to what computes: model, optimizer and progress of a run that is new, resumed or fine-tuned."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.optim import AdamW

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.data.source import RunData, vocabulary_rows
from mypt.errors import MyptError, Problem, UserError
from mypt.estimate import parameters
from mypt.launch.place import here
from mypt.model import LanguageModel
from mypt.settings.fields import Settings
from mypt.settings.model_config import GPTConfig
from mypt.settings.resolve import Resolved
from mypt.text import size
from mypt.training import checkpointing, disk
from mypt.training import numerics as machine
from mypt.training import optimizer as adamw
from mypt.training.allocator import give_back_freed_memory, keep_freed_memory
from mypt.training.beginning import Beginning, begin
from mypt.training.compiled import forward_of
from mypt.training.console import Console
from mypt.training.engine import Engine
from mypt.training.gold import GoldState, carried, new_phase
from mypt.training.parts import share_out
from mypt.training.progress import Progress
from mypt.training.spikes import RecentLoss


@dataclass
class Built:
    """What `build` makes of a run, ready to train, and what its user should be told."""

    run: Resolved
    data: RunData
    engine: Engine
    progress: Progress
    notices: list[str] = field(default_factory=list)
    base_step: int | None = None
    """Updates that the base of a fine-tune has behind it, where that is known."""
    first: Beginning | None = None
    """What is filled in when the ranks `join`, where each keeps but a part of it: until then nobody has any."""

    @property
    def model(self) -> LanguageModel:
        """The model of the engine."""
        return self.engine.model

    def join(self, console: Console) -> None:
        """Let the ranks of the engine, where there are several, train one model: all call this at once.

        Whoever is by itself has all of the weights then, however many were to share them. Raises `UserError` where
        they cannot in the way that was chosen.
        """
        engine, (first, self.first) = self.engine, (self.first, None)
        if first is not None and engine.ranks.world > 1:
            share_out(engine, first)
            engine.forward = forward_of(engine.model, engine.numerics, console)
        elif first is not None:
            engine.model.materialise(engine.numerics.device)
            first.fill(engine.model)
        elif engine.ranks.world > 1:
            engine.forward = forward_of(engine.ranks.wrap(engine.model), engine.numerics, console)

    @property
    def config_file(self) -> str | None:
        """The preset that the run was begun with, or is gone on with by another name."""
        saved = self.run.checkpoint.training_config.get("config_file") if self.run.checkpoint else None
        return self.run.request.config_file or (saved if isinstance(saved, str) else None)

    @property
    def dataset_dir(self) -> str | None:
        """The folder that the run trains on; with a curriculum, that of its first phase."""
        s = self.run.settings
        return s.curriculum.phases[0].dataset_dir if s.curriculum else s.dataset_dir


MakeModel = Callable[[Resolved, GPTConfig, RunData, Console, list[str]], LanguageModel]
"""Makes the model of a run on the CPU, with the config given; adds notices to the list."""


def build(run: Resolved, data: RunData, console: Console, make_model: MakeModel | None = None) -> Built:
    """Model, optimizer and progress for a run: new, resumed or fine-tuned. Raises `UserError` for what does not fit.

    `make_model` is for models of another kind than `mypt train` makes.
    """
    kept = run.checkpoint.training_state.get("numerics") if run.checkpoint else None
    before = run.checkpoint.training_config if run.checkpoint else {}
    numerics, notices = machine.choose(run.settings, kept if isinstance(kept, dict) else None, before)
    in_parts = _in_parts(run)
    if numerics.kind == "cpu":
        (give_back_freed_memory if in_parts else keep_freed_memory)()
    config = copy.deepcopy(run.config)
    config.vocab_size = vocabulary_rows(run, data.tokenizer)
    config.device = numerics.device
    with machine.telling_memory(numerics.device, memory_needed(parameters(config), run.settings)):
        if make_model is not None:
            model, first = make_model(run, config, data, console, notices), None
        else:
            model, first = begin(run, config, data.tokenizer, console, notices, later=in_parts)
        if first is None:
            model.to(numerics.device)
        model.set_kernel(numerics.attention)
        model.set_matmul(numerics.matmul)
        _freeze(model, run)
        optimizer = adamw.build(
            model, learning_rate=run.settings.learning_rate, weight_decay=run.settings.weight_decay
        )
        resumes = run.checkpoint is not None
        progress = _resume(run, optimizer, notices, data, first) if resumes else Progress()
    if short := disk.check_space(run.workspace, disk.needed_space(model)):
        notices.append(short)
    scaler = torch.amp.GradScaler(numerics.kind) if numerics.precision == "fp16" else None
    saved = run.checkpoint.training_state.get("grad_scaler") if run.checkpoint else None
    if scaler is not None and isinstance(saved, dict):
        scaler.load_state_dict(saved)
    engine = Engine(model, optimizer, run.settings, numerics, forward_of(model, numerics, console), scaler)
    return Built(run, data, engine, progress, notices, _base_step(run.base), first)


def _in_parts(run: Resolved) -> bool:
    """Whether this is one of several processes, each of which will keep a part of the model."""
    return run.settings.parallel == "fsdp" and not here().alone


def _resume(
    run: Resolved, optimizer: AdamW, notices: list[str], data: RunData, first: Beginning | None
) -> Progress:
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
        # Of which this rank will keep but a part, that is read from the file only once it is cut out.
        state = checkpointing.load_pickle(info.path / bundle.OPTIMIZER, mapped=first is not None)
        if not isinstance(state, dict):
            raise UserError(Problem("holds no optimizer state", where=f"{info.name}/{bundle.OPTIMIZER}"))
        adamw.load_state(optimizer, state, weight_decay=run.settings.weight_decay)
        if first is not None:
            first.moments = state
        if "progress" not in info.training_state:
            # The original's closing checkpoint says one step less than the weights have behind them. Ours say the
            # truth, which an optimizer that started anew, or skipped fp16 overflows, does not know.
            step = max(step, adamw.steps_done(state) or 0)
    s = run.settings
    progress = Progress.from_state(
        {"gold": _originals_gold(info), **info.training_state},
        step=step,
        tokens_per_step=s.batch_size * s.block_size * s.grad_accum_steps,
        where=f"{info.name}/{bundle.STATE}",
    )
    progress.gold = _gold(run, progress, data)
    if not _same_batches(info, run, data.fingerprint):
        # Losses of other batches are another level and scatter otherwise: what is usual shows anew.
        progress.recent_loss = RecentLoss()
    progress.eval_sequences = _eval_sequences(run, progress.eval_sequences)
    interval = info.training_config.get("eval_interval")
    if isinstance(interval, int) and interval > 0 and step % interval and step < s.max_iters:
        # Nothing was cut short here, so a new interval that happens to divide this step begins with the next.
        progress.last_eval = step
    return progress


def _gold(run: Resolved, progress: Progress, data: RunData) -> GoldState:
    """What is known of gold where the run resumes: from its checkpoint, and from a gold that was saved after it."""
    assert run.checkpoint is not None
    state, fingerprint = progress.gold, data.fingerprint
    changed = data.changed_eval_sets(run.checkpoint.training_state)
    # What a set that holds something else now began with is no measure for it.
    state = replace(state, first={name: v for name, v in state.first.items() if name not in changed})
    if not _same_measure(run.checkpoint, run, fingerprint):
        # A loss on other data is no measure for this; otherwise the old best could block gold for ever.
        state = replace(new_phase(state), ahead=None)
    info = bundle.read_info(
        run.workspace / "checkpoints" / bundle.directory_name(run.model_name, bundle.Kind.GOLD)
    )
    try:
        theirs = Progress.from_state(info.training_state, step=info.step or 0, tokens_per_step=0)
    except UserError:
        # Of a gold that is broken nothing is known.
        theirs = Progress()
    if info.problem or not theirs.started_at or theirs.started_at != progress.started_at:
        return replace(state, ahead=None)
    if not _same_measure(info, run, fingerprint):
        return state
    return carried(state, theirs.gold, step=progress.iter, phase=theirs.phase)


def _originals_gold(info: BundleInfo) -> dict[str, Any]:
    """What the original MyPT writes beside its bundles, as ours is kept: a run that goes on must not undo a better gold."""
    file = info.path / "gold_selection_state.json"
    try:
        theirs = bundle.read_json_object(file) if file.is_file() else {}
    except UserError:
        return {}
    names = ("best_gold_val_loss", "gold_step", "best_val_loss")
    best, step, lowest = (theirs.get(name) for name in names)
    return {"best": best, "best_step": step, "gold_step": step, "lowest": lowest}


def _same_measure(info: BundleInfo, run: Resolved, fingerprint: str) -> bool:
    """Whether the validation losses of a bundle and of this run are of the same data, and of the same of its tokens."""
    masked = info.training_config.get("use_loss_mask", info.config.get("use_loss_mask", False))
    before = info.training_state.get("data_fingerprint")
    return before in (None, fingerprint) and masked == run.settings.use_loss_mask


def _same_batches(info: BundleInfo, run: Resolved, fingerprint: str) -> bool:
    """Whether the losses of updates before and after a resume are of batches of the same size and of the same data."""
    before, s = info.training_config, run.settings
    sizes = (before.get("batch_size"), before.get("grad_accum_steps"))
    return sizes == (s.batch_size, s.grad_accum_steps) and _same_measure(info, run, fingerprint)


def _eval_sequences(run: Resolved, saved: int) -> int:
    """The number that the checkpoint evaluated on, unless `eval_iters` has been changed since; then 0: count anew."""
    info = run.checkpoint
    assert info is not None
    before = info.training_config.get("eval_iters")
    if before != run.settings.eval_iters:
        return 0
    kept = saved or before * info.config.get("batch_size", 0)
    return kept if isinstance(kept, int) else 0


def _base_step(base: BundleInfo | None) -> int | None:
    try:
        return None if base is None else checkpointing.updates_done(base)
    except MyptError:
        # A fine-tune needs no optimizer of its base's, and may have one that is broken.
        return base.step if base is not None else None


def _freeze(model: LanguageModel, run: Resolved) -> None:
    s = run.settings
    for block in list(model.blocks)[: s.freeze_layers]:
        block.requires_grad_(False)
    if s.freeze_embeddings:
        for table in model.embeddings():
            table.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise UserError(Problem("leaves nothing to train", field="freeze_layers", value=s.freeze_layers))


def memory_needed(parameters: int, settings: Settings) -> str:
    """What a step of training keeps in memory, in words."""
    return (
        f"the model's weights, gradients and optimizer state take {size(16 * parameters)}, and a batch of "
        f"{settings.batch_size} × {settings.block_size} tokens its activations"
    )
