"""The command line: `andon train`, `andon generate`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, with errors of andon's own as one line instead of a traceback."""
    from rich.console import Console

    from ..core.errors import AndonError
    from .app import app

    try:
        app()
    except AndonError as error:
        Console(stderr=True).print(f"[bold red]error[/] {error}", highlight=False)
        sys.exit(1)
