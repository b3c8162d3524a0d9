"""`python -m andon` is the command `andon`."""

from .cli import main

main()
