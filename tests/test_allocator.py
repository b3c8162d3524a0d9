"""The allocator keeps freed memory, unless whoever started the process chose otherwise."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from andon.devices.allocator import CHOSEN, KEPT, keep_freed_memory


@pytest.fixture
def told(monkeypatch):
    """What the C library was told."""
    found = []
    library = SimpleNamespace(mallopt=lambda *setting: found.append(setting))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    for name in CHOSEN:
        monkeypatch.delenv(name, raising=False)
    return found


def test_it_is_told_to_keep_what_is_freed(told):
    keep_freed_memory.__wrapped__()
    assert told == [(-3, KEPT), (-1, KEPT)]


@pytest.mark.parametrize("name", CHOSEN)
def test_what_the_environment_says_stands(told, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    keep_freed_memory.__wrapped__()
    assert not told
