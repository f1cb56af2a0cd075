"""MyPT's own bundles, the original's included: a folder with `config.json`, `tokenizer.json` and `model.pt`."""

from __future__ import annotations

import copy
from typing import Any

from mypt import bundle
from mypt.estimate import parameters
from mypt.interop.formats import Checkpoint
from mypt.model import GPT
from mypt.model.weights import load_weights
from mypt.settings.model_config import GPTConfig
from mypt.tokenizers import from_dict

_EMBEDDING = "token_embedding_table.weight"


class OwnFormat:
    """Recognised by the name of its embedding, and a config beside the weights."""

    name = "mypt"

    def matches(self, found: Checkpoint) -> bool:
        """Whether the weights are named as ours and their config is there."""
        return _EMBEDDING in found.state and "n_layer" in found.documents.get(bundle.CONFIG, {})

    def describe(self, found: Checkpoint) -> dict[str, Any]:
        """The keys of every format, and how far the training was."""
        config = self._config(found)
        tokenizer = from_dict(found.documents.get(bundle.TOKENIZER), where=bundle.TOKENIZER)
        rows = found.state[_EMBEDDING].size(0)
        return {
            "checkpoint_format": self.name,
            "vocab_size": rows,
            "true_vocab_size": min(tokenizer.valid_vocab, rows),
            "model_dim": config.n_embd,
            "num_layers": config.n_layer,
            "num_heads": config.n_head,
            "max_seq_len": config.block_size,
            "parameters": parameters(config),
            "pos_encoding": config.pos_encoding,
            "mlp_type": config.mlp_type,
            "norm_type": config.norm_type,
            "tie_weights": config.tie_weights,
            "tokenizer": tokenizer.describe(),
            "dtype": str(found.state[_EMBEDDING].dtype).removeprefix("torch."),
            "step": found.documents.get(bundle.STATE, {}).get("step"),
        }

    def load(self, found: Checkpoint) -> GPT:
        """The model of the bundle."""
        model = GPT(copy.deepcopy(self._config(found)), seed=None)
        load_weights(model, found.state, where=f"{found.path.name}/{bundle.MODEL}")
        return model

    def _config(self, found: Checkpoint) -> GPTConfig:
        return GPTConfig.from_dict(found.documents[bundle.CONFIG], where=f"{found.path.name}/{bundle.CONFIG}")
