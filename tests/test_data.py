"""andon.data without worker processes, against PyTorch where PyTorch has the same."""

import collections
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
import torch
import torch.utils.data as torch_data
from hypothesis import given
from hypothesis import strategies as st

import andon
from andon import data
from andon.core.errors import DataError, DTypeError, IndexingError, ShapeError
from andon.data import datasets, images

Point = collections.namedtuple("Point", ["x", "y"])


def plain(batch):
    """A batch as nested Python values, the dtypes of tensors included, whichever the library."""
    if isinstance(batch, (andon.Tensor, torch.Tensor)):
        return str(batch.dtype).split(".")[-1], batch.tolist()
    if isinstance(batch, collections.abc.Mapping):
        return type(batch), {key: plain(value) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch), [plain(part) for part in batch]
    return batch


class Squares(data.Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i, float(i * i)


class Count(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


class TorchCount(torch_data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


# ---- collating


class Tagged(dict):
    tag = None


def tagged(**items):
    made = Tagged(items)
    made.tag = "kept"
    return made


EXAMPLES = {
    "ints": [1, 2, 3],
    "bools": [True, False],
    "floats": [1.0, 2.5],
    "an int, then a float": [1, 2.5],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "NumPy numbers": [np.float32(1), np.float32(2)],
    "NumPy float64, which is a float": [np.float64(1), np.float64(2)],
    "NumPy ints": [np.int16(1), np.int16(2)],
    "NumPy strings": [np.str_("a"), np.str_("b")],
    "arrays": [np.arange(6.0).reshape(2, 3), np.ones((2, 3))],
    "arrays without dims": [np.array(1), np.array(2)],
    "bytes of images": [np.zeros((1, 2), np.uint8), np.ones((1, 2), np.uint8)],
    "empty arrays": [np.zeros((0, 2), np.float32)] * 2,
    "tuples": [(1, 2.0, "a"), (3, 4.0, "b")],
    "lists": [[1, 2], [3, 4]],
    "named tuples": [Point(1, 2.0), Point(3, 4.0)],
    "dicts": [{"a": 1, "b": [2.0, 3.0]}, {"a": 4, "b": [5.0, 6.0]}],
    "read-only mappings": [types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2})],
    "ordered dicts": [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    "ranges": [range(2), range(2, 4)],
    "nested": [({"a": (1, Point(np.ones(2), "s"))},)] * 2,
    "one example": [(1, np.zeros(2))],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_collating_gives_what_pytorch_gives(name):
    batch = EXAMPLES[name]
    expected = torch_data.default_collate(batch)
    assert plain(data.default_collate(batch)) == plain(expected)


@pytest.mark.parametrize("name", EXAMPLES)
def test_converting_gives_what_pytorch_gives(name):
    expected = torch_data.default_convert(EXAMPLES[name])
    assert plain(data.default_convert(EXAMPLES[name])) == plain(expected)


def test_tensors_are_stacked_to_their_common_dtype():
    pairs = [[1, 2], [0.5, 1.5]]
    expected = torch_data.default_collate([torch.tensor(x) for x in pairs])
    assert plain(data.default_collate([andon.tensor(x) for x in pairs])) == plain(expected)


def test_gradients_flow_through_a_batch():
    x = andon.tensor([1.0, 2.0], requires_grad=True)
    data.default_collate([x, x * x]).sum().backward()
    assert x.grad.tolist() == [3.0, 5.0]


def test_a_mapping_keeps_its_other_attributes():
    assert data.default_collate([tagged(a=1), tagged(a=2)]).tag == "kept"
    assert data.default_convert(tagged(a=np.zeros(1))).tag == "kept"


def test_a_batch_does_not_share_memory_with_its_examples():
    array = np.zeros(3)
    batch = data.default_collate([array])
    array += 1
    assert batch.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([], DataError, "no examples"),
        ([object()], DTypeError, "object"),
        ([None], DTypeError, "NoneType"),
        ([np.array(["a"])], DTypeError, "<U1"),
        ([np.array([None])], DTypeError, "object"),
        ([np.ones(2), np.ones(3)], ShapeError, r"\[2\], but \[3\] at 1"),
        ([(1, 2), (1,)], ShapeError, r"\[2, 1\]"),
        ([[1, 2], [1]], ShapeError, r"\[2, 1\]"),
    ],
)
def test_what_cannot_be_collated_is_named(batch, error, message):
    with pytest.raises(error, match=message):
        data.default_collate(batch)


# ---- datasets


def test_tensor_dataset_gives_rows():
    x, y = andon.arange(6).reshape(3, 2), andon.arange(3)
    dataset = data.TensorDataset(x, y)
    assert len(dataset) == 3
    assert plain(dataset[-1]) == (tuple, [("int64", [4, 5]), ("int64", 2)])
    assert [plain(y) for _, y in dataset] == [("int64", 0), ("int64", 1), ("int64", 2)]


@pytest.mark.parametrize("shapes", [[], [(2,), (3,)], [()], [(2,), ()]])
def test_tensors_that_disagree_in_their_first_size_are_no_dataset(shapes):
    with pytest.raises(ShapeError, match="TensorDataset"):
        data.TensorDataset(*(andon.zeros(shape) for shape in shapes))


def test_rows_fetched_together_read_as_the_examples():
    dataset = data.TensorDataset(andon.arange(10) * 10, andon.arange(10))
    rows = dataset.__getitems__([3, 1, 3])
    assert [plain(row) for row in rows] == [plain(dataset[i]) for i in (3, 1, 3)]
    assert len(rows) == 3 and [plain(row) for row in rows[1:]] == [
        plain(dataset[i]) for i in (1, 3)
    ]
    expected = data.default_collate([dataset[i] for i in (3, 1, 3)])
    assert plain(data.default_collate(rows)) == plain(expected)


def test_a_collate_function_of_ones_own_gets_a_list():
    dataset = data.TensorDataset(andon.arange(4))
    seen = next(iter(data.DataLoader(dataset, 3, collate_fn=lambda batch: batch)))
    assert isinstance(seen, list) and [x.item() for (x,) in seen] == [0, 1, 2]


def test_an_overridden_getitem_is_not_bypassed_by_an_inherited_getitems():
    class Negated(data.TensorDataset):
        def __getitem__(self, index):
            return tuple(-x for x in super().__getitem__(index))

    dataset = Negated(andon.arange(4))
    (batch,) = next(iter(data.DataLoader(dataset, 4)))
    assert batch.tolist() == [0, -1, -2, -3]
    (batch,) = next(iter(data.DataLoader(data.Subset(dataset, [3, 2]), 2)))
    assert batch.tolist() == [-3, -2]


def test_getitems_of_a_dataset_of_ones_own_is_used():
    class Together(Squares):
        def __getitems__(self, indices):
            return [f"together {i}" for i in indices]

    assert list(data.DataLoader(Together(3), 2)) == [["together 0", "together 1"], ["together 2"]]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(-20, 20))
def test_concatenated_datasets_index_like_concatenated_lists(sizes, index):
    parts = [list(range(10 * k, 10 * k + size)) for k, size in enumerate(sizes)]
    expected = [x for part in parts for x in part]
    joined = data.ConcatDataset(parts)
    assert len(joined) == len(expected) and list(joined) == expected
    if -len(expected) <= index < len(expected):
        assert joined[index] == expected[index]
    else:
        with pytest.raises(IndexingError, match="out of range"):
            joined[index]


def test_datasets_add_up():
    assert isinstance(Squares(2) + Squares(3), data.ConcatDataset)
    assert (Squares(2) + Squares(3))[2] == (0, 0.0)
    chained = Count(2) + Count(3)
    assert isinstance(chained, data.ChainDataset)
    assert list(chained) == [0, 1, 0, 1, 2] == list(chained) and len(chained) == 5


def test_streams_and_indexed_datasets_do_not_mix():
    with pytest.raises(DTypeError, match="ChainDataset"):
        data.ConcatDataset([Count(2)])
    with pytest.raises(DTypeError, match="list"):
        data.ChainDataset([[1, 2]])
    with pytest.raises(ShapeError, match="at least one"):
        data.ConcatDataset([])


def test_stacked_datasets_give_tuples_or_dicts():
    assert data.StackDataset("ab", [1, 2])[1] == ("b", 2)
    stacked = data.StackDataset(letter="ab", number=[1, 2])
    assert stacked[0] == {"letter": "a", "number": 1} and len(stacked) == 2
    for wrong in (lambda: data.StackDataset(), lambda: data.StackDataset("ab", [1])):
        with pytest.raises(ShapeError, match="StackDataset"):
            wrong()


def test_a_dataset_without_its_method_says_so():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        data.Dataset()[0]
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(data.IterableDataset())


@given(
    st.integers(1, 30),
    st.lists(st.integers(1, 9), min_size=1, max_size=5).map(lambda w: [x / sum(w) for x in w]),
)
def test_fractions_are_split_as_pytorch_splits_them(n, fractions):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both warn of parts without examples
        try:
            expected = [len(part) for part in torch_data.random_split(range(n), fractions)]
        except ValueError:  # their sum is off by a rounding error upwards
            with pytest.raises(ValueError, match="add up"):
                data.random_split(range(n), fractions)
            return
        parts = data.random_split(range(n), fractions)
    assert [len(part) for part in parts] == expected
    assert sorted(x for part in parts for x in part) == list(range(n))


def test_a_split_is_repeatable_with_a_generator():
    def split():
        generator = andon.Generator().manual_seed(42)
        return [list(part) for part in data.random_split(range(9), [4, 5], generator)]

    assert split() == split() and split() != [list(range(4)), list(range(4, 9))]


@pytest.mark.parametrize("lengths", [[3, 4], [-1, 11], [0.5, 0.6], [], [1.5, 8.5], [-0.5, 1.5]])
def test_a_split_that_does_not_add_up_is_refused(lengths):
    with pytest.raises(ValueError, match="random_split"):
        data.random_split(range(10), lengths)


def test_a_part_without_examples_is_warned_of():
    with pytest.warns(UserWarning, match="part 1 has no examples"):
        data.random_split(range(2), [0.9, 0.1])


# ---- samplers


def test_a_random_sampler_of_1e10_draws_costs_nothing():
    sampler = data.RandomSampler(range(7), replacement=True, num_samples=int(1e10))
    assert len(sampler) == 10**10
    indices = iter(sampler)
    drawn = [next(indices) for _ in range(5000)]
    assert set(drawn) == set(range(7))


@given(st.integers(1, 20), st.integers(1, 60))
def test_without_replacement_come_whole_permutations(n, num_samples):
    drawn = list(data.RandomSampler(range(n), num_samples=num_samples))
    assert len(drawn) == num_samples
    for start in range(0, num_samples, n):
        part = drawn[start : start + n]
        assert len(set(part)) == len(part)


@pytest.mark.parametrize("replacement", [False, True])
def test_random_order_follows_the_generator(replacement):
    def order(seed):
        generator = andon.Generator().manual_seed(seed)
        return list(data.RandomSampler(range(50), replacement, generator=generator))

    assert order(1) == order(1) != order(2)


def test_random_order_follows_the_default_generator_and_changes_by_epoch():
    sampler = data.RandomSampler(range(50))
    andon.manual_seed(7)
    first, second = list(sampler), list(sampler)
    andon.manual_seed(7)
    assert first == list(sampler) != second


def test_other_draws_do_not_disturb_the_order():
    def order(disturb):
        andon.manual_seed(3)
        drawn = []
        for i in data.RandomSampler(range(9), replacement=True, num_samples=3000):
            drawn.append(i)
            if disturb:
                andon.rand(1)
        return drawn

    assert order(False) == order(True)


def test_weights_are_probabilities():
    andon.manual_seed(0)
    drawn = list(data.WeightedRandomSampler([0.0, 1.0, 3.0], 4000))
    counts = np.bincount(drawn, minlength=3)
    assert counts[0] == 0 and abs(counts[2] / 4000 - 0.75) < 0.05
    assert sorted(data.WeightedRandomSampler([0.1, 0.9, 2], 3, replacement=False)) == [0, 1, 2]


def test_a_subset_sampler_gives_each_index_once():
    assert sorted(data.SubsetRandomSampler([5, 9, 2])) == [2, 5, 9]


@given(st.integers(0, 30), st.integers(1, 9), st.booleans())
def test_batches_of_indices_are_those_of_pytorch(n, batch_size, drop_last):
    ours = data.BatchSampler(data.SequentialSampler(range(n)), batch_size, drop_last)
    theirs = torch_data.BatchSampler(range(n), batch_size, drop_last)
    assert list(ours) == list(theirs) and len(ours) == len(theirs)


@given(st.integers(1, 30), st.integers(1, 7), st.booleans(), st.booleans())
def test_replicas_share_the_examples_as_in_pytorch(n, replicas, shuffle, drop_last):
    options = {"shuffle": shuffle, "drop_last": drop_last}
    ours = [
        data.DistributedSampler(range(n), replicas, rank, **options) for rank in range(replicas)
    ]
    for rank, sampler in enumerate(ours):
        sampler.set_epoch(3)
        theirs = torch_data.DistributedSampler(range(n), replicas, rank, **options)
        assert len(sampler) == len(theirs) == len(list(sampler))
        if not shuffle:
            assert list(sampler) == list(theirs)
    if not drop_last:
        assert {i for sampler in ours for i in sampler} == set(range(n))


def test_replicas_see_another_order_each_epoch():
    sampler = data.DistributedSampler(range(40), num_replicas=2, rank=0)
    first = list(sampler)
    assert first == list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler)


@pytest.mark.parametrize(
    "make",
    [
        lambda d: d.RandomSampler(range(3), num_samples=0),
        lambda d: d.RandomSampler([]),
        lambda d: d.RandomSampler(range(3), replacement=1),
        lambda d: d.WeightedRandomSampler([1.0], 0),
        lambda d: d.WeightedRandomSampler([[1.0]], 1),
        lambda d: d.WeightedRandomSampler([1.0], 1, replacement=None),
        lambda d: d.BatchSampler(range(3), 0, False),
        lambda d: d.BatchSampler(range(3), 2.0, False),
        lambda d: d.BatchSampler(range(3), True, False),
        lambda d: d.BatchSampler(range(3), 2, None),
        lambda d: d.DistributedSampler(range(3), 2, 2),
        lambda d: d.DistributedSampler(range(3), 2, -1),
    ],
)
def test_samplers_refuse_what_pytorch_refuses(make):
    for library in (torch_data, data):
        with pytest.raises((ValueError, TypeError)):
            make(library)


# ---- the loader


@given(st.integers(0, 25), st.integers(1, 9) | st.none(), st.booleans(), st.booleans())
def test_batches_are_those_of_pytorch(n, batch_size, drop_last, stream):
    drop_last = drop_last and batch_size is not None
    ours = data.DataLoader(Count(n) if stream else Squares(n), batch_size, drop_last=drop_last)
    source = TorchCount(n) if stream else Squares(n)
    theirs = torch_data.DataLoader(source, batch_size, drop_last=drop_last)
    batches = list(ours)
    assert [plain(batch) for batch in batches] == [plain(batch) for batch in theirs]
    assert len(ours) == len(batches)


def test_a_shuffled_epoch_has_every_example_once():
    loader = data.DataLoader(Squares(20), 3, shuffle=True)
    epochs = [[i for batch, _ in loader for i in batch.tolist()] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(20))
    assert epochs[0] != epochs[1]


def test_a_batch_sampler_says_it_all():
    loader = data.DataLoader(Squares(9), batch_sampler=[[1, 2], [8]])
    assert [batch.tolist() for batch, _ in loader] == [[1, 2], [8]]
    assert len(loader) == 2 and loader.batch_size is None


def test_a_sampler_may_give_keys():
    loader = data.DataLoader({"a": 1, "b": 2, "c": 3}, 2, sampler="cab")
    assert [batch.tolist() for batch in loader] == [[3, 1], [2]]


def test_without_batches_examples_are_converted_only():
    loader = data.DataLoader([np.zeros(2), "text"], batch_size=None)
    tensor, text = loader
    assert isinstance(tensor, andon.Tensor) and text == "text"


OPTIONS = [
    {"num_workers": -1},
    {"timeout": -1},
    {"prefetch_factor": 2},
    {"persistent_workers": True},
    {"multiprocessing_context": "fork"},
    {"num_workers": 1, "multiprocessing_context": "thread"},
    {"num_workers": 1, "prefetch_factor": -1},
    {"sampler": [0], "shuffle": True},
    {"batch_sampler": [[0]], "shuffle": True},
    {"batch_sampler": [[0]], "batch_size": 2},
    {"batch_sampler": [[0]], "drop_last": True},
    {"batch_sampler": [[0]], "sampler": [0]},
    {"batch_size": None, "drop_last": True},
    {"batch_size": 0},
    {"batch_size": 1.5},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_that_contradict_each_other_are_refused_as_in_pytorch(options):
    with pytest.raises(ValueError):
        torch_data.DataLoader(Squares(3), **options)
    with pytest.raises(ValueError, match=r"DataLoader: .+"):
        data.DataLoader(Squares(3), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_a_stream_can_be_given_no_order(options):
    with pytest.raises(ValueError, match="order of its own"):
        data.DataLoader(Count(3), **options)


def test_what_the_loader_was_made_with_stays():
    loader = data.DataLoader(Squares(3))
    with pytest.raises(ValueError, match="batch_size cannot be set"):
        loader.batch_size = 2


def test_an_iteration_goes_on_after_an_example_that_raised():
    class Broken(Squares):
        def __getitem__(self, i):
            if i == 1:
                raise KeyError("broken")
            return i

    batches = iter(data.DataLoader(Broken(3)))
    assert next(batches).tolist() == [0]
    with pytest.raises(KeyError, match="broken"):
        next(batches)
    assert next(batches).tolist() == [2]
    assert list(batches) == []


def test_a_dataset_that_raises_stop_iteration_does_not_end_the_data_unnoticed():
    class Stops(Squares):
        def __getitem__(self, i):
            raise StopIteration

    with pytest.raises(DataError, match="StopIteration"):
        list(data.DataLoader(Stops(3)))


def test_a_closed_iteration_has_ended():
    batches = iter(data.DataLoader(Squares(3)))
    next(batches)
    batches.close()
    assert list(batches) == []


def test_there_is_no_worker_info_in_the_main_process():
    assert data.get_worker_info() is None


# ---- text and images


@given(st.text(min_size=1, max_size=40), st.integers(1, 10), st.data())
def test_windows_of_a_text_and_the_characters_after_them(text, block_size, draw):
    if len(text) <= block_size:
        with pytest.raises(DataError, match="more than"):
            data.CharDataset(text, block_size)
        return
    dataset = data.CharDataset(text, block_size)
    assert len(dataset) == len(text) - block_size
    assert dataset.vocab_size == dataset.get_vocab_size() == len(set(text))
    assert dataset.get_block_size() == block_size
    i = draw.draw(st.integers(0, len(dataset) - 1))
    decode = dataset.tokenizer.decode
    for k in (i, i - len(dataset)):
        x, y = dataset[k]
        assert x.dtype is y.dtype is andon.int64
        assert decode(x.tolist()) == text[i : i + block_size]
        assert decode(y.tolist()) == text[i + 1 : i + 1 + block_size]


def test_windows_fetched_together_are_those_fetched_one_by_one():
    dataset = data.CharDataset("the quick brown fox", 4)
    indices = [3, 0, 14, -1]
    together = data.default_collate(dataset.__getitems__(indices))
    single = data.default_collate([dataset[i] for i in indices])
    assert plain(together) == plain(single)
    together[0][0] = 0
    assert plain(dataset[3]) == plain((single[0][0], single[1][0]))


def test_the_parts_of_a_window_do_not_share_memory():
    x, y = data.TokenDataset([1, 2, 3, 4], 3)[0]
    y[0] = 9
    assert x.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "tokens",
    [[0, 300, 2], np.array([0, 300, 2], np.uint16), (0, 300, 2), andon.tensor([0, 300, 2])],
    ids=lambda tokens: type(tokens).__name__,
)
def test_tokens_may_come_from_anywhere(tokens):
    dataset = data.TokenDataset(tokens, 2)
    assert [part.tolist() for part in dataset[0]] == [[0, 300], [300, 2]]
    assert dataset.vocab_size == 301 and len(dataset) == 1


@pytest.mark.parametrize(
    ("tokens", "block_size", "error"),
    [
        ([0.5, 1.0], 1, DTypeError),
        ([[1, 2]], 1, DTypeError),
        (["a", "b"], 1, DTypeError),
        ([1, -1], 1, DataError),
        ([1, 2], 0, DataError),
        ([1, 2], 1.0, DataError),
        ([], 1, DataError),
        ([1, 2], 2, DataError),
    ],
)
def test_what_are_no_tokens_is_said(tokens, block_size, error):
    with pytest.raises(error, match="TokenDataset"):
        data.TokenDataset(tokens, block_size)


def test_a_window_out_of_range_is_an_index_error():
    dataset = data.TokenDataset([1, 2, 3], 2)
    for wrong in (1, -2):
        with pytest.raises(IndexingError, match="TokenDataset"):
            dataset[wrong]
        with pytest.raises(IndexingError, match="TokenDataset"):
            dataset.__getitems__([0, wrong])


@pytest.mark.parametrize(
    ("name", "most"), [("mnist_5k", 255), ("fashion_mnist", 255), ("digits", 16)]
)
def test_images_are_floats_up_to_one_with_a_channel(monkeypatch, name, most):
    pixels = np.array([[[0, most], [most, 0]]], np.uint8)
    monkeypatch.setattr(datasets, name, lambda *train: (pixels, np.array([3])))
    image, label = getattr(images, name)()[0]
    assert plain(image) == ("float32", [[[0.0, 1.0], [1.0, 0.0]]])
    assert plain(label) == ("int64", 3)


def test_importing_it_brings_in_nothing_heavy():
    heavy = ["multiprocessing", "zipfile", "tarfile", "subprocess", "socket"]
    code = (
        "import sys, numpy, andon.tensor; before = set(sys.modules); import andon.data; "
        f"print([name for name in {heavy} if name in sys.modules and name not in before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
