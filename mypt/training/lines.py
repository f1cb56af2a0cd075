"""The lines of the log that begin and end a training process."""

from __future__ import annotations

from mypt.events import TrainingComplete, TrainingStart
from mypt.settings.origins import origins
from mypt.settings.resolve import Mode, warmup_steps
from mypt.training import numerics as machine
from mypt.training.build import Built


def start_event(built: Built, run_id: str | None) -> TrainingStart:
    """What a process begins to train, and with what."""
    run, engine = built.run, built.engine
    s, config = run.settings, engine.model.config
    return TrainingStart(
        config={
            "max_iters": s.max_iters,
            "start_step": built.progress.iter,
            "resumed": run.mode is Mode.RESUME,
            "learning_rate": s.learning_rate,
            "warmup_iters": warmup_steps(s),
            "grad_clip": s.grad_clip,
            "grad_accum_steps": s.grad_accum_steps,
            "batch_size": s.batch_size,
            "block_size": s.block_size,
            "tokens_per_step": s.batch_size * s.block_size * s.grad_accum_steps,
            "eval_interval": s.eval_interval,
            "eval_iters": s.eval_iters,
            "use_amp": engine.numerics.precision != "fp32",
            "amp_dtype": engine.numerics.precision,
            "config_file": built.config_file,
            "dataset_dir": built.dataset_dir,
            "input_file": s.input_file,
            "weight_decay": s.weight_decay,
            "dropout": s.dropout,
            "seed": s.seed,
            "base": run.base.name if run.base else None,
        },
        model={
            "total_params": engine.model.num_parameters(),
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "n_embd": config.n_embd,
            "pos_encoding": config.pos_encoding,
            "mlp_type": config.mlp_type,
            "norm_type": config.norm_type,
        },
        run_id=run_id,
        runtime={
            **engine.numerics.to_json(),
            "device_name": machine.device_name(engine.numerics.device),
            **({"processes": engine.ranks.world} if engine.ranks.world > 1 else {}),
        },
        settings={**s.model_dump(mode="json", exclude_none=True), "vocab_size": config.vocab_size},
        sources=origins(run),
    )


def complete_event(built: Built) -> TrainingComplete:
    """That a run reached its end, with the sums over all its processes."""
    p = built.progress
    steps_per_sec, tokens_per_sec = p.rates()
    return TrainingComplete(
        started_at=p.started_at,
        total_elapsed_s=p.elapsed_s,
        total_elapsed_h=p.elapsed_s / 3600,
        total_steps=p.iter,
        total_tokens=p.tokens,
        steps_per_sec=steps_per_sec,
        tokens_per_sec=round(tokens_per_sec),
        final_train_loss=p.train_loss,
        final_val_loss=p.val_loss,
        best_val_loss=p.gold.lowest,
        gold_step=p.gold.gold_step,
        config_file=built.config_file,
        dataset_dir=built.dataset_dir,
    )
