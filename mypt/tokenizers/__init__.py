"""Text to token ids and back: characters, GPT-2's byte pairs, and Hugging Face tokenizers behind one small face.

Needs no torch; tiktoken and the tokenizers library are imported when a tokenizer of their kind first works.
"""

from __future__ import annotations

from mypt.tokenizers.base import KINDS, Kind, StreamDecoder, Tokenizer
from mypt.tokenizers.bpe import BpeTokenizer, train_bpe
from mypt.tokenizers.char import CharTokenizer
from mypt.tokenizers.chat import CHAT_TOKENS, END_OF_CHAT, ChatEncoder, Message, joined, with_chat_tokens
from mypt.tokenizers.files import FILE_NAMES, create, from_dict, from_nanogpt_meta, load, same, save
from mypt.tokenizers.gpt2 import Gpt2Tokenizer

__all__ = [
    "CHAT_TOKENS",
    "END_OF_CHAT",
    "FILE_NAMES",
    "KINDS",
    "BpeTokenizer",
    "CharTokenizer",
    "ChatEncoder",
    "Gpt2Tokenizer",
    "Kind",
    "Message",
    "StreamDecoder",
    "Tokenizer",
    "create",
    "from_dict",
    "from_nanogpt_meta",
    "joined",
    "load",
    "same",
    "save",
    "train_bpe",
    "with_chat_tokens",
]
