"""What a run leaves: checkpoint bundles, their names and places, their metadata, and how one becomes whole or absent.

No torch here: the weights are files that others write into the staging folder of `writing`, and whose sizes and
imprints are all that is known of them. `names` has what they are called, `info` what one says of itself, `finding` the
one that is named, `saving` how it is swapped in.
"""

from __future__ import annotations

from mypt.bundle.documents import read_json_object
from mypt.bundle.finding import exists, find, settled
from mypt.bundle.info import SHAPE, BundleInfo, list_bundles, read_info
from mypt.bundle.names import (
    CONFIG,
    MANIFEST,
    MODEL,
    OPTIMIZER,
    OURS,
    STATE,
    SUFFIXES,
    TOKENIZER,
    Kind,
    check_model_name,
    directory_name,
    is_path,
    split_name,
    twin,
)
from mypt.bundle.saving import repair, staging_processes, writing

__all__ = [
    "CONFIG",
    "MANIFEST",
    "MODEL",
    "OPTIMIZER",
    "OURS",
    "SHAPE",
    "STATE",
    "SUFFIXES",
    "TOKENIZER",
    "BundleInfo",
    "Kind",
    "check_model_name",
    "directory_name",
    "exists",
    "find",
    "is_path",
    "list_bundles",
    "read_info",
    "read_json_object",
    "repair",
    "settled",
    "split_name",
    "staging_processes",
    "twin",
    "writing",
]
