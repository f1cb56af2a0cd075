"""MyPT's own checkpoints, the original's included: bundles, and the single files of its past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from mypt import bundle
from mypt.errors import Problem, UserError, raise_for
from mypt.interop.formats import Asked, Checkpoint, Plan, Taken
from mypt.interop.mapping import layers
from mypt.model import build_model
from mypt.settings.model_config import MODDED_ARCHS, GPTConfig

_EMBEDDING, _HEAD = "token_embedding_table.weight", "lm_head.weight"


class OwnFormat:
    """Recognised by the name of its embedding, and a config beside or with the weights."""

    title = "MyPT (a folder with config.json and model.pt, or the original's latest.pt and final.pt)"

    def matches(self, found: Checkpoint) -> bool:
        """Whether the weights are named as ours and their config is there."""
        config = _config(found)
        foreign = config.get("arch") in MODDED_ARCHS and "embed.weight" in found.state
        return "n_layer" in config and (_EMBEDDING in found.state or foreign)

    def plan(self, found: Checkpoint, asked: Asked) -> Plan:
        """The network of its config, and each weight under its own name."""
        beside = bundle.CONFIG in found.documents
        where = f"{found.path.name}/{bundle.CONFIG}" if beside else found.path.name
        said = _config(found)
        lacks = [Problem("is missing", where=where, field=f) for f in bundle.SHAPE if said.get(f) is None]
        raise_for(lacks)
        config = GPTConfig.from_dict(said, where=where)
        there = layers(found.state, r"blocks\.(\d+)\.", found.path.name)
        if config.n_layer != there:
            message = f"there are weights of {there} layers"
            raise UserError(Problem(message, where=where, field="n_layer", value=config.n_layer))
        if asked.n_head not in (None, config.n_head):
            message = f"the checkpoint says {config.n_head}"
            raise UserError(Problem(message, field="n_head", value=asked.n_head))
        if asked.max_seq_len is not None and config.pos_encoding == "learned":
            message = f"the checkpoint has {config.block_size} learned positions"
            raise UserError(Problem(message, field="max_seq_len", value=asked.max_seq_len))
        config.block_size = asked.max_seq_len or config.block_size
        with torch.device("meta"):
            names = build_model(config, seed=None).state_dict().keys()
        weights = {name: Taken((name,)) for name in names}
        if config.tie_weights:
            # Either copy of the matrix will do where only one was saved.
            for name, other in ((_EMBEDDING, _HEAD), (_HEAD, _EMBEDDING)):
                if name not in found.state and other in found.state:
                    weights[name] = Taken((other,))
        tokenizer = found.documents.get(bundle.TOKENIZER) or found.content.get("tokenizer")
        state = found.document(bundle.STATE)
        step = state.get("step", found.content.get("step"))
        progress = state.get("progress")
        loss = progress.get("val_loss") if isinstance(progress, Mapping) else None
        return Plan(
            "mypt",
            "MyPT",
            config,
            weights,
            step=step if isinstance(step, int) else None,
            loss=float(loss) if isinstance(loss, int | float) else None,
            tokenizer=tokenizer if isinstance(tokenizer, Mapping) else None,
        )


def _config(found: Checkpoint) -> Mapping[str, Any]:
    """What lies beside the weights, else what the file of the weights holds."""
    config = found.documents.get(bundle.CONFIG) or found.content.get("config")
    return config if isinstance(config, Mapping) else {}
