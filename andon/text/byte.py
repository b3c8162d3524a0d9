"""The simplest vocabulary there is: the 256 bytes of UTF-8. Nothing is unknown to it."""

import operator
from collections.abc import Iterable

from andon.core.errors import DTypeError, IndexingError


class ByteTokenizer:
    """One token per byte of the text's UTF-8.

    >>> ByteTokenizer().encode("né")
    [110, 195, 169]
    """

    vocab_size = 256

    def encode(self, text: str) -> list[int]:
        return list(well_formed(text).encode("utf-8"))

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text. Bytes that are not UTF-8, such as half a character, become U+FFFD.

        Raises: UnicodeDecodeError instead, with `errors="strict"`.
        """
        return bytes(checked_ids(ids, self.vocab_size)).decode("utf-8", errors)


def well_formed(text: str) -> str:
    """The text with only whole characters: a surrogate pair becomes the character it means, half
    of one becomes U+FFFD. Almost all text is returned as it is."""
    if not isinstance(text, str):
        raise DTypeError(f"encode: expected a str: {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def checked_ids(ids: Iterable[int], vocab_size: int) -> list[int]:
    """Token ids as Python integers, from a list, an array or a tensor.

    Raises: DTypeError if one is no integer; IndexingError if one is outside the vocabulary.
    """
    try:
        checked = [operator.index(token) for token in ids]
    except TypeError as error:
        raise DTypeError(f"decode: token ids are integers: {error}") from error
    for token in checked:
        if not 0 <= token < vocab_size:
            raise IndexingError(f"decode: no such token: {token}; there are {vocab_size}")
    return checked
