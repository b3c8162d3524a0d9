"""Memory: what the tensors on one buffer share, so that a stale saved value is noticed."""


class Memory:
    """When an in-place method last changed the buffer, and how often one did."""

    time = 0  # counts all in-place changes of the process
    changed = version = 0  # of this buffer; class attributes, since most buffers never change
    lent = False  # whether NumPy or others have it too, who change it without a word

    def touch(self) -> None:
        """Note a change. Whatever was saved from this buffer before now is stale."""
        Memory.time += 1
        self.changed = Memory.time
        self.version += 1
