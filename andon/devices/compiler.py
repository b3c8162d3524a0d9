"""From C text to a loaded library: which compiler, with which flags, and what was built before.

`load(source)` gives a `ctypes.CDLL`, whose calls release the GIL; `build(source)` gives the path of
the shared object. The compiler comes with the wheel `ziglang` (clang); where `available()` is
False, there is none. What was built once is found again by the hash of the text, the flags, the
compiler and the CPU (`object_cache.py`), without starting the compiler.

Environment:
    CC                 another compiler, with its arguments; else ziglang, else cc, gcc or clang
    ANDON_CC_TIMEOUT   the seconds that one compilation may take; 120 unless set
    ANDON_CACHE        the folder of what andon keeps; else `andon` in the user's cache
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import ArgumentError, CompileError, DeviceError
from . import object_cache
from .headers import expanded

if TYPE_CHECKING:
    import subprocess

FLAGS = ("-O3", "-shared", "-fPIC", "-std=gnu11")
WISHES = (  # left out where a compiler refuses them
    "-march=native",
    *(("-mprefer-vector-width=512",) if platform.machine() in ("x86_64", "AMD64") else ()),
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-g0",
    "-fno-sanitize=all",
)
LIBRARIES = ("-lm", "-lpthread")
LINK_FLAGS = ("-shared", "-z", "defs", "-z", "now")  # no name is left open until it is called
RUNTIME = re.compile(r"/(libc|libm|libpthread|ld-linux[-\w]*|ld)(-[\d.]+)?\.so[.\d]*$")
REFUSALS = r"unknown|unrecognized|unsupported|not support|bad value|invalid"
MOST_OF_A_MESSAGE = 20_000  # characters


def available() -> bool:
    """Whether there is a C compiler."""
    return compiler() is not None


def load(source: str, *, name: str = "graph", flags: Sequence[str] = ()) -> ctypes.CDLL:
    """The library that C text compiles to.

    Raises: DeviceError without a compiler; CompileError if it fails, hangs, or leaves a name open.
    """
    return library(build(source, name=name, flags=flags))


def library(path: Path) -> ctypes.CDLL:
    """A shared object, loaded."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        path.unlink(missing_ok=True)  # the next call builds it anew
        raise CompileError(f"load: the library cannot be loaded: {error}") from error


def build(source: str, *, name: str = "graph", flags: Sequence[str] = ()) -> Path:
    """The shared object that C text compiles to; `flags` come after those of every build.

    The text may include headers of `andon/kernels/cpu` by their names.
    """
    source, command = expanded(source), needed_compiler()
    key = key_of(source, command, flags)
    if path := object_cache.find(key):
        return path
    name, seconds = re.sub(r"\W+", "_", name)[:64] or "graph", timeout()
    with object_cache.building(key, seconds):
        if path := object_cache.find(key):  # another process has built it meanwhile
            return path
        try:
            content = compiled(command, source, name, flags, seconds)
            return object_cache.store(key, name, content)
        except (CompileError, OSError) as error:  # of the system's: a disk that is full
            told = f"build: {name}{kernel_of(str(error), source)}: {error}"
            with contextlib.suppress(OSError):
                told += f"\n{object_cache.store_text(key, f'{name}.c', source)}"
            raise CompileError(told) from error.__cause__


def key(source: str, *, flags: Sequence[str] = ()) -> str:
    """What the shared object of C text is stored under."""
    return key_of(expanded(source), needed_compiler(), flags)


def timeout() -> float:
    """ANDON_CC_TIMEOUT in seconds."""
    given = os.environ.get("ANDON_CC_TIMEOUT", "120")
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1
    if not seconds > 0:
        raise ArgumentError(f"build: ANDON_CC_TIMEOUT is not a number of seconds: {given!r}")
    return seconds


# ---- which compiler


def compiler() -> tuple[str, ...] | None:
    """The command that compiles C: the user's, the wheel's, the system's, or None."""
    if given := words_of_user():
        found = shutil.which(given[0])
        return (found, *given[1:]) if found else None
    if zig := zig_of_wheel():
        return (zig, "cc")
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    return (found,) if found else None


def words_of_user() -> list[str]:
    """CC, as a shell reads it."""
    given = os.environ.get("CC", "")
    try:
        return shlex.split(given)
    except ValueError as error:
        raise ArgumentError(f"build: CC is not a command: {error}: {given}") from None


def needed_compiler() -> tuple[str, ...]:
    """The command that compiles C. Raises: DeviceError if there is none."""
    command = compiler()
    if command is None:
        wanted = os.environ.get("CC")
        missing = f"CC names none: {wanted}" if wanted else "`pip install ziglang` brings one"
        raise DeviceError(f"build: no C compiler: {missing}")
    return command


def zig_of_wheel() -> str | None:
    """The program that `python -m ziglang` starts."""
    wheel = importlib.util.find_spec("ziglang")
    return (
        shutil.which("zig", path=os.path.dirname(wheel.origin)) if wheel and wheel.origin else None
    )


def key_of(source: str, command: Sequence[str], flags: Sequence[str]) -> str:
    """The hash of all that the object depends on."""
    parts = [source, *command, *FLAGS, *WISHES, *flags, *LIBRARIES, *map(identity, command), cpu()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def identity(word: str) -> str:
    """What changes when the program `word` does: asking its version would take far longer."""
    try:
        found = os.stat(shutil.which(word) or word)
    except (OSError, ValueError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


@functools.cache
def cpu() -> str:
    """The machine and its instruction sets, as the first processor describes them."""
    described = os.environ.get("PROCESSOR_IDENTIFIER", "")  # Windows
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = file.read(8192).split("\n\n")[0].splitlines()
        changing = ("processor", "cpu MHz", "bogomips", "core id", "apicid", "initial apicid")
        described = "\n".join(line for line in lines if not line.startswith(changing))
    except OSError:
        pass
    return f"{sys.platform} {platform.machine()} {platform.version()} {described}"


# ---- one compilation


def compiled(
    command: Sequence[str], source: str, name: str, flags: Sequence[str], seconds: float
) -> bytes:
    """The bytes of the shared object. Raises: CompileError with what the compiler said."""
    import tempfile

    wishes = [wish for wish in WISHES if not names_target(wish, command)]
    with tempfile.TemporaryDirectory(prefix="andon-cc-") as scratch:
        text, out = Path(scratch, f"{name}.c"), Path(scratch, f"{name}.so")
        text.write_text(source, encoding="utf-8")
        while True:
            options = [*FLAGS, *wishes, *flags, str(text)]
            status, message = shared_object(command, options, out, seconds)
            refused = [wish for wish in wishes if status and is_refused(wish, message)]
            if not refused:
                break
            wishes = [wish for wish in wishes if wish not in refused]
        if status == 0 and out.exists():
            return out.read_bytes()
    raise CompileError(message or f"exit status {status} and no object: {shlex.join(command)}")


def names_target(wish: str, command: Sequence[str]) -> bool:
    """Whether it wishes for this machine's instructions, and the user's CC for others."""
    chosen = any(word.startswith(("-march", "-mcpu", "-target")) for word in command)
    return chosen and wish.startswith("-march")


def shared_object(
    command: Sequence[str], options: Sequence[str], out: Path, seconds: float
) -> tuple[int, str]:
    """Compile and link to `out`: the exit status, and what the compiler said.

    Before zig links for the first time it makes a C library of its own, which takes seconds. Linked
    with the libraries that this process has loaded, it need not.
    """
    scratch, libraries = str(out.parent), loaded_libraries()
    if command == (zig_of_wheel(), "cc") and libraries:
        part = str(out.with_suffix(".o"))
        status, message = run([*command, *options, "-c", "-o", part], scratch, seconds)
        if status:
            return status, message
        link = [command[0], "ld.lld", *LINK_FLAGS, part, *libraries, "-o", str(out)]
        if run(link, scratch, seconds)[0] == 0:
            return 0, message
    return run([*command, *options, "-o", str(out), *LIBRARIES], scratch, seconds)


@functools.cache
def loaded_libraries() -> list[str]:
    """The C library and its parts, as this process has them; none where that is not told."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            words = [line.split(maxsplit=5) for line in file]
    except OSError:
        return []
    files = sorted({word[5].strip() for word in words if len(word) > 5})
    return [file for file in files if RUNTIME.search(file)]


def is_refused(flag: str, message: str) -> bool:
    """Whether a compiler complains of this flag."""
    lines = (line for line in message.splitlines() if flag.split("=")[0] in line)
    return any(re.search(REFUSALS, line) for line in lines)


def run(command: Sequence[str], scratch: str, seconds: float) -> tuple[int, str]:
    """Run a compiler in `scratch`: its exit status and its messages. One that hangs is killed."""
    import subprocess

    said = Path(scratch, "messages")  # not a pipe, which a process left over could hold open
    zig = os.environ.get("ZIG_GLOBAL_CACHE_DIR") or str(object_cache.writable_folder() / "zig")
    caches = {"ZIG_GLOBAL_CACHE_DIR": zig, "ZIG_LOCAL_CACHE_DIR": os.path.join(scratch, "zig")}
    try:
        with said.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=scratch,
                env={**os.environ, "LC_ALL": "C", **caches},
                start_new_session=True,
            )
        with killing(process):
            status = process.wait(seconds)
    except OSError as error:
        raise CompileError(f"the compiler does not start: {error}") from error
    except subprocess.TimeoutExpired:
        told = f"{seconds:g} s (ANDON_CC_TIMEOUT): {shlex.join(command)}"
        raise CompileError(f"the compiler has not finished after {told}") from None
    return status, said.read_text(encoding="utf-8", errors="replace")[:MOST_OF_A_MESSAGE].strip()


class Caller:
    """Whoever waits for compilers, and what they run for it; once it is gone, they are killed."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen] = []
        self.gone = False

    def leave(self) -> None:
        self.gone = True
        for process in list(self.processes):
            kill(process)


class Current(threading.local):
    def __init__(self) -> None:
        self.caller = Caller()


current = Current()


@contextlib.contextmanager
def several(count: int) -> Iterator[Executor]:
    """Threads for compilers. If the block fails, also by Ctrl-C, nobody waits for them."""
    caller = Caller()
    begin = partial(setattr, current, "caller", caller)
    threads = ThreadPoolExecutor(count, initializer=begin)
    try:
        yield threads
    except BaseException:
        caller.leave()
        raise
    finally:
        threads.shutdown(wait=not caller.gone, cancel_futures=True)


def kill(process: subprocess.Popen) -> None:
    """End a compiler and its children, if it still runs."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()


@contextlib.contextmanager
def killing(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave no process of the compiler behind when the block fails, also by Ctrl-C."""
    caller = current.caller
    caller.processes.append(process)
    try:
        if caller.gone:
            kill(process)
        yield
    except BaseException:
        kill(process)
        process.wait()
        raise
    finally:
        caller.processes.remove(process)


def kernel_of(message: str, source: str) -> str:
    """` in NAME` for the function that holds the first line a message points at, or nothing."""
    place = re.search(r"\.c:(\d+):", message)
    lines = source.splitlines()[: int(place[1])] if place else []
    for line in reversed(lines):
        plain = re.sub(r"__attribute__\(\(.*?\)\)\s*", "", line)
        if start := re.match(r"\w[\w\s*]*[\s*](\w+)\(", plain):
            return f" in {start[1]}"
    return ""
