"""Zip archives whose members are stored, not compressed: what PyTorch keeps its checkpoints in.

`StoredZip(file).member(name)` is the flat array of a member's bytes, read or mapped when asked;
`write(file, members)` writes such an archive with each member aligned, so that it can be mapped.
A reader never holds more bytes than the file has: compressed, encrypted and overlapping members
are refused. Rests on `zipfile` for the directory and for writing.
"""

from __future__ import annotations

import io
import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import IO

import numpy as np

from andon.core.errors import FileFormatError

SIGNATURE = b"PK\x03\x04"
HEADER = struct.Struct("<26x2H")  # of a member's local header: the sizes of its name and extra
DAMAGE = (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, EOFError)

ALIGNMENT = 64  # bytes, a cache line, and the width of the widest vectors
ZIP64_EXTRA = 20
PADDING_ID = 0x4246  # "FB", the extra field in which PyTorch keeps its padding


class StoredZip:
    """The members of an archive by name; `mapped` ones share the file's pages, copy-on-write."""

    def __init__(self, file: IO[bytes], mapped: bool = False) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        self.infos = self._directory()
        self.map = self._mapped() if mapped else None

    def _directory(self) -> dict[str, zipfile.ZipInfo]:
        self.file.seek(0)
        if self.file.read(4) != SIGNATURE:
            raise FileFormatError("not a zip archive")
        try:
            with zipfile.ZipFile(self.file) as archive:
                infos = archive.infolist()
        except DAMAGE as error:
            raise FileFormatError(f"a truncated or damaged zip archive ({error})") from None
        for info in infos:
            compressed = info.compress_type != zipfile.ZIP_STORED
            if compressed or info.compress_size != info.file_size or info.flag_bits & 1:
                raise FileFormatError(f"a compressed or encrypted member: {info.filename[:40]!r}")
        if sum(info.file_size for info in infos) > self.size:
            raise FileFormatError("the members claim more bytes than the file has")
        return {info.filename: info for info in infos}

    def _mapped(self) -> mmap.mmap:
        try:
            return mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_COPY)
        except io.UnsupportedOperation:
            raise FileFormatError("mmap=True needs a file on disk") from None

    def member(self, name: str) -> np.ndarray:
        """The bytes of a member. Those read are compared with its checksum, those mapped are not.

        Raises: FileFormatError if the member is absent, damaged or truncated.
        """
        if name not in self.infos:
            raise FileFormatError(f"no such member in the archive: {name[:40]!r}")
        info = self.infos[name]
        offset = self._offset(info)
        if self.map is not None and info.file_size:
            return np.frombuffer(self.map, np.uint8, info.file_size, offset)
        data = self._read(offset, info.file_size)
        # PyTorch can be told to leave the checksums out, and then writes zeros.
        if info.CRC not in (0, zlib.crc32(data.data)):
            raise FileFormatError(f"a member that does not match its checksum: {name[:40]!r}")
        return data

    def _offset(self, info: zipfile.ZipInfo) -> int:
        """Where the member's bytes begin: behind its local header."""
        header = self._read(info.header_offset, HEADER.size).tobytes()
        offset = info.header_offset + HEADER.size + sum(HEADER.unpack(header))
        if not header.startswith(SIGNATURE) or offset + info.file_size > self.size:
            raise FileFormatError(f"a member with a damaged header: {info.filename[:40]!r}")
        return offset

    def _read(self, offset: int, size: int) -> np.ndarray:
        if not 0 <= offset <= self.size - size:
            raise FileFormatError("truncated")
        data = np.empty(size, np.uint8)
        self.file.seek(offset)
        rest = data.data
        while rest.nbytes:  # an unbuffered file may return less than it is asked for
            count = self.file.readinto(rest)  # type: ignore[attr-defined]
            if not count:
                raise FileFormatError("truncated")
            rest = rest[count:]
        return data


def write(file: IO[bytes], members: Iterable[tuple[str, bytes | memoryview]]) -> None:
    """Write (name, bytes) pairs as stored members. Equal members make equal files."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            start = file.tell() + HEADER.size + len(name.encode()) + 4 + ZIP64_EXTRA
            padding = -start % ALIGNMENT
            info.extra = struct.pack("<2H", PADDING_ID, padding) + bytes(padding)
            with archive.open(info, "w", force_zip64=True) as member:
                member.write(content)
