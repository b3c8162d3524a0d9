"""C text of graphs: kernels that are loops, kernels of ops, and the program that calls them.

scalar     an op at one point, as C
vector     the same for as many floats as a register holds
loops      a fused loop as a function of a range of its rows
library    ops whose kernels are written by hand: how each is called
program    the whole file
"""

from . import draws, library  # fill the table of ops with kernels
