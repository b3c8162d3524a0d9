"""The cache of compiled code: shared objects by key, in a folder that only its owner can write.

An object lies in `ANDON_CACHE/objects/KEY/NAME-CODE.so`, where CODE authenticates key and content
under a secret of the user: a file that was damaged or planted is deleted and never loaded. Notes
on objects, such as how their functions are called, are kept in the same way as `.json`. Objects
appear whole or not at all. Where the folder cannot be written, or someone else could write it, a
temporary folder of this process takes its place, with one warning.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hmac
import os
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.files import cache_folder, write_atomically

try:
    import fcntl
except ImportError:  # Windows: processes that build the same object at once do the work twice
    fcntl = None  # type: ignore[assignment]

SECRET_BYTES = 32
POLL_SECONDS = 0.02
WARNED: list[str] = []  # what keeps this process from using the user's cache, once said


class ObjectCache:
    """Objects in one folder. Raises: OSError where the folder cannot be used."""

    def __init__(self, folder: Path):
        self.folder = private_folder(folder)
        self.secret = secret_of(folder)

    def code(self, key: str, content: bytes) -> str:
        """What nobody without the secret can compute for this content under this key."""
        return hmac.digest(self.secret, key.encode() + content, "sha256").hex()[:32]

    def find(self, key: str, suffix: str) -> Path | None:
        """The file under `key`; one that is not what was stored there is deleted."""
        try:
            found = [path for path in (self.folder / key).iterdir() if path.suffix == suffix]
            for path in found:
                if path.stem.endswith(f"-{self.code(key, path.read_bytes())}"):
                    return path
                path.unlink(missing_ok=True)
        except OSError:
            pass
        return None

    def store(self, key: str, name: str, content: bytes, suffix: str) -> Path:
        """Write a file, whole or not at all, and give its path."""
        return self.write(key, f"{name}-{self.code(key, content)}{suffix}", content)

    def write(self, key: str, file: str, content: bytes) -> Path:
        path = self.folder / key / file
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(path, lambda out: out.write(content))
        return path

    @contextlib.contextmanager
    def building(self, key: str, seconds: float) -> Iterator[None]:
        """Hold the lock of `key`, so that two processes do not do the same work.

        The system frees the lock of a process that dies. The wait for one that hangs is bounded:
        after `seconds` the work is done twice, which does no harm.
        """
        descriptor = None
        with contextlib.suppress(OSError):  # no lock can be had here
            (self.folder / key).mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.folder / key / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            wait_for_lock(descriptor, seconds)
            yield
        finally:
            if descriptor is not None:
                unlock(descriptor)


def wait_for_lock(descriptor: int | None, seconds: float) -> None:
    if descriptor is None or fcntl is None:
        return
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(POLL_SECONDS)
        except OSError:  # a file system without locks
            return


def unlock(descriptor: int) -> None:
    """Free the lock, also where a forked child still holds the descriptor."""
    with contextlib.suppress(OSError):
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def private_folder(folder: Path) -> Path:
    """`folder`, made if need be, provided that it is ours and nobody else can write it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"not a folder: {folder}")
    if os.name == "posix" and found.st_uid != os.geteuid():
        raise PermissionError(f"the folder belongs to another user: {folder}")
    if os.name == "posix" and found.st_mode & 0o022:
        raise PermissionError(f"others can write the folder: {folder}")
    return folder


def secret_of(folder: Path) -> bytes:
    """The random bytes that authenticate this folder's objects; made when first needed."""
    path = folder / "secret"
    with contextlib.suppress(FileNotFoundError):
        secret = path.read_bytes()
        if len(secret) == SECRET_BYTES:
            return secret
        path.unlink(missing_ok=True)
    fresh = folder / f".{os.urandom(8).hex()}.secret"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(os.urandom(SECRET_BYTES))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # unlike a rename, this leaves the secret of a quicker process
    except OSError:  # a file system without links
        os.replace(fresh, path)
    fresh.unlink(missing_ok=True)
    return path.read_bytes()


# ---- the user's cache, and what stands in for it


def find(key: str, suffix: str = ".so") -> Path | None:
    """The object that was stored under `key`, or None."""
    return next((path for cache in caches() if (path := cache.find(key, suffix))), None)


def store(key: str, name: str, content: bytes, suffix: str = ".so") -> Path:
    """Keep an object; for this process only where the user's cache cannot be written."""
    return keep(lambda cache: cache.store(key, name, content, suffix))


def key_of(path: Path) -> str:
    """What a file of a cache is stored under."""
    return path.parent.name


def store_text(key: str, file: str, text: str) -> Path:
    """Keep a text beside the objects of `key`, for a person to read."""
    return keep(lambda cache: cache.write(key, file, text.encode()))


def keep(write: Callable[[ObjectCache], Path]) -> Path:
    try:
        return write(caches()[0])
    except OSError as error:
        warn_once(str(error))
        return write(temporary_cache())


def building(key: str, seconds: float) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of `key` for at most `seconds`, see `ObjectCache.building`."""
    return caches()[0].building(key, seconds)


def writable_folder() -> Path:
    """Where a compiler may keep what it makes for itself."""
    folder = caches()[0].folder
    return folder if os.access(folder, os.W_OK) else temporary_cache().folder


def caches() -> list[ObjectCache]:
    """The user's cache, if it can be used; the temporary one, if there is one or it is needed."""
    try:
        own = [ObjectCache(cache_folder() / "objects")]
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        warn_once(str(error))
        own = []
    needed = not own or temporary_cache.cache_info().currsize
    return [*own, temporary_cache()] if needed else own


@functools.cache
def temporary_cache() -> ObjectCache:
    """A cache for this process alone, deleted at its end."""
    folder = Path(tempfile.mkdtemp(prefix="andon-"))
    atexit.register(remove_if_owner, folder, os.getpid())
    return ObjectCache(folder)


def remove_if_owner(folder: Path, owner: int) -> None:
    """Delete the folder at the end of the process that made it, and not of a forked child."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def warn_once(why: str) -> None:
    """Say what keeps the cache from being used, the first time in this process."""
    if WARNED:
        return
    WARNED.append(why)
    warnings.warn(
        f"compiled code is not kept for the next run: {why}; ANDON_CACHE names another folder",
        stacklevel=2,
    )
