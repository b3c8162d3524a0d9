"""einsum on equations nobody would write by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import andon

SIZES = dict(zip("abcdef", (2, 3, 1, 4, 2, 3), strict=True))


@st.composite
def equations(draw):
    terms = draw(st.lists(st.text("abcdef", max_size=4), min_size=1, max_size=4))
    letters = sorted(set("".join(terms)))
    output = draw(st.permutations(letters))[: draw(st.integers(0, len(letters)))]
    return ",".join(terms) + "->" + "".join(output)


@settings(max_examples=150, deadline=None)
@given(equations())
def test_any_equation_is_what_numpy_makes_of_it(equation):
    rng = np.random.default_rng(len(equation))
    terms = equation.split("->")[0].split(",")
    arrays = [rng.standard_normal([SIZES[letter] for letter in term]) for term in terms]
    ours = andon.einsum(equation, *(andon.tensor(a) for a in arrays))
    np.testing.assert_allclose(ours.numpy(), np.einsum(equation, *arrays), atol=1e-12)


def test_a_chain_of_products_never_makes_a_large_tensor():
    """Multiplied out from the left, this would need 10^10 elements."""
    x = andon.ones(100000, 1)
    y = andon.einsum("ab,cb,cd,ad->", x, x, andon.ones(100000, 1), x)
    assert y.item() == 1e10
