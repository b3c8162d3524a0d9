"""The command line: `andon train`, `andon generate`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; what can be expected to go wrong is one line, not a traceback."""
    from rich.console import Console
    from rich.text import Text

    from ..core.errors import AndonError
    from .app import app

    try:
        app()
    except (AndonError, OSError, MemoryError) as error:
        line = Text.assemble(("error", "bold red"), f" {error}")
        Console(stderr=True).print(line, soft_wrap=True)
        sys.exit(1)
