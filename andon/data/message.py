"""Messages between processes: any picklable value through a socket, large arrays without a detour.

A message is the number of its frames, the size of each, and the frames: first a pickle, then the
memory of the large arrays in it, which pickle protocol 5 leaves out. Those bytes are sent from
where they lie and received where they stay.
"""

from __future__ import annotations

import pickle
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from socket import socket

LARGE = 1 << 14  # bytes; below, a frame of its own costs more than a copy


def pack(value: Any) -> list[memoryview]:
    """The frames of a message. Raises: what pickling raises."""
    large: list[memoryview] = []

    def goes_into_the_pickle(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE:
            return True
        large.append(raw)
        return False

    pickled = pickle.dumps(value, protocol=5, buffer_callback=goes_into_the_pickle)
    return [memoryview(pickled), *large]


def send(socket: socket, frames: list[memoryview]) -> None:
    """Write a message. Raises: OSError if the other end is closed."""
    sizes = [frame.nbytes for frame in frames]
    socket.sendall(struct.pack(f"<{1 + len(sizes)}Q", len(sizes), *sizes))
    for frame in frames:
        socket.sendall(frame)


def receive(socket: socket) -> Any:
    """Read a message. Raises: EOFError or OSError if the other end is closed."""
    (count,) = struct.unpack("<Q", read(socket, 8))
    sizes = struct.unpack(f"<{count}Q", read(socket, 8 * count))
    pickled, *large = [read(socket, size) for size in sizes]
    return pickle.loads(pickled, buffers=large)


def read(socket: socket, size: int) -> memoryview:
    """Exactly `size` bytes."""
    memory = np.empty(size, np.uint8).data
    done = 0
    while done < size:
        count = socket.recv_into(memory[done:])
        if count == 0:
            raise EOFError(f"receive: the other end is closed, {size - done} bytes missing")
        done += count
    return memory
