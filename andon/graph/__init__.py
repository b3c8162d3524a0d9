"""The graph: Values between inputs and outputs; recorded, printed, parsed, rewritten, run.

ir        Symbol and Graph; `check`, and `run`, the reference executor
record    ops applied to symbols make symbols
trace     arrays that record what is done to them, in-place changes and views included
text      a graph as text, and back
rewrite   rules and passes, and what runs a list of them
"""

from .ir import Graph, Symbol
from .text import parse

__all__ = ["Graph", "Symbol", "parse"]
