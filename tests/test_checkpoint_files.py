"""Weight files: PyTorch checkpoints and safetensors, against torch itself, damaged and hostile."""

import contextlib
import copy
import errno
import io
import json
import os
import pickle
import stat
import struct
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.core.errors import DTypeError, FileFormatError, StateError
from andon.core.files import replacing, write_atomically
from andon.importers import safetensors, torch_checkpoint

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NUMERIC = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
UNSIGNED = ["uint16", "uint32", "uint64"]
QUICK = settings(max_examples=40, deadline=None, derandomize=True)
FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
dtypes = st.sampled_from([*NUMERIC, "bfloat16", *UNSIGNED])
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def numbers(shape, name):
    """Small numbers that every dtype can hold."""
    values = np.resize([0, 1], shape)
    return values.astype(BFLOAT16 if name == "bfloat16" else name)


def as_torch(array):
    if array.dtype == BFLOAT16:
        return torch.tensor(array.astype(np.float32)).to(torch.bfloat16)
    return torch.tensor(array)


def assert_same(array, tensor):
    """The array is what the tensor is: dtype, shape, strides and bits."""
    assert str(tensor.dtype) == f"torch.{array.dtype.name}"
    assert array.shape == tuple(tensor.shape)
    if array.size > 1:
        assert tuple(step // array.itemsize for step in array.strides) == tensor.stride()
    values = tensor.float().numpy() if array.dtype == BFLOAT16 else tensor.detach().numpy()
    np.testing.assert_array_equal(array.astype(values.dtype), values)


def torch_bytes(obj):
    file = io.BytesIO()
    torch.save(obj, file)
    return file.getvalue()


def load_bytes(data, **options):
    return torch_checkpoint.load(io.BytesIO(data), **options)


def saved_bytes(obj, **options):
    file = io.BytesIO()
    torch_checkpoint.save(obj, file, **options)
    return file.getvalue()


def torch_load(data, **options):
    return torch.load(io.BytesIO(data), weights_only=True, **options)


def archive(program, storages=(), **extra):
    """A checkpoint with a pickle of our own making."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("archive/data.pkl", program)
        for key, data in enumerate(storages):
            zipped.writestr(f"archive/data/{key}", data)
        for name, data in extra.items():
            zipped.writestr(f"archive/{name}", data)
        zipped.writestr("archive/version", "3\n")
    return file.getvalue()


def rebuild(offset, size, stride, count=4, storage="FloatStorage", key="0"):
    """The pickle of one tensor by its parts, however wrong they are."""

    def item(value):
        return pickle.dumps(value, 2)[2:-1]

    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
        + f"ctorch\n{storage}\n".encode()
        + b"".join(map(item, [key, "cpu", count]))
        + b"tQ"
        + b"".join(map(item, [offset, size, stride, False, None]))
        + b"tR."
    )


# Reading what torch writes.


@QUICK
@given(dtypes, shapes, st.randoms(use_true_random=False))
def test_arrays_come_back_as_torch_saved_them(name, shape, random):
    dims = list(range(len(shape)))
    random.shuffle(dims)
    tensor = as_torch(numbers(shape, name)).permute(dims)
    assert_same(load_bytes(torch_bytes(tensor)), tensor)


def test_containers_come_back_as_torch_saved_them():
    obj = {
        "list": [1, -1, 2**31, -(2**70), 0.5, float("inf"), True, None, "ü", b"\x00\xff"],
        "tuple": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        3: OrderedDict(a=1),
        (1, "key"): {2, 3},
        "counter": Counter(aab=2),
        "size": torch.Size([2, 3]),
    }
    got = load_bytes(torch_bytes(obj))
    assert got == obj
    assert type(got[3]) is OrderedDict
    assert type(got["counter"]) is Counter


def test_devices_dtypes_and_numpy_scalars_become_plain():
    obj = [torch.device("cuda", 1), torch.device("cpu"), torch.bfloat16, np.float32(1.5)]
    assert load_bytes(torch_bytes(obj)) == ["cuda:1", "cpu", BFLOAT16, np.float32(1.5)]


def test_state_dicts_of_modules_come_back_with_their_metadata():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    state = module.state_dict()
    got = load_bytes(torch_bytes(state))
    assert list(got) == list(state)
    assert got._metadata == state._metadata
    for name in state:
        assert_same(got[name], state[name])


def test_optimizer_states_come_back():
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    got = load_bytes(torch_bytes(optimizer.state_dict()))
    want = optimizer.state_dict()
    assert got["param_groups"] == want["param_groups"]
    assert_same(got["state"][0]["exp_avg"], want["state"][0]["exp_avg"])


def test_parameters_and_buffers_become_arrays():
    plain, marked = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
    marked.note = "kept by torch alone"
    for tensor in (plain, marked, torch.nn.Buffer(torch.ones(4))):
        assert_same(load_bytes(torch_bytes(tensor)), tensor)


def test_views_of_one_storage_share_memory_and_keep_their_strides():
    base = torch.arange(12.0).reshape(3, 4)
    base_array, transposed, rows, expanded = load_bytes(
        torch_bytes([base, base.t(), base[1:], base[:1].expand(5, 4)])
    )
    assert_same(transposed, base.t())
    assert_same(expanded, base[:1].expand(5, 4))
    base_array[1, 0] = 99
    assert rows[0, 0] == transposed[0, 1] == 99


def test_the_same_tensor_twice_is_the_same_array():
    tensor = torch.ones(2)
    first, second = load_bytes(torch_bytes([tensor, tensor]))
    assert first is second


def test_the_hook_wraps_each_array_and_nothing_else():
    obj = {"w": torch.ones(2), "p": torch.nn.Parameter(torch.zeros(1)), "n": 3}
    got = load_bytes(torch_bytes(obj), tensor=lambda array: ("wrapped", array.shape))
    assert got == {"w": ("wrapped", (2,)), "p": ("wrapped", (1,)), "n": 3}


def test_mapped_arrays_are_writable_and_leave_the_file_alone(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"w": torch.arange(4.0), "flags": torch.tensor([True, False])}, path)
    before = path.read_bytes()
    got = torch_checkpoint.load(path, mmap=True)
    np.testing.assert_array_equal(got["w"], [0, 1, 2, 3])
    np.testing.assert_array_equal(got["flags"], [True, False])
    got["w"][:] = 7
    assert path.read_bytes() == before


def test_mapping_wants_a_file_on_disk():
    with pytest.raises(FileFormatError, match="mmap=True needs a file on disk"):
        load_bytes(torch_bytes(torch.ones(1)), mmap=True)


def test_storages_at_odd_offsets_are_aligned_when_mapped(tmp_path):
    path = tmp_path / "odd.pt"
    for padding in range(4):
        data = archive(rebuild(0, (4,), (1,)), [np.arange(4.0, dtype="f4").tobytes()])
        path.write_bytes(data if padding == 0 else repacked(data, "x" * padding))
        got = torch_checkpoint.load(path, mmap=True)
        assert got.flags.aligned
        np.testing.assert_array_equal(got, [0, 1, 2, 3])


def repacked(data, prefix):
    """The same archive in a folder of another name, so that everything moves."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(f"{prefix}/{name.split('/', 1)[1]}", old.read(name))
    return file.getvalue()


def test_big_endian_checkpoints_are_read():
    data = np.arange(4, dtype=">f4").tobytes()
    got = load_bytes(archive(rebuild(0, (4,), (1,)), [data], byteorder="big"))
    np.testing.assert_array_equal(got, [0, 1, 2, 3])
    assert got.dtype == np.float32


def test_bools_are_made_of_zeros_and_ones():
    program = rebuild(0, (4,), (1,), storage="BoolStorage")
    got = load_bytes(archive(program, [b"\x00\x01\x02\xff"]))
    assert got.sum() == 3


def test_checkpoints_without_checksums_are_read():
    torch.serialization.set_crc32_options(False)
    try:
        data = torch_bytes(torch.arange(3.0))
    finally:
        torch.serialization.set_crc32_options(True)
    np.testing.assert_array_equal(load_bytes(data), [0, 1, 2])


# Writing what torch reads.


@QUICK
@given(dtypes, shapes, st.randoms(use_true_random=False))
def test_torch_reads_the_arrays_that_were_saved(name, shape, random):
    dims = list(range(len(shape)))
    random.shuffle(dims)
    array = numbers(shape, name).transpose(dims)
    data = saved_bytes({"array": array})
    assert_same(array, torch_load(data)["array"])
    np.testing.assert_array_equal(load_bytes(data)["array"], array)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(-9, 9), inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4).map(OrderedDict)
    ),
    max_leaves=12,
)


@QUICK
@given(plain)
def test_plain_containers_survive_in_torch_and_here(obj):
    data = saved_bytes(obj)
    for got in (torch_load(data), load_bytes(data)):
        assert got == obj
        assert type(got) is type(obj)


def test_bytes_sets_counters_and_dtypes_survive():
    obj = {"b": b"\x00\xff", "s": {1, 2}, "c": Counter(aab=3), "empty": (set(), b"")}
    data = saved_bytes({**obj, "d": np.dtype("float16")})
    assert torch_load(data) == {**obj, "d": torch.float16}
    assert load_bytes(data) == {**obj, "d": np.dtype("float16")}


def test_torch_modules_load_a_state_dict_saved_here(tmp_path):
    path = tmp_path / "model.pt"
    module = torch.nn.Linear(3, 2)
    state = OrderedDict((name, w.detach().numpy()) for name, w in module.state_dict().items())
    state._metadata = OrderedDict({"": {"version": 1}})
    torch_checkpoint.save(state, path)
    for mapped in (False, True):
        other = torch.nn.Linear(3, 2)
        loaded = torch.load(path, weights_only=True, mmap=mapped)
        other.load_state_dict(loaded)
        assert torch.equal(other.weight, module.weight)
        assert loaded._metadata == state._metadata


def test_storages_are_aligned_for_mapping(tmp_path):
    path = tmp_path / "model.pt"
    torch_checkpoint.save([np.ones(n) for n in range(5)], path)
    content = torch_checkpoint.load(path, mmap=True)
    page = 4096
    assert all(array.ctypes.data % page % 64 == 0 for array in content if array.size)


def test_views_of_one_buffer_are_saved_as_one_storage():
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    data = saved_bytes([base, base.T, base[1:], np.broadcast_to(base[0], (5, 4))])
    whole, transposed, rows, broadcast = torch_load(data)
    assert broadcast.stride() == (0, 1)
    whole[1, 0] = 99
    assert rows[0, 0] == transposed[0, 1] == 99
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert [name for name in names if "/data/" in name] == ["archive/data/0"]


def test_disjoint_views_of_one_buffer_are_saved_as_one_storage():
    base = np.arange(6)
    first, second = torch_load(saved_bytes([base[4:], base[:2]]))
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
    assert (first.tolist(), second.tolist()) == ([4, 5], [0, 1])


def test_overlapping_arrays_over_a_foreign_buffer_are_saved_as_one_storage():
    memory = bytearray(np.arange(4.0).tobytes())
    first, second = np.frombuffer(memory, "f8", 3), np.frombuffer(memory, "f8", 3, 8)
    first, second = load_bytes(saved_bytes([first, second]))
    first[1] = 99
    assert second[0] == 99


def test_a_slice_does_not_drag_its_whole_buffer_into_the_file():
    assert len(saved_bytes(np.zeros(10**6)[:3])) < 5000


def test_numbers_of_two_dtypes_in_one_buffer_are_saved_apart():
    bits = np.arange(4, dtype=np.int32)
    floats = bits.view(np.float32)
    got = torch_load(saved_bytes([bits, floats]))
    assert_same(bits, got[0])
    assert_same(floats, got[1])


def test_arrays_that_torch_cannot_stride_are_copied():
    record = np.zeros(3, dtype=[("a", "i1"), ("b", "<f4")])
    record["b"] = [1, 2, 3]
    backward, foreign = np.arange(4)[::-1], np.arange(3, dtype=">f4")
    got = torch_load(saved_bytes([backward, foreign, record["b"]]))
    assert [tensor.tolist() for tensor in got] == [[3, 2, 1, 0], [0, 1, 2], [1, 2, 3]]


def test_numpy_scalars_are_saved_as_numbers():
    assert torch_load(saved_bytes([np.float32(0.5), np.int64(3), np.bool_(True)])) == [0.5, 3, True]


def test_one_object_twice_and_cycles_survive():
    inner = [np.ones(2)]
    obj = {"a": inner, "b": inner}
    obj["self"] = obj
    for got in (torch_load(saved_bytes(obj)), load_bytes(saved_bytes(obj))):
        assert got["a"] is got["b"]
        assert got["self"] is got


def test_the_hook_says_which_objects_are_arrays():
    class Tensor:
        data = np.arange(3)

    obj = [Tensor(), "text"]
    data = saved_bytes(obj, array_of=lambda value: getattr(value, "data", None))
    got, text = torch_load(data)
    assert got.tolist() == [0, 1, 2]
    assert text == "text"


def test_objects_with_an_array_method_are_saved_as_arrays():
    tensor = torch.arange(3)
    assert torch_load(saved_bytes([tensor]))[0].tolist() == [0, 1, 2]


def test_equal_objects_make_equal_files():
    arrays = [np.ones(3), np.zeros((2, 2)), np.arange(4)]
    assert saved_bytes(arrays) == saved_bytes([array.copy() for array in arrays])


def test_what_cannot_be_saved_is_named_with_its_place(tmp_path):
    path = tmp_path / "model.pt"
    with pytest.raises(StateError, match=r"object of builtins\.object: at \['a'\]\[1\]"):
        torch_checkpoint.save({"a": [0, object()]}, path)
    with pytest.raises(DTypeError, match="complex64"):
        torch_checkpoint.save(np.ones(1, np.complex64), path)
    with pytest.raises(StateError, match="key"):
        torch_checkpoint.save({((1,),): 0}, path)
    with pytest.raises(StateError, match="too long"):
        torch_checkpoint.save(1 << 5000, path)
    assert list(tmp_path.iterdir()) == []


def test_containers_too_deep_to_save_are_refused():
    nested = []
    for _ in range(10**5):
        nested = [nested]
    with pytest.raises(StateError, match="too deeply"):
        saved_bytes(nested)


# Hostile checkpoints.


class Reduced:
    """An object whose pickle calls what it is told to."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch pwned",), rf"{os.name}\.system"),
        (eval, ("1/0",), r"builtins\.eval"),
        (getattr, ({}, "pop"), r"builtins\.getattr"),
        (Path, ("x",), r"pathlib\.Path"),
        (torch.load, ("x",), r"torch\.serialization\.load"),
    ],
)
def test_everything_but_tensors_is_refused_by_name(protocol, nested, function, arguments, name):
    obj = Reduced(function, *arguments)
    obj = {"state": [torch.Size([1]), (obj,)]} if nested and protocol else obj
    with pytest.raises(FileFormatError, match=f"torch checkpoint: refuses to construct {name}"):
        load_bytes(archive(pickle.dumps(obj, protocol)))


def test_whole_modules_are_refused_by_name():
    with pytest.raises(FileFormatError, match=r"refuses to construct torch\.nn\.modules\.linear"):
        load_bytes(torch_bytes(torch.nn.Linear(1, 1)))


@pytest.mark.parametrize("name", ["complex64", "complex128"])
def test_complex_tensors_are_refused_by_name(name):
    with pytest.raises(FileFormatError, match=r"torch\.Complex\w+Storage"):
        load_bytes(torch_bytes(torch.ones(1, dtype=getattr(torch, name))))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"cos\nsystem\n.", r"refuses to construct os\.system"),
        (b"(ios\nsystem\n.", r"refuses to construct os\.system"),
        (b"\x8c\x02os\x8c\x06system\x93.", r"refuses to construct os\.system"),
        (b"K\x01)R.", "refuses to call int"),
        (b"ccollections\nOrderedDict\nK\x01R.", "wrong arguments"),
        (b"ccollections\nOrderedDict\nK\x01\x85R.", "wrong arguments"),
        (b"ccollections\nOrderedDict\n}X\x01\x00\x00\x00a)sb.", "refuses to set the state"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00a)sb.", "refuses to set the state"),
        (b"ctorch\nSize\nK\x01a.", "refuses to put items into torch.Size"),
        (b"}]K\x01s.", "refuses list as a key"),
        (b"})\x85K\x01s.", "refuses tuple as a key"),
        (b"}\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x01s.", "refuses int as a key"),
        (b"\x82\x01.", "refuses the pickle instruction EXT1"),
        (b"X\xff\xff\xff\x7fabc.", "the pickle is damaged"),
        (b"h\x05.", "nothing at that place"),
        (b"0.", "nothing left on its stack"),
        (b"t.", "no mark"),
        (b"]", "the pickle is damaged"),
        (b"", "the pickle is damaged"),
        (b"K\x01Q.", "not a storage"),
        (b"(cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R.", "refuses to construct a numpy.dtype"),
        (b"c__builtin__\nbytes\nK\x05\x85R.", "wrong arguments"),
        (b"ctorch\ndevice\nX\x01\x00\x00\x00xJ\xff\xff\xff\x7f\x86R.", "impossible index"),
        (b"ctorch._utils\n_rebuild_tensor\n(K\x01K\x00))tR.", "without a storage"),
        (b"ctorch._utils\n_rebuild_tensor_v3\n(K\x01K\x00))NNNtR.", "without a storage"),
    ],
)
def test_wrong_programs_are_refused(program, message):
    with pytest.raises(FileFormatError, match=message):
        load_bytes(archive(program))


def test_deep_tuples_cannot_be_hashed():
    program = b"})" + b"\x85" * 10**5 + b"K\x01s."
    with pytest.raises(FileFormatError, match="as a key"):
        load_bytes(archive(program))


def test_tensor_constructors_inside_tensor_constructors_are_refused():
    name = b"ctorch._tensor\n_rebuild_from_type_v2\n"
    program = name + b"(" + name + b"N)NtR."
    with pytest.raises(FileFormatError, match="subclass without its constructor"):
        load_bytes(archive(program))


def test_attributes_of_a_state_dict_cannot_replace_its_methods():
    program = (
        b"ccollections\nOrderedDict\n)R}(X\x05\x00\x00\x00itemsK\x01X\x01\x00\x00\x00aK\x02ub."
    )
    got = load_bytes(archive(program))
    assert got.a == 2
    assert list(got.items()) == []


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((0, (5,), (1,)), "reaches element 4 of a storage of 4"),
        ((1, (4,), (1,)), "reaches element 4"),
        ((0, (2, 2), (4, 1)), "reaches element 5"),
        ((0, (2,), (-1,)), "negative"),
        ((-1, (2,), (1,)), "negative"),
        ((0, (-2,), (1,)), "negative"),
        ((2**62, (2,), (1,)), "reaches element"),
        ((0, (2**40, 2**40), (0, 0)), "impossible size"),
        ((0, (2**64,), (0,)), "64-bit"),
        ((0, (0, 2**62, 2**62), (1, 1, 1)), "impossible size"),
        ((0, (1,), (2**62,)), "impossible size or stride"),
        ((0, (2,), (2**61 + 1,)), "impossible size or stride"),
        ((0, (2,), (1, 1)), "1 sizes and 2 strides"),
        ((0, (1,) * 65, (1,) * 65), "65 sizes"),
        ((0, (1.0,), (1,)), "64-bit"),
        ((0, [2], [1]), "without a size or a stride"),
        ((0, None, None), "without a size or a stride"),
        ((None, (2,), (1,)), "64-bit"),
        ((0, (4,), (1,), 2**40), "not of the size claimed"),
        ((0, (4,), (1,), 3), "not of the size claimed"),
        ((0, (4,), (1,), 4, "DoubleStorage"), "not of the size claimed"),
        ((0, (4,), (1,), 4, "FloatStorage", "1"), "no such member"),
        ((0, (4,), (1,), 4, "FloatStorage", "../data.pkl"), "no such member"),
        ((0, (4,), (1,), 4, "QInt8Storage"), r"refuses to construct torch\.QInt8Storage"),
    ],
)
def test_windows_that_leave_their_storage_are_refused(parts, message):
    with pytest.raises(FileFormatError, match=message):
        load_bytes(archive(rebuild(*parts), [np.zeros(4, "f4").tobytes()]))


def test_compressed_members_are_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("archive/data.pkl", rebuild(0, (4,), (1,)))
        zipped.writestr("archive/data/0", bytes(10**7))
    with pytest.raises(FileFormatError, match="compressed"):
        load_bytes(file.getvalue())


def test_members_that_overlap_are_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("archive/data.pkl", b"N.")
        zipped.writestr("archive/data/0", bytes(2000))
        twin = copy.copy(zipped.getinfo("archive/data/0"))
        twin.filename = "archive/data/1"
        zipped.filelist.append(twin)
    with pytest.raises(FileFormatError, match="claim more bytes than the file has"):
        load_bytes(file.getvalue())


def test_truncated_checkpoints_are_refused_at_every_length(tmp_path):
    data = torch_bytes({"w": torch.arange(6.0), "b": torch.ones(2)})
    path = tmp_path / "cut.pt"
    for length in [*range(0, len(data), 37), len(data) - 1]:
        path.write_bytes(data[:length])
        for mapped in (False, True):
            with pytest.raises(FileFormatError, match=r"cut\.pt"):
                torch_checkpoint.load(path, mmap=mapped)


def test_a_flipped_bit_in_a_storage_is_found():
    data = bytearray(torch_bytes(torch.arange(4.0)))
    data[data.index(np.arange(4, dtype="f4").tobytes()) + 7] ^= 1
    with pytest.raises(FileFormatError, match="checksum"):
        load_bytes(bytes(data))


@FUZZ
@given(st.data())
def test_damaged_checkpoints_are_read_or_refused_and_nothing_else(data):
    damaged = bytearray(FUZZED)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FileFormatError):
        load_bytes(bytes(damaged))


@FUZZ
@given(st.data())
def test_damaged_pickles_are_read_or_refused_and_nothing_else(data):
    program = bytearray(FUZZED_PROGRAM)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(program) - 1))
        piece = data.draw(st.sampled_from(OPCODES) | st.binary(max_size=3))
        program[position : position + data.draw(st.integers(0, 3))] = piece
    with contextlib.suppress(FileFormatError):
        load_bytes(archive(bytes(program), [bytes(24), bytes(8), bytes(8)]))


FUZZED = torch_bytes({"w": torch.ones(2, 3), "n": [1, (2.5, "x")], "b": torch.ones(4).half()})
FUZZED_PROGRAM = zipfile.ZipFile(
    io.BytesIO(
        torch_bytes(
            [
                OrderedDict(w=torch.ones(2, 3), p=torch.nn.Parameter(torch.ones(2))),
                (
                    b"x",
                    {1},
                    Counter("a"),
                    np.float32(1),
                    torch.tensor([1, 2, 3, 4]).to(torch.uint16),
                ),
                [torch.device("cpu"), torch.Size([1]), torch.float16],
            ]
        )
    )
).read("archive/data.pkl")
OPCODES = [bytes([byte]) for byte in b"()]}0126RQbtu\x85\x86\x87esq\x81\x88N.hKM\x90\x93\x8f"]


def test_other_formats_are_told_apart(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.ones(1), path, _use_new_zipfile_serialization=False)
    with pytest.raises(FileFormatError, match=r"before PyTorch 1\.6; convert it"):
        torch_checkpoint.load(path)
    path.write_bytes(b"hello")
    with pytest.raises(FileFormatError, match=r"not a zip archive: .*model\.pt"):
        torch_checkpoint.load(path)
    np.savez(tmp_path / "arrays.npz", x=np.ones(1))
    with pytest.raises(FileFormatError, match=r"no data\.pkl"):
        torch_checkpoint.load(tmp_path / "arrays.npz")
    with pytest.raises(FileFormatError, match="TorchScript"):
        load_bytes(archive(b"N.", **{"constants.pkl": b"N."}))
    with pytest.raises(FileFormatError, match="opened as text"):
        torch_checkpoint.load(io.StringIO("x"))
    with pytest.raises(FileNotFoundError):
        torch_checkpoint.load(tmp_path / "absent.pt")


# Safetensors.


@QUICK
@given(st.dictionaries(st.text(max_size=8), st.tuples(dtypes, shapes), max_size=4))
def test_safetensors_come_back_as_they_were_saved(tmp_path_factory, specs):
    arrays = {name: numbers(shape, dtype).T for name, (dtype, shape) in specs.items()}
    path = tmp_path_factory.mktemp("st") / "model.safetensors"
    safetensors.save(arrays, path)
    got = safetensors.load(path)
    assert set(got) == set(arrays)
    for name, array in arrays.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(got[name], array)


def test_arrays_of_any_layout_are_written_right(tmp_path):
    path = tmp_path / "model.safetensors"
    base = np.arange(6.0).reshape(2, 3)
    arrays = {"t": base.T, "back": base[::-1], "cut": base[:, 1:], "big": base.astype(">f8")}
    safetensors.save({**arrays, "scalar": 2.5}, path)
    got = safetensors.load(path)
    for name, array in arrays.items():
        np.testing.assert_array_equal(got[name], array)
    assert got["scalar"].shape == ()


def test_safetensors_and_torch_read_each_other(tmp_path):
    from safetensors.torch import load_file, save_file

    tensors = {"w": torch.randn(2, 3).to(torch.bfloat16), "n": torch.arange(3)}
    save_file(tensors, tmp_path / "theirs.safetensors", {"format": "pt"})
    got = safetensors.load(tmp_path / "theirs.safetensors")
    for name, tensor in tensors.items():
        assert_same(got[name], tensor)
    safetensors.save(got, tmp_path / "ours.safetensors")
    for name, tensor in load_file(tmp_path / "ours.safetensors").items():
        assert torch.equal(tensor, tensors[name])


def test_metadata_comes_back(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.save({}, path, {"format": "pt"})
    assert safetensors.metadata(path) == {"format": "pt"}
    safetensors.save({}, path)
    assert safetensors.metadata(path) == {}


def test_safetensors_refuses_what_the_format_cannot_hold(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(DTypeError, match="'c' is of a dtype"):
        safetensors.save({"c": np.ones(1, complex)}, path)
    with pytest.raises(DTypeError, match="'o' is of a dtype"):
        safetensors.save({"o": np.array([None])}, path)
    with pytest.raises(StateError, match="not a name"):
        safetensors.save({"__metadata__": np.ones(1)}, path)
    with pytest.raises(StateError, match="not a name"):
        safetensors.save({1: np.ones(1)}, path)
    with pytest.raises(StateError, match="not Unicode"):
        safetensors.save({"\ud800": np.ones(1)}, path)
    with pytest.raises(StateError, match="strings to strings"):
        safetensors.save({}, path, {"epoch": 1})
    assert list(tmp_path.iterdir()) == []


def test_truncated_safetensors_are_refused_at_every_length(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.save({"w": np.arange(6.0), "b": np.ones(2)}, path)
    data = path.read_bytes()
    for length in range(0, len(data), 11):
        path.write_bytes(data[:length])
        with pytest.raises(FileFormatError, match=r"model\.safetensors"):
            safetensors.load(path)


@pytest.mark.parametrize(
    ("entry", "data"),
    [
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, bytes(4)),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, bytes(8)),
        ({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, bytes(8)),
        ({"dtype": "F32", "shape": [1], "data_offsets": [0, 2**60]}, bytes(4)),
        ({"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}, bytes(4)),
        ({"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}, b""),
        ({"dtype": "F32", "shape": [1] * 65, "data_offsets": [0, 4]}, bytes(4)),
        ({"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}, bytes(8)),
        ({"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}, bytes(1)),
        ({"dtype": "F32"}, b""),
        (3, b""),
    ],
)
def test_safetensors_headers_that_lie_are_refused(tmp_path, entry, data):
    path = tmp_path / "model.safetensors"
    header = json.dumps({"x": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    with pytest.raises(FileFormatError, match=r"model\.safetensors"):
        safetensors.load(path)


def test_safetensors_bools_are_made_of_zeros_and_ones(tmp_path):
    path = tmp_path / "model.safetensors"
    header = json.dumps({"x": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\x00\x02\xff")
    assert safetensors.load(path)["x"].sum() == 2


def write_index(folder, content):
    (folder / "model.safetensors.index.json").write_text(content)


def test_sharded_models_are_put_together(tmp_path):
    arrays = {name: np.full(2, value) for value, name in enumerate("abc")}
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    shards["c"] = shards["a"]
    for shard in set(shards.values()):
        safetensors.save({n: arrays[n] for n in arrays if shards[n] == shard}, tmp_path / shard)
    write_index(tmp_path, json.dumps({"metadata": {}, "weight_map": shards}))
    got = safetensors.load_sharded(tmp_path)
    assert {name: array.tolist() for name, array in got.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }


def test_a_model_in_one_file_needs_no_index(tmp_path):
    safetensors.save({"a": np.ones(2)}, tmp_path / "model.safetensors")
    assert list(safetensors.load_sharded(tmp_path)) == ["a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"weight_map": {"a": "../x.safetensors"}}', "unsafe name"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "unsafe name"),
        ('{"weight_map": {"a": ".."}}', "unsafe name"),
        ('{"weight_map": {"a": "..\\\\x"}}', "unsafe name"),
        ('{"weight_map": {"a": 3}}', "unsafe name"),
        ('{"weight_map": {"a": "absent.safetensors"}}', "missing shard"),
        ('{"weight_map": {"a": "there.safetensors"}}', "no tensor 'a'"),
        ('{"weight_map": []}', "no weight_map"),
        ("[]", "no weight_map"),
        ("{", "no JSON"),
        ("[" * 10**5, "no JSON"),
    ],
)
def test_indices_that_lie_are_refused(tmp_path, content, message):
    safetensors.save({"b": np.ones(1)}, tmp_path / "there.safetensors")
    write_index(tmp_path, content)
    with pytest.raises(FileFormatError, match=message):
        safetensors.load_sharded(tmp_path)


# Atomic writes.


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(errno.ENOSPC, "disk full")])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, interruption):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(file):
        file.write(b"new" * 10**5)
        raise interruption

    with pytest.raises((KeyboardInterrupt, OSError)):
        write_atomically(path, write)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_at_the_end_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        torch_checkpoint.save({"w": np.ones(3)}, path)
    with pytest.raises(OSError, match="disk full"):
        safetensors.save({"w": np.ones(3)}, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path, "w", encoding="utf-8") as file:
        file.write("nü")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text(encoding="utf-8") == "nü"


def test_an_error_of_the_disk_names_the_file(tmp_path, monkeypatch):
    """The system's own names none where a disk is full, or names the temporary file."""

    def full(descriptor):
        raise OSError(errno.ENOSPC, "disk full")

    with pytest.raises(OSError, match="absent/file") as caught:
        write_atomically(tmp_path / "absent" / "file", lambda file: None)
    assert caught.value.filename == str(tmp_path / "absent" / "file")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full") as caught:
        write_atomically(tmp_path / "file", lambda file: None)
    assert caught.value.filename == str(tmp_path / "file")


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_safetensors_follow_the_umask_and_are_the_file_that_is_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(os.fstat(number).st_ino))
    before = os.umask(0o022)
    try:
        safetensors.save({"w": np.ones(3)}, tmp_path / "file")
    finally:
        os.umask(before)
    found = (tmp_path / "file").stat()
    assert stat.S_IMODE(found.st_mode) == 0o644
    assert flushed[0] == found.st_ino


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_new_files_follow_the_umask_and_replaced_ones_keep_their_permissions(tmp_path):
    path = tmp_path / "file"
    before = os.umask(0o027)
    try:
        write_atomically(path, lambda file: file.write(b"1"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    write_atomically(path, lambda file: file.write(b"2"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link, target = tmp_path / "link", folder / "target"
    link.symlink_to(target)
    for content in (b"first", b"second"):
        write_atomically(link, lambda file, content=content: file.write(content))
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert list(folder.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="devices")
def test_a_device_is_written_to_and_not_replaced():
    write_atomically(os.devnull, lambda file: file.write(b"gone"))
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_missing_folder_or_a_folder_in_the_way_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "absent" / "file", lambda file: None)
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path, lambda file: None)
    with pytest.raises(ValueError, match="opened as 'wb' or 'w'"), replacing(tmp_path / "x", "ab"):
        pass
    assert list(tmp_path.iterdir()) == []
