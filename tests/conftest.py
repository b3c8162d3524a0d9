"""Tests interrupt processes, also where whoever started them has Ctrl-C ignored (a shell's `&`)."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
