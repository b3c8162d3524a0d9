"""The graph: Values between inputs and outputs; recorded, printed, parsed, rewritten, run.

ir        Symbol and Graph; `check`, and `run`, the reference executor
record    ops applied to symbols make symbols
trace     arrays that record what is done to them, in-place changes and views included
text      a graph as text, and back
rewrite   rules and passes, and what runs a list of them
gradient  the gradient rules, over symbols
simplify  SIMPLIFY, the passes for every graph: fold, algebra, movement, numbering (equal values
          become one) and recognise (what is written by hand becomes a fused op)
"""

from .ir import Graph, Symbol
from .text import parse

__all__ = ["Graph", "Symbol", "parse"]
