"""Tensors as objects: how they are made, what they are, and how they meet the rest of Python."""

from __future__ import annotations

import copy
import io
import math
import pickle

import ml_dtypes
import numpy as np
import pytest
import torch

import andon
from andon.core.errors import AndonError, DeviceError, DTypeError, GradientError, ShapeError

DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
]  # fmt: skip


def name(dtype) -> str:
    return str(dtype).split(".")[1]


def assert_same(ours, theirs):
    """Equal in dtype, shape and elements to a tensor of PyTorch's."""
    assert name(ours.dtype) == name(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(
        ours.detach().double().numpy(), theirs.detach().double().numpy(), rtol=1e-6, atol=1e-7
    )


# Making tensors

DATA = {
    "int": lambda t: 3,
    "float": lambda t: 2.5,
    "bool": lambda t: True,
    "list": lambda t: [1, 2, 3],
    "nested": lambda t: [[1.0, 2.0], (3.0, 4.0)],
    "mixed": lambda t: [True, 2, 2.5],
    "bools and ints": lambda t: [True, 2],
    "empty": lambda t: [],
    "empty rows": lambda t: [[], []],
    "array": lambda t: np.arange(3, dtype=np.int16),
    "array of float64": lambda t: np.ones(2),
    "number of numpy": lambda t: np.float64(2.5),
    "int of numpy": lambda t: np.int32(2),
    "list of float64": lambda t: [np.float64(1.0), np.float64(2.0)],
    "list of float32": lambda t: [np.float32(1.0), 2.0],
    "list of tensors": lambda t: [t.tensor(1.0), t.tensor(2.0)],
    "list of float64 tensors": lambda t: [t.tensor(1.0, dtype=t.float64)],
    "range": lambda t: range(4),
    "nan": lambda t: [float("nan"), -float("inf")],
    "large ints": lambda t: [2**62, -(2**63)],
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_tensor_chooses_the_dtype_that_pytorch_chooses(data):
    assert_same(andon.tensor(data(andon)), torch.tensor(data(torch)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_can_be_asked_for(dtype):
    for data in ([0, 1, 2], [0.0, 1.0, 2.0], [True, False]):
        ours = andon.tensor(data, dtype=getattr(andon, dtype))
        assert_same(ours, torch.tensor(data, dtype=getattr(torch, dtype)))


def test_pythons_types_name_dtypes():
    for kind in (bool, int, float):
        assert_same(andon.tensor([1, 0], dtype=kind), torch.tensor([1, 0], dtype=kind))
        assert_same(andon.zeros(2, dtype=kind), torch.zeros(2, dtype=kind))


def test_tensor_copies_and_as_tensor_shares():
    array = np.zeros(3, np.float32)
    copied, shared, converted = andon.tensor(array), andon.as_tensor(array), andon.from_numpy(array)
    array[0] = 5
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == converted.tolist() == [5, 0, 0]
    assert andon.as_tensor(shared) is shared
    assert andon.as_tensor(array, dtype=andon.float32).data_ptr() == shared.data_ptr()
    assert andon.as_tensor(array, dtype=andon.float64).data_ptr() != shared.data_ptr()
    assert andon.as_tensor([1, 2]).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("text", "expects numbers"),
        (None, "expects numbers"),
        ([1, None], "expects numbers"),
        (1 + 2j, "expects numbers"),
        ({"a": 1}, "expects numbers"),
        (2**63, "expects numbers that fit|dtype: not one of"),
        (2**70, "expects numbers that fit"),
        ([[1, 2], [3]], "rows must be of one length"),
        ([1, [2]], "rows must be of one length"),
        (np.array(["a"]), "dtype: not one of"),
        (np.ones(2, np.complex64), "dtype: not one of"),
    ],
)
def test_what_is_not_made_of_numbers_is_no_tensor(data, says):
    with pytest.raises((DTypeError, ShapeError), match=says):
        andon.tensor(data)


@pytest.mark.parametrize(
    ("data", "dtype"),
    [(300, "uint8"), ([1, 300], "int8"), (float("nan"), "int64"), (1e10, "int16"), (-1e10, "int8")],
)
def test_numbers_must_fit_the_dtype_asked_for(data, dtype):
    with pytest.raises(DTypeError, match=f"does not fit {dtype}"):
        andon.tensor(data, dtype=getattr(andon, dtype))
    with pytest.raises(RuntimeError):
        torch.tensor(data, dtype=getattr(torch, dtype))


CREATIONS = {
    "zeros": lambda t: t.zeros(2, 3),
    "zeros of a tuple": lambda t: t.zeros((2, 3), dtype=t.int32),
    "zeros without dims": lambda t: t.zeros(()),
    "zeros of a Size": lambda t: t.zeros(t.ones(2, 3).shape),
    "zeros of size zero": lambda t: t.zeros(0, 3),
    "ones": lambda t: t.ones([2, 2], dtype=t.bool),
    "full": lambda t: t.full((2, 2), 7),
    "full of floats": lambda t: t.full((2,), 0.5),
    "full of bools": lambda t: t.full((2,), True),
    "full of a number of numpy": lambda t: t.full((2,), np.float64(3)),
    "full with dtype": lambda t: t.full((2,), 3, dtype=t.float16),
    "full of nan": lambda t: t.full((2,), float("nan")),
    "zeros_like": lambda t: t.zeros_like(t.ones(2, 3, dtype=t.int16)),
    "ones_like": lambda t: t.ones_like(t.zeros(2), dtype=t.float64),
    "full_like": lambda t: t.full_like(t.zeros(2, dtype=t.int64), 3),
    "empty_like": lambda t: t.zeros_like(t.empty_like(t.zeros(2))),
    "arange": lambda t: t.arange(5),
    "arange from to": lambda t: t.arange(2, 7),
    "arange by step": lambda t: t.arange(1, 10, 4),
    "arange down": lambda t: t.arange(5, 0, -2),
    "arange of nothing": lambda t: t.arange(3, 3),
    "arange of floats": lambda t: t.arange(0.0, 1.0, 0.3),
    "arange of a fractional end": lambda t: t.arange(2.5),
    "arange with dtype": lambda t: t.arange(3, dtype=t.float32),
    "arange of tensors": lambda t: t.arange(t.tensor(1), t.tensor(4)),
    "arange of large ints": lambda t: t.arange(2**60, 2**60 + 3),
    "linspace": lambda t: t.linspace(0, 1, 5),
    "linspace of one": lambda t: t.linspace(3, 7, 1),
    "linspace of none": lambda t: t.linspace(3, 7, 0),
    "linspace down": lambda t: t.linspace(1, -1, 4, dtype=t.float64),
    "logspace": lambda t: t.logspace(0, 2, 3),
    "logspace base 2": lambda t: t.logspace(0, 3, 4, base=2),
    "eye": lambda t: t.eye(3),
    "eye wide": lambda t: t.eye(2, 4, dtype=t.int64),
    "eye tall": lambda t: t.eye(3, 1),
    "eye of nothing": lambda t: t.eye(0),
    "new_zeros": lambda t: t.ones(2, dtype=t.float64).new_zeros(2, 3),
    "new_ones": lambda t: t.ones(2, dtype=t.int8).new_ones((2,)),
    "new_full": lambda t: t.ones(2).new_full((2,), 3),
    "new_tensor": lambda t: t.ones(2, dtype=t.float64).new_tensor([1, 2]),
}


@pytest.mark.parametrize("make", CREATIONS.values(), ids=CREATIONS)
def test_a_new_tensor_is_that_of_pytorch(make):
    assert_same(make(andon), make(torch))


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.zeros(-1),
        lambda t: t.ones(2, -3),
        lambda t: t.zeros(2.5),
        lambda t: t.zeros("2"),
        lambda t: t.zeros((2, 3), 4),
        lambda t: t.full((2,), 300, dtype=t.uint8),
        lambda t: t.full((2,), "a"),
        lambda t: t.full((2,), [1, 2]),
        lambda t: t.eye(-1),
        lambda t: t.eye(2, -1),
        lambda t: t.linspace(0, 1, -1),
        lambda t: t.linspace(0, 1, 2.5),
        lambda t: t.arange(0, 5, 0),
        lambda t: t.arange(0, 5, -1),
        lambda t: t.arange(5, 0),
        lambda t: t.arange(float("nan")),
        lambda t: t.arange(0, float("inf")),
        lambda t: t.zeros(2, device="nowhere"),
        lambda t: t.zeros(2, device="cuda"),
        lambda t: t.zeros(2, dtype="float99"),
        lambda t: t.Tensor(-1),
        lambda t: t.from_numpy([1.0]),
        lambda t: t.tensor([1], requires_grad=True),
        lambda t: t.ones(2, dtype=t.int64, requires_grad=True),
    ],
)
def test_bad_sizes_and_numbers_raise_here_as_there(make):
    with pytest.raises(AndonError):
        make(andon)
    with pytest.raises((RuntimeError, TypeError, ValueError, AssertionError)):
        make(torch)


def test_new_tensors_can_require_a_gradient():
    for make in (andon.zeros, andon.ones, andon.empty):
        assert make(2, requires_grad=True).is_leaf
    for x in (
        andon.full((2,), 1.0, requires_grad=True),
        andon.eye(2, requires_grad=True),
        andon.linspace(0, 1, 2, requires_grad=True),
        andon.arange(2.0, requires_grad=True),
        andon.zeros(2).new_zeros(2, requires_grad=True),
    ):
        assert x.requires_grad and x.is_leaf


def test_the_default_dtype_can_be_changed_and_put_back():
    andon.set_default_dtype(andon.float64)
    try:
        assert andon.tensor(1.5).dtype is andon.zeros(1).dtype is andon.float64
        assert (andon.tensor(1) / 2).dtype is andon.float64
        assert repr(andon.ones(1)) == "tensor([1.])"
    finally:
        andon.set_default_dtype(andon.float32)
    with pytest.raises(DTypeError):
        andon.set_default_dtype(andon.int64)


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.Tensor([1, 2]),
        lambda t: t.Tensor(2, 3).zero_(),
        lambda t: t.Tensor(),
        lambda t: t.Tensor((2, 3)),
        lambda t: t.Tensor(t.ones(2, 3).shape).zero_(),
        lambda t: t.Tensor(t.tensor([1.0, 2.0])),
    ],
)
def test_the_old_constructor_gives_the_default_dtype(make):
    assert_same(make(andon), make(torch))


# What a tensor is


def test_attributes_agree_with_pytorchs():
    for make in (
        lambda t: t.zeros(2, 3, 4),
        lambda t: t.zeros(2, 3, dtype=t.float16).t(),
        lambda t: t.zeros(4, 6)[1:, ::2],
        lambda t: t.tensor(3),
        lambda t: t.zeros(1, 3).expand(2, 3),
    ):
        ours, theirs = make(andon), make(torch)
        for attribute in ("ndim", "requires_grad", "is_leaf", "itemsize", "nbytes", "is_cuda"):
            assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
        for method in (
            "dim", "numel", "nelement", "element_size", "size", "stride", "is_contiguous",
            "is_floating_point", "is_complex", "storage_offset", "type",
        ):  # fmt: skip
            expected = getattr(theirs, method)()
            expected = tuple(expected) if method == "size" else expected
            expected = expected.replace("torch", "andon") if method == "type" else expected
            assert getattr(ours, method)() == expected, method
        assert str(ours.device) == str(theirs.device)


def test_shape_is_a_size():
    x = andon.zeros(2, 3, 4)
    assert x.shape == (2, 3, 4) and isinstance(x.shape, andon.Size)
    assert x.shape.numel() == 24 and x.shape[1:] == (3, 4) and isinstance(x.shape[1:], andon.Size)
    assert repr(x.shape) == "andon.Size([2, 3, 4])"
    longer = x.shape + (1,)  # noqa: RUF005 (the operator is what is tested)
    assert isinstance(longer, andon.Size) and longer == (2, 3, 4, 1) and x.size(-1) == 4
    B, T, C = x.shape
    assert (B, T, C) == (2, 3, 4)
    for wrong in (lambda: x.size(3), lambda: x.stride(3)):
        with pytest.raises(IndexError, match="out of range"):
            wrong()


def test_devices_are_compared_and_named():
    cpu = andon.zeros(1).device
    assert cpu == "cpu" == str(cpu) and cpu == andon.device("cpu") and cpu.type == "cpu"
    assert isinstance(cpu, andon.device) and repr(cpu) == "device(type='cpu')"
    assert repr(andon.device("cuda:1")) == "device(type='cuda', index=1)"
    assert andon.device("cuda", 1) == andon.device("cuda:1") == andon.device(andon.device("cuda:1"))
    assert len({andon.device("cpu"), andon.device("cpu"), andon.device("cuda")}) == 2
    assert andon.device(1) == "cuda:1"
    with andon.device("cpu"):
        pass


def test_an_unknown_attribute_is_an_attribute_error_that_names_it():
    x = andon.zeros(1)
    assert not hasattr(x, "no_such_method")
    with pytest.raises(AttributeError, match=r"Tensor\.no_such_method: andon has no such"):
        x.no_such_method()


def test_subclasses_are_tensors():
    class Special(andon.Tensor):
        pass

    x = Special([1.0, 2.0])
    assert isinstance(x, andon.Tensor) and isinstance(x, Special)
    assert (x + 1).tolist() == [2, 3]
    assert type(copy.deepcopy(x)) is Special


# Dtypes and devices

TO = {
    "dtype": lambda t, x: x.to(t.float64),
    "keyword": lambda t, x: x.to(dtype=t.int32),
    "device": lambda t, x: x.to("cpu"),
    "device object": lambda t, x: x.to(t.device("cpu")),
    "device and dtype": lambda t, x: x.to("cpu", t.float16),
    "device keyword": lambda t, x: x.to(device="cpu", dtype=t.int64),
    "nothing": lambda t, x: x.to(device=None, dtype=None),
    "other": lambda t, x: x.to(t.zeros(1, dtype=t.int8)),
    "pythons": lambda t, x: x.to(bool),
    "non blocking": lambda t, x: x.to(t.float64, non_blocking=True),
    "non blocking by position": lambda t, x: x.to("cpu", t.float64, True),
    "copy": lambda t, x: x.to(t.float64, copy=True),
    "type": lambda t, x: x.type(t.int16),
    "type_as": lambda t, x: x.type_as(t.zeros(1, dtype=t.float64)),
    "half": lambda t, x: x.half(),
    "float": lambda t, x: x.float(),
    "double": lambda t, x: x.double(),
    "bfloat16": lambda t, x: x.bfloat16(),
    "long": lambda t, x: x.long(),
    "int": lambda t, x: x.int(),
    "short": lambda t, x: x.short(),
    "char": lambda t, x: x.char(),
    "byte": lambda t, x: x.byte(),
    "bool": lambda t, x: x.bool(),
    "cpu": lambda t, x: x.cpu(),
}


@pytest.mark.parametrize("convert", TO.values(), ids=TO)
def test_to_understands_every_spelling(convert):
    data = [0.0, 1.75, 200.5] if convert is TO["byte"] else [0.0, 1.75, -2.5]
    assert_same(convert(andon, andon.tensor(data)), convert(torch, torch.tensor(data)))


def test_to_is_the_tensor_itself_where_nothing_changes():
    x = andon.zeros(3)
    assert x.to("cpu") is x.to(andon.float32) is x.float() is x.to(x) is x
    for copied in (x.to("cpu", copy=True), x.to(andon.float32, False, True)):
        assert copied.data_ptr() != x.data_ptr() and copied.tolist() == [0, 0, 0]


def test_to_has_a_gradient_in_the_tensors_own_dtype():
    x = andon.ones(2, requires_grad=True)
    (x.double() * x.half()).sum().backward()
    assert x.grad.dtype is andon.float32 and x.grad.tolist() == [2, 2]
    assert not x.long().requires_grad


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda x: x.to("cuda"), DeviceError),
        (lambda x: x.to(device="cuda:0"), DeviceError),
        (lambda x: x.cuda(), DeviceError),
        (lambda x: x.to("float32"), DeviceError),
        (lambda x: x.to(3), DTypeError),
        (lambda x: x.to(dtipe=andon.int8), DTypeError),
        (lambda x: x.type("nonsense"), DTypeError),
    ],
)
def test_to_refuses_what_it_does_not_know(wrong, error):
    with pytest.raises(error):
        wrong(andon.zeros(1))


# Numbers


@pytest.mark.parametrize("dtype", DTYPES)
def test_items_are_numbers_of_python(dtype):
    x, y = (t.tensor([[1]], dtype=getattr(t, dtype)) for t in (andon, torch))
    assert type(x.item()) is type(y.item()) and x.item() == y.item()
    assert x.tolist() == y.tolist() and type(x.tolist()[0][0]) is type(y.tolist()[0][0])
    assert (bool(x), int(x), float(x), complex(x)) == (True, 1, 1.0, 1 + 0j)


def test_a_tensor_of_several_elements_is_no_number():
    x = andon.zeros(2)
    for convert in (int, float, bool, complex, andon.Tensor.item):
        with pytest.raises(ShapeError, match=r"float32\[2\]"):
            convert(x)
    with pytest.raises(ShapeError):
        bool(andon.zeros(0))


def test_integers_are_indices():
    letters = "abc"
    assert letters[andon.tensor(1)] == "b" and letters[andon.tensor([2])] == "c"
    assert list(range(andon.tensor(3))) == [0, 1, 2]
    for wrong in (andon.tensor(1.0), andon.tensor([1, 2])):
        with pytest.raises(DTypeError, match="only a single integer"):
            letters[wrong]


def test_numbers_are_formatted():
    x, n = andon.tensor(2.71828), andon.tensor(42)
    assert f"{x:.3f}" == "2.718" and f"{n:05d}" == "00042" and f"{n:>4}" == "  42"
    assert "%d %.2f %d" % (n, x, andon.tensor(3.9)) == "42 2.72 3"  # noqa: UP031
    assert f"{x}" == "2.718280076980591" and f"{andon.tensor([1, 2])}" == "tensor([1, 2])"
    with pytest.raises(DTypeError, match="only a single number"):
        f"{andon.zeros(2):.3f}"


def test_math_functions_take_single_elements():
    assert math.sqrt(andon.tensor(4.0)) == 2 and math.floor(andon.tensor([1.5]).item()) == 1
    assert max(andon.tensor(1), andon.tensor(3)).item() == 3
    assert sum([andon.tensor(1), andon.tensor(2)]).item() == 3


# Collections


def test_len_iter_and_contains():
    x = andon.tensor([[1, 2], [3, 4]])
    assert len(x) == 2 and [row.tolist() for row in x] == [[1, 2], [3, 4]]
    a, b = x
    assert (a.tolist(), b.tolist()) == ([1, 2], [3, 4]) and len(andon.zeros(0, 3)) == 0
    assert 3 in x and 5 not in x and andon.tensor(4) in x
    for wrong in (len, iter):
        with pytest.raises(TypeError):
            wrong(andon.tensor(1))
    with pytest.raises(DTypeError, match="contains: expects a number"):
        "a" in x  # noqa: B015


def test_iterating_gives_views_with_gradients():
    x = andon.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    (sum(row * i for i, row in enumerate(x))).sum().backward()
    assert x.grad.tolist() == [[0, 0], [1, 1]]


def test_tensors_are_keys_by_identity():
    x, y = andon.zeros(2), andon.zeros(2)
    ages = {x: 1, y: 2}
    assert ages[x] == 1 and ages[y] == 2 and len({x, y, x}) == 2
    assert (x == y).tolist() == [True, True] and (x != None) is True  # noqa: E711


# NumPy and DLPack


def test_numpy_shares_memory_both_ways():
    x = andon.zeros(2, 3)
    array = x.numpy()
    array[0, 0] = 7
    assert x[0, 0].item() == 7 and np.shares_memory(np.asarray(x), array)
    x.add_(1)
    assert array[0, 0] == 8
    assert np.array(x, copy=True) is not array and np.asarray(x, np.float64).dtype == np.float64
    assert np.stack([x, x]).shape == (2, 2, 3)


def test_numpy_functions_give_tensors():
    """As PyTorch: np.sqrt(tensor) is a tensor."""
    x = andon.tensor([1.0, 4.0])
    assert isinstance(np.sqrt(x), andon.Tensor) and np.sqrt(x).tolist() == [1, 2]
    assert isinstance(np.add(x, 1), andon.Tensor)
    assert np.concatenate([x, x]).tolist() == [1, 4, 1, 4]
    with pytest.raises(GradientError, match=r"detach\(\)"):
        np.sqrt(x.requires_grad_())


def test_arrays_and_tensors_mix_in_operators():
    array = np.array([1.0, 2.0])
    x = andon.tensor([3.0, 4.0], dtype=andon.float64, requires_grad=True)
    for y in (array * x, x * array):
        assert isinstance(y, andon.Tensor) and y.tolist() == [3, 8] and y.requires_grad
    assert (array - x).tolist() == [-2, -2] and (array / x).requires_grad
    assert (np.float64(2) * x).tolist() == [6, 8] and (np.float32(2) - x).tolist() == [-1, -2]
    assert (np.eye(2) @ x).tolist() == [3, 4]
    assert (np.float64(2) * andon.ones(1)).dtype is andon.float32


def test_arrays_of_another_byte_order_or_dtype_are_refused():
    for dtype in (">f4", "U3", "complex64", "datetime64[s]"):
        with pytest.raises(DTypeError, match="dtype: not one of"):
            andon.from_numpy(np.zeros(2, dtype))


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "bfloat16"])
def test_dlpack_carries_tensors_without_a_copy(dtype):
    x = andon.zeros(2, 3, dtype=getattr(andon, dtype))
    theirs = torch.from_dlpack(x)
    theirs[0, 1] = 1
    assert x[0, 1].item() == 1 and theirs.data_ptr() == x.data_ptr()
    back = andon.from_dlpack(theirs)
    back[1, 2] = 1
    assert x[1, 2].item() == 1 and back.data_ptr() == x.data_ptr()
    assert np.shares_memory(np.from_dlpack(x), x.numpy())


def test_dlpack_carries_strides():
    x = andon.arange(6).reshape(2, 3).t()
    assert torch.from_dlpack(x).tolist() == x.tolist()
    theirs = torch.arange(6).reshape(2, 3)[:, ::2]
    ours = andon.from_dlpack(theirs)
    assert ours.tolist() == theirs.tolist() and ours.stride() == theirs.stride()
    assert andon.from_dlpack(theirs.expand(3, 2, 2)).tolist() == [theirs.tolist()] * 3


def test_dlpack_refuses_what_it_cannot_carry():
    with pytest.raises(GradientError, match=r"dlpack: .*detach\(\)"):
        torch.from_dlpack(andon.zeros(1, requires_grad=True))
    with pytest.raises(DTypeError, match="dlpack: "):
        torch.from_dlpack(andon.zeros(1, dtype=andon.bfloat16))
    with pytest.raises(DTypeError, match="from_dlpack: "):
        andon.from_dlpack([1, 2])
    with pytest.raises(DTypeError, match="from_dlpack: "):
        andon.from_dlpack(torch.zeros(1, dtype=torch.bfloat16))


def test_expanded_and_read_only_tensors_are_carried_for_reading():
    expanded = andon.ones(1).expand(3)
    assert torch.from_dlpack(expanded).tolist() == [1, 1, 1]
    array = np.zeros(2)
    array.flags.writeable = False
    x = andon.from_dlpack(andon.from_numpy(array))
    assert x.tolist() == [0, 0]
    with pytest.raises(ShapeError, match="read-only"):
        x.add_(1)


def test_bfloat16_arrays_are_those_of_ml_dtypes():
    x = andon.tensor([1.5, 2.5], dtype=andon.bfloat16)
    assert x.numpy().dtype == ml_dtypes.bfloat16
    assert andon.from_numpy(x.numpy()).dtype is andon.bfloat16


# Copies and pickles


def test_deepcopy_is_a_leaf_of_its_own():
    x = andon.tensor([1.0, 2.0], requires_grad=True)
    (x * 3).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad and y.is_leaf and y.grad.tolist() == [3, 3]
    y.grad.zero_()
    with andon.no_grad():
        y.zero_()
    assert x.tolist() == [1, 2] and x.grad.tolist() == [3, 3]
    twice = copy.deepcopy([x, x])
    assert twice[0] is twice[1] is not x
    with pytest.raises(GradientError, match="deepcopy: only leaves"):
        copy.deepcopy(x * 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pickles_bring_tensors_back(dtype):
    x = andon.tensor([[1, 0, 1]], dtype=getattr(andon, dtype)).t()
    y = pickle.loads(pickle.dumps(x))
    assert y.dtype is x.dtype and y.tolist() == x.tolist()


def test_pickles_keep_the_class_and_the_gradient_flag():
    x = andon.nn.Parameter(andon.ones(2))
    stream = io.BytesIO()
    pickle.dump({"w": x}, stream)
    y = pickle.loads(stream.getvalue())["w"]
    assert type(y) is andon.nn.Parameter and y.requires_grad and y.is_leaf
    with pytest.raises(GradientError, match="pickle: only leaves"):
        pickle.dumps(x * 2)
    assert pickle.loads(pickle.dumps(andon.float16)) is andon.float16


def test_a_shallow_copy_shares_memory():
    x = andon.zeros(2)
    copy.copy(x).add_(1)
    assert x.tolist() == [1, 1]
