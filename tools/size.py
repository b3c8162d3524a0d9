"""Lines of code and tokens per line, by layer: `make size`.

A line of code is one with a token that is neither a comment nor a docstring.
"""

from __future__ import annotations

import io
import tokenize
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent / "andon"
TINYGRAD = ("tinygrad", 24_275, 18.6)  # counted in the same way
SKIPPED = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip


def measure(path: Path) -> tuple[int, int]:
    """(lines of code, tokens) of one file."""
    tokens = list(tokenize.generate_tokens(io.StringIO(path.read_text()).readline))
    lines: set[int] = set()
    count = 0
    for i, token in enumerate(tokens):
        if token.type in SKIPPED or is_docstring(tokens, i):
            continue
        count += 1
        lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines), count


def is_docstring(tokens: list[tokenize.TokenInfo], i: int) -> bool:
    """Whether token i is a string that stands alone as a statement."""
    starts = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.NL}
    return (
        tokens[i].type == tokenize.STRING
        and tokens[i - 1].type in starts
        and tokens[i + 1].type == tokenize.NEWLINE
    )


def main() -> None:
    sizes: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for path in sorted(ROOT.rglob("*.py")):
        lines, tokens = measure(path)
        row = sizes[path.relative_to(ROOT).parts[0].removesuffix(".py")]
        for i, n in enumerate((1, lines, tokens)):
            row[i] += n
    table = Table("layer", "files", "lines", "tokens per line")
    for layer, (files, lines, tokens) in sizes.items():
        table.add_row(layer, str(files), str(lines), f"{tokens / max(lines, 1):.1f}")
    files, lines, tokens = (sum(column) for column in zip(*sizes.values(), strict=True))
    table.add_section()
    table.add_row("andon", str(files), str(lines), f"{tokens / lines:.1f}")
    table.add_row(TINYGRAD[0], "", str(TINYGRAD[1]), str(TINYGRAD[2]))
    Console().print(table)


if __name__ == "__main__":
    main()
