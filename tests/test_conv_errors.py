"""Bad input to convolution, pooling and interpolation: the error, and what it says."""

import numpy as np
import pytest

import andon
import andon.nn.functional as F
from andon.core.errors import DTypeError, IndexingError, ShapeError


def ones(*shape, dtype=None):
    return andon.ones(*shape, dtype=dtype)


IMAGE, WEIGHT = ones(1, 4, 6, 6), ones(8, 4, 3, 3)

SHAPES = {
    "conv2d: an input of 3 or 4 dims": lambda: F.conv2d(ones(6, 6), WEIGHT),
    "conv: the input and the weight have different dims": lambda: F.conv2d(IMAGE, ones(8, 4, 3)),
    "conv: 4 channels in 1 groups do not fit": lambda: F.conv2d(IMAGE, ones(8, 2, 3, 3)),
    "conv: 4 channels in 2 groups do not fit": lambda: F.conv2d(IMAGE, WEIGHT, groups=2),
    "conv: 4 channels in 4 groups do not fit": lambda: F.conv2d(
        IMAGE, ones(6, 1, 3, 3), groups=4
    ),
    "conv: the windows are larger": lambda: F.conv2d(IMAGE, ones(8, 4, 7, 1)),
    "conv: the bias must have 8 elements": lambda: F.conv2d(IMAGE, WEIGHT, ones(4)),
    "conv2d: stride: an int >= 1": lambda: F.conv2d(IMAGE, WEIGHT, stride=0),
    "conv2d: padding: an int >= 0": lambda: F.conv2d(IMAGE, WEIGHT, padding=-1),
    "conv2d: dilation: an int >= 1, or 2 of them": lambda: F.conv2d(
        IMAGE, WEIGHT, dilation=(1, 2, 3)
    ),
    "conv2d: groups must be an int >= 1": lambda: F.conv2d(IMAGE, WEIGHT, groups=0),
    'conv2d: padding="same" needs stride 1': lambda: F.conv2d(
        IMAGE, WEIGHT, padding="same", stride=2
    ),
    "conv_transpose: 4 channels": lambda: F.conv_transpose2d(IMAGE, ones(3, 4, 3, 3)),
    "conv_transpose2d: output_padding must be less": lambda: F.conv_transpose2d(
        IMAGE, ones(4, 1, 3, 3), output_padding=1
    ),
    "conv_transpose1d: the padding leaves nothing": lambda: F.conv_transpose1d(
        ones(1, 1, 1), ones(1, 1, 3), padding=2
    ),
    "max_pool2d: an input of 3 or 4 dims": lambda: F.max_pool2d(ones(6, 6), 2),
    "max_pool: the windows are larger": lambda: F.max_pool2d(IMAGE, 7),
    "max_pool2d: the padding may be half": lambda: F.max_pool2d(IMAGE, 2, padding=2),
    "avg_pool: the windows are larger": lambda: F.avg_pool2d(IMAGE, (7, 1)),
    "avg_pool2d: kernel_size: an int >= 1": lambda: F.avg_pool2d(IMAGE, 0),
    "adaptive_avg_pool2d: output_size: an int": lambda: F.adaptive_avg_pool2d(IMAGE, (1, 2, 3)),
    "adaptive_max_pool: there is nothing": lambda: F.adaptive_max_pool1d(ones(1, 2, 0), 1),
    "max_unpool: an index per element": lambda: F.max_unpool1d(
        ones(1, 1, 2), andon.zeros(1, 1, 3, dtype="int64"), 2
    ),
    "interpolate: bilinear needs an input of other dims": lambda: F.interpolate(
        ones(1, 2, 3), size=2, mode="bilinear"
    ),
    "interpolate: size: an int >= 1": lambda: F.interpolate(IMAGE, scale_factor=0.1),
    "interpolate: a scale_factor > 0": lambda: F.interpolate(IMAGE, scale_factor=-1.0),
    "pixel_shuffle: channels must divide by 3": lambda: F.pixel_shuffle(IMAGE, 3),
    "pixel_unshuffle: the sizes must divide by 4": lambda: F.pixel_unshuffle(IMAGE, 4),
    "channel_shuffle: channels must divide by 3": lambda: F.channel_shuffle(IMAGE, 3),
}  # fmt: skip


@pytest.mark.parametrize("message", SHAPES)
def test_shapes_that_do_not_fit_raise_a_shape_error(message):
    with pytest.raises(ShapeError, match=message):
        SHAPES[message]()


DTYPES = {
    "conv: operands of one dtype": lambda: F.conv2d(IMAGE, ones(8, 4, 3, 3, dtype="float64")),
    "conv2d: stride: an int": lambda: F.conv2d(IMAGE, WEIGHT, stride=1.5),
    "max_unpool: int64 indices": lambda: F.max_unpool1d(ones(1, 1, 2), ones(1, 1, 2), 2),
    "interpolate: linear needs floats": lambda: F.interpolate(
        ones(1, 1, 4, 4, dtype="int64"), size=2, mode="bilinear"
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", DTYPES)
def test_wrong_dtypes_raise_a_dtype_error(message):
    with pytest.raises(DTypeError, match=message):
        DTYPES[message]()


def test_indices_beyond_the_output_of_max_unpool_raise():
    indices = andon.tensor([[[0, 9]]])
    with pytest.raises(IndexingError, match="max_unpool: an index is outside"):
        F.max_unpool1d(ones(1, 1, 2), indices, 2)


@pytest.mark.parametrize(
    "options",
    [{"size": 3, "mode": "sinc"}, {"size": 3, "scale_factor": 2}, {},
     {"size": 3, "antialias": True}, {"size": 3, "align_corners": True}],
)  # fmt: skip
def test_options_of_interpolate_that_mean_nothing_raise(options):
    with pytest.raises(ValueError, match="interpolate"):
        F.interpolate(IMAGE, **options)


def test_same_padding_puts_the_odd_zero_behind():
    x, w = andon.tensor([[[1.0, 2.0, 3.0]]]), andon.tensor([[[1.0, 10.0]]])
    assert F.conv1d(x, w, padding="same").tolist() == [[[21.0, 32.0, 3.0]]]


def test_an_infinity_spreads_no_further_than_its_neighbours():
    x = andon.tensor([[[0.0, 0.0, float("inf"), 0.0, 0.0, 0.0]]])
    y = F.interpolate(x, scale_factor=2, mode="linear").numpy()
    assert np.isfinite(y[..., [0, 1, 2, 7, 8, 9, 10, 11]]).all()
    assert np.isinf(y[..., 3:7]).all()


def test_a_large_convolution_is_the_same_in_parts():
    """More samples than the columns of one part hold."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((40, 8, 20, 20)), rng.standard_normal((4, 8, 3, 3))
    x, w = (andon.tensor(a, requires_grad=True) for a in (x, w))
    y = F.conv2d(x, w, padding=1)
    (y * y).sum().backward()
    parts = [F.conv2d(x.detach()[i : i + 1], w, padding=1) for i in range(40)]
    np.testing.assert_allclose(y.detach().numpy(), andon.cat(parts).detach().numpy())
    gw = x.grad, w.grad
    w.grad = None
    sum((part * part).sum() for part in parts).backward()
    np.testing.assert_allclose(gw[1].numpy(), w.grad.numpy())


def test_a_convolution_of_no_channels_is_its_bias():
    x, w = ones(2, 0, 4, 4), ones(3, 0, 2, 2).requires_grad_()
    y = F.conv2d(x, w, andon.tensor([1.0, 2.0, 3.0]))
    y.sum().backward()
    assert y[1, :, 2, 2].tolist() == [1.0, 2.0, 3.0]
    assert tuple(w.grad.shape) == (3, 0, 2, 2)
