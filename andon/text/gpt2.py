"""GPT-2's conventions for byte-pair encoding: how text splits into words, and its two files.

`words` cuts text into the pieces that merges never cross. `encoder.json` gives every token its id
and `vocab.bpe` lists the merges, first to last; both spell bytes as printable characters
(`to_printable`). The algorithm itself is in `andon.text.bpe`.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from andon.core.errors import DataError, FileFormatError

PATTERN = (
    r"'(?:[sdmt]|ll|ve|re)"  # English contractions: 's 'd 'm 't 'll 've 're
    r"| ?\p{L}+"  # letters, with the one space before them
    r"| ?\p{N}+"  # digits, likewise
    r"| ?[^\s\p{L}\p{N}]+"  # punctuation and everything else, likewise
    r"|\s+(?!\S)"  # white space, but for the last space before a word, which the word takes
    r"|\s+"
)
MOST_BYTES = 1 << 27  # of a vocabulary file; GPT-2's have 1 MB


def words(text: str) -> list[str]:
    r"""Splits text into the pieces that are encoded one by one; joined they are the text again.

    >>> words("I'll say  hello,world 2024")
    ['I', "'ll", ' say', ' ', ' hello', ',', 'world', ' 2024']
    """
    try:
        import regex  # the standard `re` lacks \p{L}
    except ImportError as error:
        raise DataError(
            "words: the package `regex` is missing: install the extra `text`"
        ) from error
    pieces: list[str] = regex.findall(PATTERN, text)
    return pieces


def printable_bytes() -> dict[int, str]:
    """A character for every byte, so that a merge list can be a text file without odd spaces.

    Bytes that Latin-1 prints stand for themselves. The other 68 (controls, blanks, the soft
    hyphen) take the characters from U+0100 on: the space becomes "Ġ", the line break "Ċ".
    """
    prints = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    prints += range(ord("®"), ord("ÿ") + 1)
    rest = [byte for byte in range(256) if byte not in prints]
    return {byte: chr(byte) for byte in prints} | {b: chr(256 + i) for i, b in enumerate(rest)}


PRINTABLE = printable_bytes()


def to_printable(data: bytes) -> str:
    """Bytes as GPT-2's files spell them.

    >>> to_printable(" né".encode())
    'ĠnÃ©'
    """
    return "".join(PRINTABLE[byte] for byte in data)


class Vocabulary(NamedTuple):
    """What the two files say, checked: tokens by id, merges by rank, special tokens by name."""

    tokens: dict[int, bytes]
    merges: list[tuple[int, int]]
    special: dict[str, int]


def read_vocabulary(encoder_json: str | Path, vocab_bpe: str | Path) -> Vocabulary:
    """Reads `encoder.json` and `vocab.bpe`.

    A token that is neither a byte nor made by a merge is a special token, as <|endoftext|> is.

    Raises: DataError if a file cannot be read; FileFormatError if one is damaged, or they
    contradict each other.
    """
    ids = read_encoder(Path(encoder_json))
    known = {spelling: bytes([byte]) for byte, spelling in PRINTABLE.items()}
    if absent := [spelling for spelling in known if spelling not in ids]:
        raise FileFormatError(f"{encoder_json}: {len(absent)} of the 256 bytes have no token")
    merges = []
    for number, line in enumerate(read_text(Path(vocab_bpe)).split("\n"), 1):
        line = line.rstrip("\r")
        if not line or (number == 1 and line.startswith("#version")):
            continue
        left, _, right = line.partition(" ")
        if left not in known or right not in known or left + right not in ids:
            raise FileFormatError(f"{vocab_bpe}: line {number} merges no two tokens: {line[:80]!r}")
        known[left + right] = known[left] + known[right]
        merges.append((ids[left], ids[right]))
    tokens = {ids[spelling]: data for spelling, data in known.items()}
    special = {spelling: token for spelling, token in ids.items() if token not in tokens}
    return Vocabulary(tokens, list(dict.fromkeys(merges)), special)


def read_encoder(path: Path) -> dict[str, int]:
    """`encoder.json`: an object from spellings to ids, which are 0, 1, 2 ... in some order."""
    try:
        ids = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: not JSON: {error}") from error
    if not isinstance(ids, dict) or any(type(token) is not int for token in ids.values()):
        raise FileFormatError(f"{path}: not an object from tokens to whole numbers")
    if "" in ids:
        raise FileFormatError(f"{path}: a token of no characters: id {ids['']}")
    if sorted(ids.values()) != list(range(len(ids))):
        raise FileFormatError(f"{path}: the ids of {len(ids)} tokens are not 0 to {len(ids) - 1}")
    return ids


def write_vocabulary(folder: str | Path, vocabulary: Vocabulary) -> None:
    """Writes `encoder.json` and `vocab.bpe` into `folder`, which is made if need be."""
    tokens, merges, special = vocabulary
    spelled = {token: to_printable(data) for token, data in tokens.items()}
    ids = {spelling: token for token, spelling in spelled.items()} | special
    lines = ["#version: 0.2", *(f"{spelled[left]} {spelled[right]}" for left, right in merges)]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    in_order = dict(sorted(ids.items(), key=lambda item: item[1]))
    write_text(folder / "encoder.json", json.dumps(in_order))
    write_text(folder / "vocab.bpe", "\n".join(lines) + "\n")


def read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise FileFormatError(f"{path}: more than {MOST_BYTES} bytes: not a vocabulary")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: not UTF-8: {error}") from error


def write_text(path: Path, text: str) -> None:
    """Writes beside, then renames: whoever reads `path` finds the old text or the new."""
    with tempfile.TemporaryDirectory(prefix="write-", dir=path.parent) as scratch:
        part = Path(scratch) / path.name
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
