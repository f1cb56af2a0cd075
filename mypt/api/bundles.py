"""Checkpoint bundles as values: loaded with their model, and saved from a program's own loop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mypt import bundle, prompts
from mypt.api.info import find
from mypt.bundle import BundleInfo
from mypt.classify.spec import refuse_classifier
from mypt.errors import Problem, UserError
from mypt.memory import telling
from mypt.prompts import Prompt
from mypt.text import size
from mypt.tokenizers import Tokenizer, from_dict

if TYPE_CHECKING:
    from mypt.generate import Options
    from mypt.model import GPTConfig, LanguageModel

_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@dataclass(eq=False)
class LoadedBundle:
    """A checkpoint with its model (float32, in eval mode) and its tokenizer."""

    info: BundleInfo
    model: LanguageModel
    tokenizer: Tokenizer

    @property
    def config(self) -> GPTConfig:
        """The model's config."""
        return self.model.config

    @property
    def training_state(self) -> dict[str, Any]:
        """The content of `training_state.json`."""
        return self.info.training_state

    @property
    def training_config(self) -> dict[str, Any]:
        """The training settings that were in force."""
        return self.info.training_config

    @cached_property
    def optimizer_state(self) -> dict[str, Any] | None:
        """AdamW's state dict, numbered as `mypt.configure_optimizer` groups the parameters; None where there is none.

        Read when it is first asked for. Raises `UserError` for a file that is damaged.
        """
        if bundle.OPTIMIZER not in self.info.files:
            return None
        from mypt.training import checkpointing

        state = checkpointing.load_pickle(self.info.path / bundle.OPTIMIZER)
        if not isinstance(state, dict):
            raise UserError(Problem("holds no optimizer state", where=f"{self.info.name}/{bundle.OPTIMIZER}"))
        return state

    @property
    def step(self) -> int:
        """Updates that the weights have behind them.

        The original MyPT's closing bundles say one less in `training_state.json`; there the optimizer's count tells.
        """
        from mypt.training import checkpointing

        return checkpointing.updates_done(self.info) or 0

    def stream(
        self,
        prompt: str | Prompt = "",
        *,
        chat: bool | None = None,
        system: str = "",
        **options: Unpack[Options],
    ) -> Iterator[str]:
        """Pieces of the text that follows `prompt`, as they are drawn.

        With `chat` the prompt is what a user says, after what `system` says, and the text is the answer; None: where
        the model was trained to answer. `options` are those of `mypt.generate.sample_tokens`: `max_new_tokens`
        (300), `temperature`, `top_k`, `top_p`, `repetition_penalty`, `seed`. Raises `UserError` at once for values
        that mean nothing and characters that the vocabulary lacks; `RunError` where memory ends.
        """
        from mypt.generate import generate_text

        if isinstance(prompt, str):
            answer = prompts.is_chat_model(self.info.config, self.tokenizer) if chat is None else chat
            name = self.info.name
            prompt = (
                prompts.chat(self.tokenizer, prompt, system=system, model=name)
                if answer
                else prompts.plain(
                    self.tokenizer,
                    prompt,
                    model=name,
                    begin=prompts.beginning(self.info.config, self.tokenizer),
                )
            )
        given: Options = {
            "stops": prompt.stops,
            "valid_vocab": min(self.tokenizer.valid_vocab, self.config.vocab_size),
            **options,
        }
        return self._telling(generate_text(self.model, self.tokenizer, prompt.ids, **given))

    def generate(
        self,
        prompt: str | Prompt = "",
        *,
        chat: bool | None = None,
        system: str = "",
        **options: Unpack[Options],
    ) -> str:
        """The text that follows `prompt`, whole; see `stream`."""
        return "".join(self.stream(prompt, chat=chat, system=system, **options))

    def _telling(self, pieces: Iterator[str]) -> Iterator[str]:
        with telling(_too_large(self.info, self.model.num_parameters(), self.model.device)):
            yield from pieces


def load_bundle(
    name: str | os.PathLike[str], workspace: str | os.PathLike[str] = ".", device: str = "cpu"
) -> LoadedBundle:
    """The checkpoint `name` (a model's name, one with `_gold` or `_fp16`, or a path) with its model on `device`.

    `device` is cpu, cuda, cuda:1, mps or auto. Weights of any precision arrive as float32. Raises `UserError` for
    what is no whole bundle, and for a device that this machine lacks; `RunError` where memory does not hold it.
    """
    info = find(name, workspace)
    return open_bundle(info, from_dict(info.tokenizer, where=f"{info.name}/{bundle.TOKENIZER}"), device)


def open_bundle(info: BundleInfo, tokenizer: Tokenizer, device: str) -> LoadedBundle:
    """`load_bundle` for one that was found already."""
    refuse_classifier(info)
    from mypt.estimate import parameters
    from mypt.settings.model_config import GPTConfig
    from mypt.training import checkpointing
    from mypt.training.numerics import pick_device
    from mypt.training.remembered import remember

    place = pick_device(device)
    config = GPTConfig.from_dict(info.config, where=f"{info.name}/{bundle.CONFIG}")
    with telling(_too_large(info, parameters(config), place)):
        model = checkpointing.load_model(info, config).to(place).eval()
    model.config.device = place
    remember(model, tokenizer)
    return LoadedBundle(info, model, tokenizer)


def save_checkpoint_bundle(
    model: LanguageModel,
    checkpoint_dir: str | os.PathLike[str],
    step: int | None = None,
    optimizer_state: dict[str, Any] | None = None,
    training_config: Mapping[str, Any] | None = None,
    *,
    tokenizer: Tokenizer | None = None,
    dtype: str = "fp32",
) -> Path:
    """Save `model` as a bundle in the folder `checkpoint_dir`, whole or not at all; returns the folder.

    `step` is the number of updates done, `training_config` what `mypt train` shall go on with (JSON values),
    `optimizer_state` the state dict of an AdamW from `mypt.configure_optimizer`. Without a `tokenizer` the one that
    the model was loaded or trained with is saved, else that of a bundle which is replaced, else GPT-2's. Weights are
    stored as `dtype`: fp32, bf16 or fp16. Raises `UserError` for what cannot be saved so, and for a folder that
    holds something else than a checkpoint; `RunError` where the disk will not take it.
    """
    import torch

    from mypt.model.weights import unwrapped
    from mypt.training import checkpointing
    from mypt.training.remembered import remember, tokenizer_of

    target = Path(checkpoint_dir)
    checkpointing.check_target(target)
    if dtype not in _DTYPES:
        remedy = f"use one of: {', '.join(_DTYPES)}"
        raise UserError(Problem("is not a precision for weights", field="dtype", value=dtype, remedy=remedy))
    state: dict[str, Any] = {} if step is None else {"step": step}
    state["training_config"] = _as_json(training_config)
    state |= {"model_dtype_at_save": "float32", "versions": checkpointing.versions()}
    plain = unwrapped(model)
    spoken = tokenizer or tokenizer_of(plain, target)
    checkpointing.save(
        target,
        plain,
        spoken.to_dict(),
        state,
        device=str(plain.device),
        optimizer=optimizer_state,
        dtype=getattr(torch, _DTYPES[dtype]),
    )
    remember(plain, spoken)
    return target


def _as_json(config: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        values = json.loads(json.dumps(dict(config or {}), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UserError(
            Problem(f"must hold values that JSON has: {error}", field="training_config")
        ) from None
    assert isinstance(values, dict)
    return values


def _too_large(info: BundleInfo, parameters: int, device: object) -> str:
    return (
        f"out of memory on {device}: the weights of {info.name} take {size(4 * parameters)}, and its context some "
        "more. Close other programs, name another device, or take a smaller model"
    )
