"""`python -m andon.cli` is the command `andon`."""

from . import main

main()
