"""Atomic file writing: a reader sees the old file or the new one, whole, and never a part.

`with replacing(path) as file:` gives a temporary file in the same directory, which is flushed
to disk and renamed over `path` when the block ends well. Whatever goes wrong before that (a
full disk, an exception, Ctrl-C) leaves the old file as it was and no temporary file behind.
Everything in andon that writes goes through here. Rests on `os.replace`, which is atomic.
`cache_folder()` is where andon keeps what it can make or fetch again.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .errors import ArgumentError

PathLike = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(path: PathLike, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Yield a file that takes the place of `path` if the block succeeds.

    Raises: OSError that names `path`, also where the system's own does not (a full disk).
    `mode` is "wb" or "w"; `options` go to `open` (encoding, newline). The file's `name` is the
    temporary path, for libraries that want a path to write to. A new file gets the permissions
    of the umask, a replaced one keeps those it had; a symbolic link stays and its target is
    replaced; a pipe or a device is written to directly, since a rename would destroy it.
    """
    if mode not in ("wb", "w"):
        raise ArgumentError(f"replacing: a new file is opened as 'wb' or 'w': {mode!r}")
    target = os.path.realpath(path)
    permissions = _permissions(target)
    if permissions is None and os.path.exists(target):
        with open(target, mode, **options) as file:
            yield file
        return
    temporary = os.path.join(os.path.dirname(target), f".{os.urandom(8).hex()}.tmp")
    try:
        # "x" makes the file anew, so a link planted under this name cannot be followed.
        with open(temporary, mode.replace("w", "x"), **options) as file:
            if permissions is not None:
                os.chmod(temporary, permissions)
            yield file
            _flush_to_disk(file)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            error.filename = os.fspath(path)
        raise
    _sync_directory(os.path.dirname(target))


def write_atomically(path: PathLike, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write(file)` on a binary file that then takes the place of `path`: all or nothing."""
    with replacing(path) as file:
        write(file)


def cache_folder() -> Path:
    """`ANDON_CACHE`, else `andon` in the user's cache: `XDG_CACHE_HOME`, else `~/.cache`."""
    if own := os.environ.get("ANDON_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "andon"


def _permissions(target: str) -> int | None:
    """The permission bits of the regular file at `target`, or None where there is none."""
    try:
        found = os.stat(target)
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else None


def _flush_to_disk(file: IO[Any]) -> None:
    """Wait until the bytes are on the disk: a rename must not overtake what it names."""
    if not file.closed:
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: str) -> None:
    """Make the rename itself durable, where the system lets a directory be opened."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some network file systems refuse; the data is safe
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
