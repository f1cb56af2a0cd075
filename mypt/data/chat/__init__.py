"""Conversations in JSONL to an episode-indexed dataset; no torch anywhere.

`messages` reads a line, `steps` does so for many in worker processes, `packing` and `writer` make the files, `make`
leads from a request to a dataset.
"""

from __future__ import annotations

from mypt.data.chat.make import prepare_chat

__all__ = ["prepare_chat"]
