"""The pool of threads that the kernels of all compiled graphs share."""

from __future__ import annotations

import ctypes
import functools

from . import compiler
from .headers import expanded


def attach(library: ctypes.CDLL) -> None:
    """Hand the pool to a library whose text includes `threads.h`."""
    library.use_thread_pool.argtypes = [ctypes.c_void_p]
    library.use_thread_pool.restype = None
    library.use_thread_pool(pool_address())


class Functions(ctypes.Structure):
    """`thread_pool` of threads.h."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in ("parallel_for", "team", "barrier", "threads", "set_threads")
    ]


def count() -> int:
    """How many threads take part in a kernel."""
    functions = Functions.from_address(pool_address())
    return ctypes.CFUNCTYPE(ctypes.c_int)(functions.threads)()


@functools.cache
def pool_address() -> int:
    """Where the functions of the pool are; its library is loaded when first needed."""
    function = pool().thread_pool_of_process
    function.restype = ctypes.c_void_p
    return function()


@functools.cache
def pool() -> ctypes.CDLL:
    return compiler.load(expanded('#include "thread_pool.h"\n'), name="thread_pool")
