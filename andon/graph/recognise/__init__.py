"""Recognition: what people write by hand becomes the op that says the same.

A recogniser finds a `Match`: a result, the inputs that it is a function of, and how to make it
with the fused op. There are two ways to find one. By structure: attention is a product with a
softmax of a product. By value: whatever expression of x gives gelu's values at some sixty points
is gelu, in whichever of the many ways it is written.

In a training step the backward pass of the hand-written form is in the graph as well, and has to
go with it. No pattern of it is written down. The recorded backward pass came from the gradient
rules, so the rules are asked once more: what they make of the matched region is looked up, by
value number, in the graph. Where it is found, the gradients come from the rule of the fused op
instead. A match is carried out only if thereby nothing remains that reads the values in between.

match          Match; the search for its backward pass
replace        matches carried out
sample         expressions evaluated at samples
activation     gelu, silu                          by value
row            softmax, log_softmax, layer and RMS norm: functions of a row, by value
affine         the weight and bias of a norm; matmul + bias → linear
scores         attention
loss           cross-entropy of log_softmax
"""

from .activation import recognise_activations
from .affine import recognise_linear, recognise_norm_weights
from .loss import recognise_cross_entropy
from .row import recognise_rows
from .scores import recognise_attention

__all__ = [
    "recognise_activations",
    "recognise_attention",
    "recognise_cross_entropy",
    "recognise_linear",
    "recognise_norm_weights",
    "recognise_rows",
]
