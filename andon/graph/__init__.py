"""The graph: Values between inputs and outputs; recorded, printed, parsed, rewritten, run.

ir        Symbol and Graph; `check`, and `run`, the reference executor
record    ops applied to symbols make symbols
trace     arrays that record what is done to them, in-place changes and views included
text      a graph as text, and back
rewrite   rules and passes, and what runs a list of them
gradient  the gradient rules, over symbols
simplify  SIMPLIFY, the passes for every graph: fold, algebra, movement, numbering (equal values
          become one) and recognise (what is written by hand becomes a fused op)

What follows depends on the machine:

lower     fused ops that loops compute as well are taken apart
affine    where the element at an index of a view lies; views, for each view op
buffers   which values have memory of their own, and which lie in that of another
kernel    what is computed in one pass over memory; fuse, which values are
memory    the memory plan
batch     the samples of a training step, proved independent, and the graph split
"""

from .ir import Graph, Symbol
from .text import parse

__all__ = ["Graph", "Symbol", "parse"]
