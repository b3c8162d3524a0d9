"""Benchmarks: andon and a peer on the same work, in turn, in one process.

    python -m benchmarks                 all of them
    python -m benchmarks small_ops       one of them

The two sides alternate, round by round, so that a busy machine slows both; what is printed is
the median of each and the median of the ratios. Times of one machine mean little, ratios more.
"""
