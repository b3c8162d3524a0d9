"""C text of graphs: kernels that are loops, kernels of ops, and the file that calls them.

scalar            an op at one point, as C
vector            the same for as many elements as a register holds
nest              the axes of a fused loop, what it loads and stores, its sweeps
load_store        elements in memory, one or a register full
accumulator       what reductions add up in
function          a kernel as text
identifiers       what values are called in C
loops             a fused loop as a function of a range of its rows
split_reduction   reductions of everything, split among threads
product           products of matrices, with what follows in their registers
transposition     copies that are transposes
library           ops whose kernels are written by hand: how each is called
convolution       convolution, pooling, batch norm
placement         values in zeros
draws             random draws
along_a_dim       argmax, running sums, borders, triangles
indexed           reading, writing and adding at places that data says
sorting           orders of rows
translation_unit  the whole file, and the schedule per op
chunked_step      the batch-parallel schedule
timed             what a profile says of the kernels whose calls are timed
halves            a large file as two, for two compilers
"""

# These fill the table of ops with kernels.
from . import along_a_dim, convolution, draws, indexed, library, placement, sorting
