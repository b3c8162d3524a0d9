"""PyTorch checkpoints (`.pt`, `.pth`, since 1.6): plain containers of NumPy arrays, and back.

`load(path)` reads what `torch.save` wrote, and `save(obj, path)` writes what `torch.load` reads.
A checkpoint is a zip archive: `data.pkl` is a pickle in which each tensor is a window (offset,
size, stride) on a storage, and `data/0`, `data/1`, ... are the bytes of the storages, so arrays
that share memory go on sharing it. Nothing in the file is trusted: the pickle is run by the
restricted unpickler, and each size is checked against the bytes that are really there.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

import ml_dtypes
import numpy as np

from andon.core.errors import DTypeError, FileFormatError
from andon.core.files import replacing
from andon.importers import pickler, stored_zip
from andon.importers.storages import Storage, place, strided
from andon.importers.unpickler import Constructor, unpickle

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
# torch's dtype: its storage class (none for those that came after typed storages), NumPy's dtype
DTYPES: dict[str, tuple[str | None, np.dtype[Any]]] = {
    "float64": ("DoubleStorage", np.dtype(np.float64)),
    "float32": ("FloatStorage", np.dtype(np.float32)),
    "float16": ("HalfStorage", np.dtype(np.float16)),
    "bfloat16": ("BFloat16Storage", BFLOAT16),
    "int64": ("LongStorage", np.dtype(np.int64)),
    "int32": ("IntStorage", np.dtype(np.int32)),
    "int16": ("ShortStorage", np.dtype(np.int16)),
    "int8": ("CharStorage", np.dtype(np.int8)),
    "uint8": ("ByteStorage", np.dtype(np.uint8)),
    "bool": ("BoolStorage", np.dtype(np.bool_)),
    "uint16": (None, np.dtype(np.uint16)),
    "uint32": (None, np.dtype(np.uint32)),
    "uint64": (None, np.dtype(np.uint64)),
}
TORCH_NAMES = {dtype: name for name, (_, dtype) in DTYPES.items()}
BYTES = np.dtype(np.uint8)
NUMPY_CODES = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
LONGEST = 2**63  # sizes, offsets and strides are 64-bit signed, in bytes too
MOST_DIMS = 64  # of a NumPy array


def load(
    source: str | os.PathLike[str] | IO[bytes],
    *,
    mmap: bool = False,
    tensor: Callable[[np.ndarray], Any] | None = None,
) -> Any:
    """What `torch.save` put into the file, with an array for each tensor and each parameter.

    mmap: map the storages from the file, copy-on-write, in place of reading them; the bytes of
    a storage are then not compared with their checksum. tensor: called on each array; what it
    returns takes the array's place. Sizes come as tuples, devices as strings, dtypes as NumPy's.

    Raises: FileFormatError for a damaged or legacy file, for one that asks for more than
    tensors and plain containers, and for a dtype that andon does not have.
    """
    with _opened(source) as file:
        try:
            _refuse_legacy(file)
            archive = stored_zip.StoredZip(file, mapped=mmap)
            return _Reader(archive, tensor or (lambda array: array)).read()
        except FileFormatError as error:
            name = source if file is not source else getattr(source, "name", "an open file")
            raise FileFormatError(f"torch checkpoint: {error}: {name}") from None


def save(
    obj: Any,
    target: str | os.PathLike[str] | IO[bytes],
    *,
    array_of: Callable[[Any], np.ndarray | None] | None = None,
) -> None:
    """Write `obj` so that `torch.load(target, weights_only=True)` and `load` can read it.

    obj: dicts, lists, tuples, sets, scalars, dtypes, and arrays or objects with `__array__`.
    array_of: says which array an object stands for, or None; it is asked before `__array__`.
    Arrays that share memory share it in the file. A file at `target` is replaced as a whole.

    Raises: StateError for an object of another kind, DTypeError for an array's dtype.
    """
    pieces = pickler.pickled(obj, lambda value: _leaf(value, array_of))
    arrays = [piece for piece in pieces if isinstance(piece, np.ndarray)]
    keys: dict[int, str] = {}
    storages: dict[str, Storage] = {}
    tensors = []
    for array, storage in zip(arrays, place(arrays), strict=True):
        key = keys.setdefault(id(storage), str(len(keys)))
        storages[key] = storage
        tensors.append(_tensor(array, storage, key))
    rest = iter(tensors)
    program = b"".join(piece if isinstance(piece, bytes) else next(rest) for piece in pieces)
    members = _members(program, storages)
    if isinstance(target, str | os.PathLike):
        with replacing(target) as file:
            stored_zip.write(file, members)
    else:
        stored_zip.write(target, members)


def _members(program: bytes, storages: dict[str, Storage]) -> Iterator[tuple[str, Any]]:
    yield "archive/data.pkl", program
    yield "archive/byteorder", sys.byteorder.encode()
    for key, storage in storages.items():
        yield f"archive/data/{key}", storage.memory()
    yield "archive/version", b"3\n"


def _leaf(value: Any, array_of: Callable[[Any], np.ndarray | None] | None) -> Any:
    """What the pickler is to put for `value`: opcodes, an array, or None for a container."""
    array: Any = array_of(value) if array_of else None
    if array is None:
        if isinstance(value, np.generic) and value.dtype in TORCH_NAMES:
            return pickler.literal(value.item())
        if isinstance(value, np.dtype):
            return pickler.named("torch", _torch_name(value))
        if isinstance(value, type) or not hasattr(value, "__array__"):
            return None
        array = value
    array = np.asarray(array)
    _torch_name(array.dtype)
    return strided(array)


def _torch_name(dtype: np.dtype[Any]) -> str:
    """torch's name of a NumPy dtype, whatever its byte order."""
    native = dtype.newbyteorder("=")
    if native not in TORCH_NAMES:
        raise DTypeError(f"save: a checkpoint cannot hold this dtype: {dtype}")
    return TORCH_NAMES[native]


def _tensor(array: np.ndarray, storage: Storage, key: str) -> bytes:
    """The opcodes that rebuild `array` as a window on its storage."""
    name = TORCH_NAMES[array.dtype]
    kind = DTYPES[name][0]
    untyped = pickler.named("torch.storage", "UntypedStorage")
    persistent_id = pickler.tuple_of(
        pickler.string("storage"),
        pickler.named("torch", kind) if kind else untyped,
        pickler.string(key),
        pickler.string("cpu"),
        pickler.integer(storage.size if kind else storage.size * array.itemsize),
    )
    window = (
        persistent_id + pickle.BINPERSID,
        pickler.integer(storage.offset(array)),
        pickler.tuple_of(*map(pickler.integer, array.shape)),
        pickler.tuple_of(*(pickler.integer(step // array.itemsize) for step in array.strides)),
        pickle.NEWFALSE,  # requires_grad
        pickler.called("collections", "OrderedDict"),  # hooks
    )
    if kind:
        return pickler.called("torch._utils", "_rebuild_tensor_v2", *window)
    return pickler.called(
        "torch._utils", "_rebuild_tensor_v3", *window, pickler.named("torch", name)
    )


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            yield file
    elif isinstance(source, io.TextIOBase):
        raise FileFormatError("torch checkpoint: the file is opened as text, not as bytes")
    else:
        yield source


def _refuse_legacy(file: IO[bytes]) -> None:
    file.seek(0)
    start = file.read(512)
    if start.startswith(LEGACY_MAGIC) or start[257:262] == b"ustar":
        raise FileFormatError(
            "the format from before PyTorch 1.6; convert it with PyTorch, by "
            "torch.save(torch.load(path, weights_only=True), new_path)"
        )


def _prefix(archive: stored_zip.StoredZip) -> str:
    """The folder that all members are in: of any name, with a `data.pkl`."""
    folders = [name[:-8] for name in archive.infos if name.endswith("/data.pkl")]
    if len(folders) != 1 or "/" in folders[0][:-1]:
        raise FileFormatError("no data.pkl in the archive")
    if f"{folders[0]}constants.pkl" in archive.infos:
        raise FileFormatError("a TorchScript program; save its state_dict() with torch.save")
    return folders[0]


class _Reader:
    """What the names in a checkpoint's pickle stand for, and its storages by key."""

    def __init__(self, archive: stored_zip.StoredZip, tensor: Callable[[np.ndarray], Any]) -> None:
        self.archive = archive
        self.tensor = tensor
        self.prefix = _prefix(archive)
        self.foreign = self.byte_order() != sys.byteorder
        self.storages: dict[tuple[str, np.dtype[Any]], np.ndarray] = {}
        self.keys: dict[int, str] = {}  # of each storage, by its id

    def read(self) -> Any:
        program = self.archive.member(f"{self.prefix}data.pkl").tobytes()
        return unpickle(program, self.names(), self.storage)

    def byte_order(self) -> str:
        name = f"{self.prefix}byteorder"
        if name not in self.archive.infos:
            return "little"  # before PyTorch 2.1
        order = self.archive.member(name).tobytes()
        if order not in (b"little", b"big"):
            raise FileFormatError(f"the byte order is neither little nor big: {order[:20]!r}")
        return order.decode()

    def names(self) -> dict[str, object]:
        """Everything a checkpoint may name, apart from plain containers."""
        names: dict[str, object] = {
            "torch.storage.UntypedStorage": BYTES,
            "torch.Tensor": "torch.Tensor",
        }
        for name, (storage, dtype) in DTYPES.items():
            names[f"torch.{name}"] = dtype
            if storage:
                names[f"torch.{storage}"] = dtype
        for name, build in self.constructors().items():
            names[name] = Constructor(name, build)
        return names

    def constructors(self) -> dict[str, Callable[..., Any]]:
        return {
            "torch._utils._rebuild_tensor": self.rebuild,
            "torch._utils._rebuild_tensor_v2": self.rebuild_v2,
            "torch._utils._rebuild_tensor_v3": self.rebuild_v3,
            "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
            "torch._utils._rebuild_parameter": _rebuild_parameter,
            "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
            "torch.nn.parameter.Parameter": _rebuild_parameter,
            "torch.nn.parameter.Buffer": _rebuild_parameter,
            "torch.Size": _size,
            "torch.device": _device,
            "numpy.dtype": _numpy_dtype,
            "numpy.core.multiarray.scalar": _numpy_scalar,
            "numpy._core.multiarray.scalar": _numpy_scalar,
        }

    def storage(self, persistent_id: Any) -> np.ndarray:
        """The flat array of ("storage", class, key, device, number of elements)."""
        match persistent_id:
            case (str(kind), np.dtype() as dtype, str(key), _, int(count)) if kind == "storage":
                data = self.storages.get((key, BYTES))
            case _:
                raise FileFormatError("a persistent id that is not a storage's")
        if data is None:
            data = self.archive.member(f"{self.prefix}data/{key}")
            self.remember(key, data)
        if data.nbytes != count * dtype.itemsize:
            raise FileFormatError(f"storage {key[:40]!r} is not of the size claimed")
        return self.numbers(key, dtype)

    def numbers(self, key: str, dtype: np.dtype[Any]) -> np.ndarray:
        """A storage as numbers: its own bytes, unless they must be changed to compute on them.

        Such a copy is kept for all tensors, or a small file could ask for many large ones.
        """
        if (key, dtype) not in self.storages:
            data = self.storages[key, BYTES]
            if data.nbytes % dtype.itemsize:
                raise FileFormatError(f"storage {key[:40]!r} is no whole number of {dtype}")
            if dtype == np.bool_:
                self.remember(key, data != 0)  # other bytes than 0 and 1 would give wrong sums
            elif self.foreign:
                self.remember(key, data.view(dtype).byteswap())
            else:
                self.remember(key, np.require(data.view(dtype), requirements=["A"]))
        return self.storages[key, dtype]

    def remember(self, key: str, storage: np.ndarray) -> None:
        self.storages[key, storage.dtype] = storage
        self.keys[id(storage)] = key

    def rebuild(self, storage: Any, offset: Any, size: Any, stride: Any) -> Any:
        if id(storage) not in self.keys:
            raise FileFormatError("a tensor without a storage")
        return self.tensor(_window(storage, offset, size, stride))

    def rebuild_v2(
        self, storage: Any, offset: Any, size: Any, stride: Any,
        requires_grad: Any, hooks: Any, metadata: Any = None,
    ) -> Any:  # fmt: skip
        if metadata is not None:
            raise FileFormatError("refuses a tensor with a conjugate or negative bit")
        return self.rebuild(storage, offset, size, stride)

    def rebuild_v3(
        self, storage: Any, offset: Any, size: Any, stride: Any,
        requires_grad: Any, hooks: Any, dtype: Any, metadata: Any = None,
    ) -> Any:  # fmt: skip
        if id(storage) not in self.keys or not isinstance(dtype, np.dtype):
            raise FileFormatError("a tensor without a storage or without a dtype")
        numbers = self.numbers(self.keys[id(storage)], dtype)
        return self.rebuild_v2(numbers, offset, size, stride, requires_grad, hooks, metadata)


def _window(storage: np.ndarray, offset: Any, size: Any, stride: Any) -> np.ndarray:
    """The strided view of a flat storage, refused where it would leave the storage."""
    if not type(size) is type(stride) is tuple:
        raise FileFormatError("a tensor without a size or a stride")
    if len(size) != len(stride) or len(size) > MOST_DIMS:
        raise FileFormatError(f"a tensor of {len(size)} sizes and {len(stride)} strides")
    if not all(type(n) is int and 0 <= n < LONGEST for n in (offset, *size, *stride)):
        raise FileFormatError("an offset, size or stride that is negative or no 64-bit integer")
    width = storage.dtype.itemsize
    if max(math.prod(n or 1 for n in size), *stride, 0) * width >= LONGEST:
        raise FileFormatError(f"a tensor of impossible size or stride: {size} and {stride}")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 in size:
        return np.empty(size, storage.dtype)
    if last >= storage.size:
        raise FileFormatError(
            f"a tensor reaches element {last} of a storage of {storage.size}: "
            f"offset {offset}, size {size}, stride {stride}"
        )
    strides = tuple(step * width for step in stride)
    return np.ndarray(size, storage.dtype, storage, offset * width, strides)


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor with Python attributes, which are dropped."""
    plain = isinstance(function, Constructor) and function.build is not _rebuild_from_type
    if not plain or type(arguments) is not tuple:
        raise FileFormatError("a tensor subclass without its constructor")
    return function.call(arguments)


def _rebuild_parameter(
    data: Any, requires_grad: Any = True, hooks: Any = None, state: Any = None
) -> Any:
    return data


def _size(sizes: Any = ()) -> tuple[int, ...]:
    return tuple(_checked("torch.Size", sizes, tuple | list))


def _device(kind: Any, index: Any = None) -> str:
    kind = _checked("torch.device", kind, str)
    if index is None:
        return kind
    if not 0 <= _checked("torch.device", index, int) < 2**16:
        raise FileFormatError("torch.device is called with an impossible index")
    return f"{kind}:{index}"


def _numpy_dtype(code: Any, align: Any = False, copy: Any = True) -> np.dtype[Any]:
    if _checked("numpy.dtype", code, str) not in NUMPY_CODES:
        raise FileFormatError(f"refuses to construct a numpy.dtype of {code[:20]!r}")
    return np.dtype(code)


def _numpy_scalar(dtype: Any, data: Any) -> np.generic:
    _checked("numpy scalar", dtype, np.dtype)
    if len(_checked("numpy scalar", data, bytes)) != dtype.itemsize:
        raise FileFormatError(f"a numpy scalar of {dtype} in {len(data)} bytes")
    return np.frombuffer(data, dtype)[0]


def _checked(name: str, value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise FileFormatError(f"{name} is called with a {type(value).__name__}")
    return value
