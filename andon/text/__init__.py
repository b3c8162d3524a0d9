"""Text to token ids and back: characters, bytes, and byte-pair encoding as GPT-2 does it.

Every tokenizer has `encode(text) -> list[int]`, `decode(ids) -> str` and `vocab_size`.
"""

from andon.text.bpe import BPETokenizer
from andon.text.byte import ByteTokenizer
from andon.text.character import CharTokenizer

__all__ = ["BPETokenizer", "ByteTokenizer", "CharTokenizer"]
