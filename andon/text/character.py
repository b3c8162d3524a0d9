"""A vocabulary of the characters that occur in a text: small, and easy to look at."""

from collections.abc import Iterable, Mapping
from typing import Any

from andon.core.errors import DataError, DTypeError, FileFormatError
from andon.text.byte import checked_ids


class CharTokenizer:
    """One token per character; the ids number the characters of `text` in code-point order.

    >>> tokenizer = CharTokenizer("hello")
    >>> tokenizer.encode("hole")
    [1, 3, 2, 0]
    >>> tokenizer.decode([1, 3, 2, 0])
    'hole'
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise DTypeError(f"CharTokenizer: expected a str: {type(text).__name__}")
        self.characters = "".join(sorted(set(text)))
        self.ids = {character: index for index, character in enumerate(self.characters)}

    @property
    def vocab_size(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """The id of each character. Raises: DataError if one is not in the vocabulary."""
        if not isinstance(text, str):
            raise DTypeError(f"encode: expected a str: {type(text).__name__}")
        try:
            return [self.ids[character] for character in text]
        except KeyError as error:
            unknown = error.args[0]
            raise DataError(
                f"encode: a character that is not in the vocabulary of {self.vocab_size}: "
                f"{unknown!r} at {text.index(unknown)}"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.characters[token] for token in checked_ids(ids, self.vocab_size))

    def to_dict(self) -> dict[str, str]:
        """What a checkpoint keeps; JSON can hold it."""
        return {"characters": self.characters}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "CharTokenizer":
        """The tokenizer that `to_dict` described. Raises: FileFormatError if nothing could."""
        characters = state.get("characters") if isinstance(state, Mapping) else None
        if not isinstance(characters, str) or "".join(sorted(set(characters))) != characters:
            raise FileFormatError(f"CharTokenizer: not a vocabulary: {str(state)[:99]}")
        return cls(characters)
