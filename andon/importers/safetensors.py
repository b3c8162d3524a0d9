"""Safetensors files (`.safetensors`): named arrays, with nothing in them that could run.

`load(path)` and `save(arrays, path)` read and write one file, `load_sharded(directory)` the
several that Hugging Face splits a large model into. Rests on the official `safetensors`, which
checks the header of what is read; layouts, dtypes and writing are done here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike
from safetensors import SafetensorError, safe_open

from andon.core.errors import DTypeError, FileFormatError, StateError
from andon.core.files import replacing

PathLike = str | os.PathLike[str]

DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


def load(path: PathLike) -> dict[str, np.ndarray]:
    """The arrays of a file by name.

    Raises: FileFormatError for a damaged file and for a dtype that andon does not have.
    """
    with _opened(path) as file:
        return {name: _array(file, name) for name in file.keys()}  # noqa: SIM118


def metadata(path: PathLike) -> dict[str, str]:
    """The strings that a file carries beside its arrays."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


def save(
    arrays: Mapping[str, ArrayLike], path: PathLike, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the arrays, each in C order; a file at `path` is replaced as a whole.

    metadata: strings to carry along. transformers wants {"format": "pt"}.

    Raises: DTypeError for a dtype that the format or andon lacks, StateError for a bad name.
    """
    strings = dict(metadata or {})
    if not all(isinstance(word, str) for pair in strings.items() for word in pair):
        raise StateError(f"safetensors: metadata that does not map strings to strings: {strings}")
    packed = {name: _packed(name, array) for name, array in arrays.items()}
    ordered = sorted(packed.items(), key=lambda item: (-item[1].itemsize, item[0]))
    with replacing(path) as file:
        file.write(_header(ordered, strings))
        for _, array in ordered:
            file.write(array.reshape(-1).view(np.uint8))


def load_sharded(directory: PathLike) -> dict[str, np.ndarray]:
    """The arrays of a model in the layout of Hugging Face: one file, or an index and its shards.

    Raises: FileFormatError for an index that names another folder, a missing shard or a tensor
    that its shard does not have.
    """
    folder = Path(directory)
    if not (folder / INDEX).exists():
        return load(folder / SINGLE)
    shards: dict[str, list[str]] = {}
    for name, shard in _weight_map(folder / INDEX).items():
        shards.setdefault(shard, []).append(name)
    arrays = {}
    for shard, names in shards.items():
        with _opened(folder / shard) as file:
            present = set(file.keys())
            for name in names:
                if name not in present:
                    raise FileFormatError(f"no tensor {name!r}, which the index expects here")
                arrays[name] = _array(file, name)
    return arrays


def _weight_map(index: Path) -> dict[str, str]:
    """Which file in the folder holds which tensor."""
    try:
        content = json.loads(index.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"safetensors: the index is no JSON ({error}): {index}") from None
    weights = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        raise FileFormatError(f"safetensors: the index has no weight_map: {index}")
    for shard in weights.values():
        if not isinstance(shard, str) or not re.fullmatch(r"[\w-][\w.-]*", shard):
            raise FileFormatError(f"safetensors: a shard by an unsafe name: {shard!r}: {index}")
        if not (index.parent / shard).is_file():
            raise FileFormatError(f"safetensors: a missing shard: {index.parent / shard}")
    return weights


@contextmanager
def _opened(path: PathLike) -> Iterator[Any]:
    """The library's handle on a file; whatever is wrong inside is reported with the file's name."""
    try:
        with safe_open(os.fspath(path), framework="np") as file:
            yield file
    except (SafetensorError, ValueError, OverflowError) as error:
        raise FileFormatError(f"safetensors: {error}: {path}") from None


def _array(file: Any, name: str) -> np.ndarray:
    kind = file.get_slice(name).get_dtype()
    if kind not in DTYPES:
        raise FileFormatError(f"tensor {name!r} is of {kind}, a dtype that andon does not have")
    array = file.get_tensor(name)
    # A bool of another byte than 0 and 1 gives wrong sums.
    return array.view(np.uint8) != 0 if kind == "BOOL" else array


def _header(arrays: list[tuple[str, np.ndarray]], strings: dict[str, str]) -> bytes:
    """The length in eight bytes, then JSON that says where each array lies, filled up to eight.

    The widest dtypes come first, so every array begins at a multiple of its own width. The
    library's writer is not used: it puts a file of its own in the place of the one that it is
    given, readable by the owner alone, and what is then flushed to disk is another file.
    """
    entries: dict[str, Any] = {"__metadata__": strings} if strings else {}
    end = 0
    for name, array in arrays:
        begin, end = end, end + array.nbytes
        place = {"shape": array.shape, "data_offsets": (begin, end)}
        entries[name] = {"dtype": NAMES[array.dtype], **place}
    try:
        text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise StateError(f"safetensors: a name that is not Unicode: {error.object!r:.99}") from None
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _packed(name: object, value: ArrayLike) -> np.ndarray:
    """The array as the file has it: in C order, in the machine's byte order, which is little."""
    if not isinstance(name, str) or name == "__metadata__":
        raise StateError(f"safetensors: not a name for a tensor: {name!r}")
    array = np.asarray(value)
    if array.dtype.newbyteorder("=") not in DTYPES.values():
        raise DTypeError(
            f"safetensors: {name!r} is of a dtype that files cannot hold: {array.dtype}"
        )
    return np.array(array, array.dtype.newbyteorder("="), copy=None, order="C")
