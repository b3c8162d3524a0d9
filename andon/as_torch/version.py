"""`torch.version`: the PyTorch whose names andon has, built without a GPU."""

__version__ = "2.13.0+andon"  # what libraries compare with, to choose among PyTorch's APIs
cuda = hip = xpu = git_version = None
debug = False
