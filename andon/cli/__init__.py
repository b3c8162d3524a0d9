"""The command line: `andon train`, `andon generate`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; what can be expected to go wrong is one line, not a traceback."""
    try:
        from ..core.errors import AndonError
        from .app import app

        app()
    except KeyboardInterrupt:  # before the command itself listens for it
        sys.exit(130)
    except (AndonError, OSError, MemoryError) as error:
        report(error)
        sys.exit(1)


def report(error: Exception) -> None:
    """Print what went wrong as one line, whatever the message looks like."""
    from rich.console import Console
    from rich.text import Text

    if isinstance(error, OSError) and error.strerror:
        message = f"files: {error.strerror}: {error.filename}"
    elif isinstance(error, MemoryError):
        message = f"memory: not enough for this run: {error}"
    else:
        message = str(error)
    line = Text.assemble(("error", "bold red"), f" {' '.join(message.split())}")
    Console(stderr=True).print(line, soft_wrap=True)
