"""`torch.utils.cpp_extension`: andon loads no kernels in C++ or CUDA."""

from __future__ import annotations

from .absent import absent_names

NAMES = "load load_inline BuildExtension CppExtension CUDAExtension"
WHY = "andon loads no extensions in C++ or CUDA"
globals().update(absent_names("torch.utils.cpp_extension", NAMES, WHY))

CUDA_HOME = None
