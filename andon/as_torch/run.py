"""Running a program as Python would: its `__main__`, `sys.argv`, `sys.path` and tracebacks."""

from __future__ import annotations

import io
import os
import runpy
import sys
import traceback
from multiprocessing import spawn
from types import TracebackType
from typing import Any

from ..core.errors import AndonError
from . import install

USAGE = "usage: python -m andon.as_torch SCRIPT [ARGS…]   or   -m MODULE [ARGS…]"
PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
FRAMES_ABOVE = {__file__, os.path.join(os.path.dirname(__file__), "__main__.py")}


def run(args: list[str]) -> None:
    """Run the program that the command line names, with its own arguments."""
    if not args or args[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if args else sys.stderr)
        sys.exit(0 if args else 2)
    as_module = args[0] == "-m"
    program = args[1:] if as_module else args
    if not program:
        sys.exit(USAGE)
    if not as_module and not os.path.isfile(program[0]):
        sys.exit(f"as_torch: no such script: {program[0]}")
    install()
    install_in_children()
    sys.argv[:] = program
    sys.excepthook = show_traceback
    main = sys.modules["__main__"].__dict__
    if as_module:
        main.clear()
        main.update({"__name__": "__main__", "__builtins__": __builtins__})
        runpy._run_module_as_main(program[0])  # type: ignore[attr-defined]
    else:
        run_script(program[0], main)


class Installation:
    """Pickled, it is a call of `install`, which is made where it is unpickled."""

    def __reduce__(self) -> tuple:
        return install, ()


def install_in_children() -> None:
    """Let processes that are spawned, and run the program's file again, import andon as well."""
    prepare = spawn.get_preparation_data

    def prepared(name: str) -> dict[str, Any]:
        return {"as_torch": Installation(), **prepare(name)}  # unpickled before all else

    spawn.get_preparation_data = prepared


def run_script(path: str, main: dict[str, Any]) -> None:
    """Run the file in the namespace `main`, which becomes that of a fresh `__main__`."""
    found = os.path.realpath(path)
    if sys.flags.safe_path:
        sys.path.insert(0, os.path.dirname(found))
    else:
        sys.path[0] = os.path.dirname(found)  # in the place of the current directory
    path = os.path.abspath(path)
    with io.open_code(path) as file:
        code = compile(file.read(), path, "exec")
    main.clear()
    main.update({"__name__": "__main__", "__file__": path, "__builtins__": __builtins__,
                 "__doc__": None, "__loader__": None, "__spec__": None, "__package__": None,
                 "__cached__": None, "__annotations__": {}})  # fmt: skip
    exec(code, main)


def show_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback without the frames of this runner.

    Where andon raised on purpose, it ends at the last line of the program's own code.
    """
    while trace is not None and above_program(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    shown = traceback.TracebackException(kind, error, trace)
    if isinstance(error, AndonError):
        frames = list(shown.stack)
        while len(frames) > 1 and frames[-1].filename.startswith(PACKAGE):
            frames.pop()
        shown.stack = traceback.StackSummary.from_list(frames)
    print("".join(shown.format()), end="", file=sys.stderr)


def above_program(filename: str) -> bool:
    return filename in FRAMES_ABOVE or filename == "<frozen runpy>" or filename == runpy.__file__
