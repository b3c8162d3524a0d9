"""`torch.utils.tensorboard`: event files, which TensorBoard shows. Needs no other package.

An event file is records of [length, its checksum, an Event, its checksum]; an Event is protobuf's
list of (field number, wire type, value).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Any

import numpy as np

from andon.core.errors import MissingNameError

VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5  # protobuf's wire types
EVENT_TIME, EVENT_STEP, EVENT_VERSION, EVENT_SUMMARY = 1, 2, 3, 5
TAG, SIMPLE_VALUE, HISTOGRAM, TENSOR, METADATA = 1, 2, 5, 8, 9  # of a Summary's Value
DT_STRING = 7


def crc_table() -> list[int]:
    """CRC-32C, of each byte."""
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


TABLE = crc_table()


def masked_crc(data: bytes) -> bytes:
    """The CRC-32C rotated and shifted, as records have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def varint(n: int) -> bytes:
    """Seven bits a byte, the lowest first; a negative number as its two's complement."""
    n &= 0xFFFFFFFFFFFFFFFF
    found = bytearray()
    while n > 127:
        found.append(n & 127 | 128)
        n >>= 7
    return bytes([*found, n])


def field(number: int, value: Any, wire: int = BYTES) -> bytes:
    """One field of a message."""
    key = varint(number << 3 | wire)
    if wire == VARINT:
        return key + varint(value)
    if wire in (DOUBLE, FLOAT):
        return key + struct.pack("<d" if wire == DOUBLE else "<f", value)
    data = value.encode() if isinstance(value, str) else value
    return key + varint(len(data)) + data


def histogram(values: Any, bins: Any) -> bytes:
    """A HistogramProto: min, max, count, sum, sum of squares, upper edges, counts."""
    x = np.asarray(values, dtype=np.float64).ravel()
    counts, edges = np.histogram(x, bins="auto" if isinstance(bins, str) else bins)
    totals = (x.min(), x.max(), x.size, x.sum(), x @ x)
    message = b"".join(field(i, v, DOUBLE) for i, v in enumerate(totals, 1))
    message += field(6, edges[1:].astype("<f8").tobytes())
    return message + field(7, counts.astype("<f8").tobytes())


class SummaryWriter:
    """Scalars, texts and histograms, written to an event file in `log_dir`."""

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ):
        now, host = time.time(), socket.gethostname()
        moment = time.strftime("%b%d_%H-%M-%S")
        self.log_dir = str(log_dir or os.path.join("runs", f"{moment}_{host}{comment}"))
        os.makedirs(self.log_dir, exist_ok=True)
        name = f"events.out.tfevents.{int(now)}.{host}.{os.getpid()}{filename_suffix}"
        self.file = open(os.path.join(self.log_dir, name), "ab")  # noqa: SIM115
        self.write(field(EVENT_VERSION, "brain.Event:2"), now)

    def write(self, event: bytes, walltime: float | None, step: int | None = None) -> None:
        """Append one record."""
        data = field(EVENT_TIME, time.time() if walltime is None else walltime, DOUBLE)
        data += event if step is None else field(EVENT_STEP, int(step), VARINT) + event
        length = struct.pack("<Q", len(data))
        self.file.write(length + masked_crc(length) + data + masked_crc(data))

    def add(self, tag: str, content: bytes, step: int | None, walltime: float | None) -> None:
        """Append an event of one value."""
        self.write(field(EVENT_SUMMARY, field(1, field(TAG, tag) + content)), walltime, step)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        value = float(scalar_value)
        self.add(tag, field(SIMPLE_VALUE, value, FLOAT), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: dict, global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """A scalar per entry, under "main_tag/key"."""
        for tag, value in tag_scalar_dict.items():
            self.add_scalar(f"{main_tag}/{tag}", value, global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        metadata = field(METADATA, field(1, field(1, "text")))
        shape = field(2, field(2, field(1, 1, VARINT)))
        tensor = field(1, DT_STRING, VARINT) + shape + field(8, text_string)
        content = metadata + field(TENSOR, tensor)
        self.add(f"{tag}/text_summary", content, global_step, walltime)

    def add_histogram(
        self, tag: str, values: Any, global_step: int | None = None, bins: Any = "auto",
        walltime: float | None = None, max_bins: int | None = None,
    ) -> None:  # fmt: skip
        array = values.detach().numpy() if hasattr(values, "detach") else values
        self.add(tag, field(HISTOGRAM, histogram(array, bins)), global_step, walltime)

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()

    def get_logdir(self) -> str:
        return self.log_dir

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        raise MissingNameError(
            f"SummaryWriter.{name}: andon has no such attribute; it writes scalars, texts and "
            "histograms"
        )
