"""From C text to a library: real compilers, false ones, and a cache that others tamper with."""

import contextlib
import ctypes
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from andon.core.errors import AndonError, ArgumentError, CompileError, DeviceError
from andon.devices import compiler, object_cache
from andon.devices.headers import expanded

SOURCE = "int answer(void) { return %d; }\n"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the false compilers are scripts")


@pytest.fixture(scope="session")
def zig_cache(tmp_path_factory):
    """What zig makes for itself once, kept apart from the caches under test."""
    return os.environ.get("ZIG_GLOBAL_CACHE_DIR") or str(object_cache.writable_folder() / "zig")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, zig_cache):
    """An empty cache of its own for each test, and no temporary one left by another."""
    monkeypatch.setenv("ANDON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", zig_cache)
    monkeypatch.delenv("CC", raising=False)
    object_cache.temporary_cache.cache_clear()
    object_cache.WARNED.clear()
    yield tmp_path / "cache" / "objects"
    object_cache.temporary_cache.cache_clear()


@pytest.fixture
def false_compiler(tmp_path, monkeypatch):
    """Makes a shell script the compiler; `$out` in it is the object that it should write."""

    def make(body: str) -> Path:
        script = tmp_path / "false_cc"
        find_out = 'for w in "$@"; do [ "$last" = -o ] && out="$w"; last="$w"; done\n'
        script.write_text(f"#!/bin/sh\n{find_out}{body}\n")
        script.chmod(0o700)
        monkeypatch.setenv("CC", str(script))
        return tmp_path

    return make


def answer(library: ctypes.CDLL) -> int:
    return library.answer()


def never_compile(*given):
    raise AssertionError("the compiler was started")


# ---- compiling


def test_c_text_becomes_functions():
    library = compiler.load("float half(float x) { return x / 2; }", name="halves")
    library.half.restype, library.half.argtypes = ctypes.c_float, [ctypes.c_float]
    assert library.half(3.0) == 1.5


def test_what_the_loaded_libraries_do_not_have_is_linked_by_the_compiler():
    source = "float half(float x) { return (_Float16)x / 2; }"  # a call of its own run time
    library = compiler.load(source, flags=("-mno-f16c",) if os.uname().machine == "x86_64" else ())
    library.half.restype, library.half.argtypes = ctypes.c_float, [ctypes.c_float]
    assert library.half(3.0) == 1.5


def test_the_compiler_of_the_environment_is_used(false_compiler, monkeypatch):
    folder = false_compiler('echo "$@" > "$(dirname "$0")/given"; exec cc "$@"')
    monkeypatch.setenv("CC", f"{os.environ['CC']} -DANSWER=6")
    assert answer(compiler.load("int answer(void) { return ANSWER; }")) == 6
    assert "-O3" in (folder / "given").read_text()


@pytest.mark.parametrize("message", ["unknown argument: '{}'", "unrecognized option '{}'"])
def test_flags_that_a_compiler_refuses_are_left_out(false_compiler, message):
    refused = ("-march=native", "-fno-sanitize=all")
    cases = "".join(
        f'case "$*" in *{flag}*) echo "error: {message.format(flag)}" >&2; exit 1;; esac\n'
        for flag in refused
    )
    false_compiler(cases + 'exec cc "$@"')
    assert answer(compiler.load(SOURCE % 7)) == 7


def test_an_error_names_the_kernel_and_keeps_the_text(cache):
    source = (
        "static inline __attribute__((always_inline)) float one(float x)\n{\n    return x;\n}\n"
        "__attribute__((noinline)) void add_rows(float *y)\n{\n    y[0] = none;\n}\n"
    )
    with pytest.raises(CompileError, match=r"build: model in add_rows: [\s\S]*none") as caught:
        compiler.build(source, name="model")
    kept = Path(str(caught.value).splitlines()[-1])
    assert kept.read_text() == source and kept.name == "model.c" and cache in kept.parents
    assert isinstance(caught.value, AndonError) and isinstance(caught.value, RuntimeError)


def test_an_odd_name_is_no_path(cache):
    path = compiler.build(SOURCE % 8, name="../../etc/a b\n")
    assert path.parent.parent == cache and path.name.startswith("_etc_a_b_-")


def test_a_compiler_without_a_word_is_reported(false_compiler):
    false_compiler("exit 3")
    with pytest.raises(CompileError, match="exit status 3"):
        compiler.build(SOURCE % 1)


def test_a_compiler_that_makes_nothing_is_reported(false_compiler):
    false_compiler("exit 0")
    with pytest.raises(CompileError, match="no object"):
        compiler.build(SOURCE % 1)


def test_an_object_that_is_none_is_reported(false_compiler):
    false_compiler('echo garbage > "$out"')
    with pytest.raises(CompileError, match="cannot be loaded"):
        compiler.load(SOURCE % 1)
    key = compiler.key_of(SOURCE % 1, compiler.compiler(), ())
    assert object_cache.find(key) is None  # so that it is built anew


def test_a_compiler_that_hangs_is_killed_with_its_children(false_compiler, monkeypatch):
    folder = false_compiler('sleep 600 & echo $! > "$(dirname "$0")/child"; wait')
    monkeypatch.setenv("ANDON_CC_TIMEOUT", "0.4")
    told = r"build: model: .* not finished after 0\.4 s \(ANDON_CC_TIMEOUT\)"
    with pytest.raises(CompileError, match=told) as caught:
        compiler.build(SOURCE % 1, name="model")
    assert Path(str(caught.value).splitlines()[-1]).read_text() == SOURCE % 1
    child = int((folder / "child").read_text())
    for _ in range(200):
        if not is_running(child):
            return
        time.sleep(0.02)
    pytest.fail("the child of the compiler is still there")


def test_ctrl_c_does_not_wait_for_compilers(false_compiler):
    folder = false_compiler('echo $$ >> "$(dirname "$0")/pids"; sleep 600')
    program = (
        "import os, signal, threading, time\n"
        "from andon.devices import compiler\n"
        "def interrupt():\n"
        f"    while not os.path.exists({str(folder / 'pids')!r}): time.sleep(0.01)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=interrupt).start()\n"
        "try:\n"
        "    with compiler.several(2) as threads:\n"
        f"        list(threads.map(compiler.build, {[SOURCE % 1, SOURCE % 2]}))\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert run.stdout == "interrupted\n", run.stderr
    assert not any(is_running(int(pid)) for pid in (folder / "pids").read_text().split())


def test_a_disk_that_is_full_is_a_compile_error(false_compiler, monkeypatch):
    false_compiler('exec cc "$@"')

    def no_space(*given, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", no_space)
    with pytest.raises(CompileError, match=r"build: model: .*No space left"):
        compiler.build(SOURCE % 1, name="model")


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_keeps_the_output_open_does_not_hang_the_build(false_compiler):
    false_compiler('sleep 5 & exec cc "$@"')
    start = time.monotonic()
    assert answer(compiler.load(SOURCE % 9)) == 9
    assert time.monotonic() - start < 4.5


def test_a_time_limit_must_be_a_number(monkeypatch):
    for given in ("soon", "-1", "nan"):
        monkeypatch.setenv("ANDON_CC_TIMEOUT", given)
        with pytest.raises(ArgumentError, match="ANDON_CC_TIMEOUT"):
            compiler.build(SOURCE % 1)


# ---- which compiler


def test_a_command_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("CC", 'cc "-DX')
    with pytest.raises(ArgumentError, match="CC is not a command: No closing quotation"):
        compiler.build(SOURCE % 1)


def test_a_target_that_the_user_chose_is_not_overruled(false_compiler, monkeypatch):
    folder = false_compiler('echo "$@" > "$(dirname "$0")/given"; exec cc "$1" "$@"')
    script = os.environ["CC"]
    for chosen, native in (("-march=x86-64", False), ("-DX", True)):
        monkeypatch.setenv("CC", f"{script} {chosen}")
        with contextlib.suppress(CompileError):  # on another machine
            compiler.build(SOURCE % 1)
        given = (folder / "given").read_text()
        assert chosen in given and ("-march=native" in given) == native


def test_without_a_compiler_nothing_is_available(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiler, "zig_of_wheel", lambda: None)
    assert not compiler.available()
    with pytest.raises(DeviceError, match="pip install ziglang"):
        compiler.build(SOURCE % 1)


def test_a_compiler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("CC", "no-such-cc -O9")
    assert not compiler.available()
    with pytest.raises(DeviceError, match="no-such-cc"):
        compiler.build(SOURCE % 1)


def test_the_wheel_comes_before_the_system(monkeypatch, tmp_path):
    assert compiler.compiler()[1:] == ("cc",) and "ziglang" in compiler.compiler()[0]
    monkeypatch.setattr(compiler, "zig_of_wheel", lambda: None)
    (tmp_path / "gcc").write_text("#!/bin/sh\n")
    (tmp_path / "gcc").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiler.compiler() == (str(tmp_path / "gcc"),)


# ---- the cache


def test_what_was_built_is_found_without_the_compiler(monkeypatch):
    path = compiler.build(SOURCE % 2)
    monkeypatch.setattr(compiler, "run", never_compile)
    assert compiler.build(SOURCE % 2) == path


def test_another_text_flag_or_compiler_is_another_object(monkeypatch, false_compiler):
    false_compiler('exec cc "$@"')
    first = compiler.build(SOURCE % 2)
    others = [compiler.build(SOURCE % 3), compiler.build(SOURCE % 2, flags=["-DX"])]
    false_compiler('true; exec cc "$@"')
    others.append(compiler.build(SOURCE % 2))
    monkeypatch.setattr(compiler, "cpu", lambda: "another")
    others.append(compiler.build(SOURCE % 2))
    assert len({first, *others}) == 5


def test_the_folder_is_private(cache):
    path = compiler.build(SOURCE % 2)
    assert stat.S_IMODE(cache.stat().st_mode) == stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((cache / "secret").stat().st_mode) == 0o600


def planted(path: Path) -> None:
    """An object under the same name, with code that must never run."""
    other = compiler.build("int answer(void) { return 666; }")
    path.write_bytes(other.read_bytes())


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-64])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def turned(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def planted_beside(path: Path) -> None:
    """A valid object of another key, copied here with its code."""
    other = compiler.build("int answer(void) { return 666; }")
    path.unlink()
    (path.parent / other.name).write_bytes(other.read_bytes())


def secret_lost(path: Path) -> None:
    (path.parent.parent / "secret").write_bytes(b"short")


@pytest.mark.parametrize("harm", [planted, cut_short, emptied, turned, planted_beside, secret_lost])
def test_an_object_that_was_tampered_with_is_built_anew(harm, false_compiler):
    false_compiler('exec cc "$@"')
    harm(compiler.build(SOURCE % 5))
    path = compiler.build(SOURCE % 5)
    assert answer(ctypes.CDLL(str(path))) == 5
    assert [p for p in path.parent.iterdir() if p.suffix == ".so"] == [path]


def build_without_a_folder(value: int) -> Path:
    with pytest.warns(UserWarning, match="not kept for the next run"):
        path = compiler.build(SOURCE % value)
    assert answer(ctypes.CDLL(str(path))) == value
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    return path


def test_a_folder_that_others_can_write_is_not_used(cache):
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    assert cache not in build_without_a_folder(11).parents
    assert list(cache.iterdir()) == []


def test_a_link_instead_of_the_folder_is_not_used(cache, tmp_path):
    cache.parent.mkdir()
    cache.symlink_to(tmp_path, target_is_directory=True)
    assert tmp_path not in build_without_a_folder(12).parents


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_folder_of_another_user_is_not_used(cache):
    cache.mkdir(parents=True, mode=0o700)
    os.chown(cache, 12345, 12345)
    assert cache not in build_without_a_folder(13).parents


def test_a_folder_that_cannot_be_made_costs_one_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANDON_CACHE", str(tmp_path / "file" / "cache"))
    path = build_without_a_folder(14)
    assert compiler.build(SOURCE % 14) == path  # found again by this process, without a warning
    assert answer(compiler.load(SOURCE % 15)) == 15


def test_a_full_disk_costs_one_warning(cache, monkeypatch):
    write = object_cache.write_atomically

    def no_space(path, content):
        if cache in Path(path).parents:
            raise OSError(28, "No space left on device", path)
        write(path, content)

    monkeypatch.setattr(object_cache, "write_atomically", no_space)
    path = build_without_a_folder(16)
    assert compiler.build(SOURCE % 16) == path
    assert answer(compiler.load(SOURCE % 17)) == 17


def test_the_temporary_folder_goes_with_its_process(tmp_path):
    (tmp_path / "file").write_text("")
    program = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from andon.devices import compiler\n"
        "print(compiler.build('int answer(void) { return 1; }'))"
    )
    environment = {**os.environ, "ANDON_CACHE": str(tmp_path / "file" / "cache"), "CC": "cc"}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert not Path(run.stdout.strip()).parent.parent.exists()


# ---- processes at the same time


def test_processes_that_build_the_same_text_compile_once(false_compiler, cache):
    folder = false_compiler('echo x >> "$(dirname "$0")/runs"; sleep 0.3; exec cc "$@"')
    program = (
        "from andon.devices import compiler\n"
        "print(compiler.load('int answer(void) { return 3; }').answer())"
    )
    command = [sys.executable, "-c", program]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[0].strip() for process in processes] == ["3"] * 4
    assert (folder / "runs").read_text().count("x") == 1
    assert len(list(cache.rglob("*.so"))) == 1 and not list(cache.rglob("*.tmp"))


def test_the_lock_of_a_dead_process_holds_nobody_up(false_compiler):
    false_compiler('exec cc "$@"')
    key = compiler.key_of(SOURCE % 4, compiler.compiler(), ())
    program = (
        "import os; from andon.devices import object_cache\n"
        f"with object_cache.building({key!r}, 60): print('held', flush=True); os._exit(1)"
    )
    dead = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert dead.stdout == "held\n"
    assert answer(compiler.load(SOURCE % 4)) == 4


def test_the_wait_for_a_lock_is_bounded(monkeypatch, false_compiler):
    false_compiler('exec cc "$@"')
    monkeypatch.setenv("ANDON_CC_TIMEOUT", "1")
    key = compiler.key_of(SOURCE % 4, compiler.compiler(), ())
    with object_cache.building(key, 60):
        assert answer(compiler.load(SOURCE % 4)) == 4


# ---- headers


def test_headers_of_kernels_are_put_in_the_place_of_their_names():
    text = expanded('#include "layer_norm.h"\n#include "layer_norm.h"\n#include <math.h>\n')
    assert (
        text.count("INLINE void layer_norm_forward(") == text.count("#define ANDON_VECTOR_H") == 1
    )
    assert '#include "' not in text and "#include <math.h>" in text
    assert expanded('#include "none.h"\n') == '#include "none.h"\n'


def test_a_kernel_can_be_called_by_its_header():
    source = '#include "cross_entropy.h"\nfloat largest(float *x, long N) { return row_max(x, N); }'
    library = compiler.load(source)
    library.largest.restype = ctypes.c_float
    assert library.largest((ctypes.c_float * 3)(1, 5, 2), ctypes.c_long(3)) == 5
