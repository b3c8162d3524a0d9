"""Drawings of expression graphs: what is on them, where it stands, and how it is saved."""

import doctest
import io
import random
import re
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import andon
from andon.core.errors import AndonError, DTypeError, FileFormatError
from andon.drawing import draw
from andon.drawing.label import LONGEST, Label, cells, printable, shorten
from andon.drawing.layout import LONGEST_ROUTE, ROW_GAP, Box, settle
from andon.scalar import MLP, Value

SVG = "{http://www.w3.org/2000/svg}"


def neuron():
    x, w, b = Value(2, label="x"), Value(-3, label="w"), Value(7, label="b")
    y = (x * w + b).tanh()
    y.label = "y"
    y.backward()
    return y


def words(drawing):
    """The lines of text of each box, and the tooltip."""
    groups = ElementTree.fromstring(drawing.svg).iter(f"{SVG}g")
    return [([t.text for t in g.iter(f"{SVG}text")], g.find(f"{SVG}title").text) for g in groups]


def cards(drawing):
    return [box for box in drawing.boxes if box.label is not None]


def test_every_node_shows_its_op_data_and_grad():
    texts = [text for text, _ in words(draw(neuron()))]
    assert ["x", "data 2", "grad -1.2599"] in texts
    assert ["*", "data -6", "grad 0.41997"] in texts
    assert ["y", "tanh", "data 0.76159", "grad 1"] in texts
    assert len(texts) == 6


def test_a_value_used_twice_has_one_box_and_two_edges():
    a = Value(1.0)
    b = a + a
    drawing = draw(b + b)
    assert repr(drawing) == "Drawing(3 nodes, 4 edges)"
    assert len(re.findall("<polygon", drawing.svg)) == 4


def test_a_leaf_alone_is_one_box():
    drawing = draw(Value(3.0, label="alone"))
    assert words(drawing) == [(["alone", "data 3", "grad 0"], "alone\ndata 3\ngrad 0")]


def test_boxes_of_one_column_do_not_overlap_and_lie_inside():
    random.seed(0)
    drawing = draw(MLP(3, [4, 4, 1])([1.0, -2.0, 0.5]))
    columns = {}
    for box in drawing.boxes:
        columns.setdefault(box.x, []).append(box)
        assert box.x - box.width / 2 > 0 and box.x + box.width / 2 < drawing.width
        assert box.y - box.height / 2 > 0 and box.y + box.height / 2 < drawing.height
    assert len(columns) > 10
    for column in columns.values():
        column.sort(key=lambda box: box.y)
        for above, below in pairwise(column):
            gap = (below.y - below.height / 2) - (above.y + above.height / 2)
            assert gap >= ROW_GAP - 1e-6


def test_inputs_are_to_the_left_of_what_is_made_of_them():
    for box in draw(neuron()).boxes:
        assert all(x.x + x.width / 2 < box.x - box.width / 2 for x in box.inputs)


def test_operands_stand_in_their_order_from_the_top():
    a, b, c, d = (Value(1.0, label=name) for name in "abcd")
    boxes = {box.label.name: box for box in cards(draw((a - b) * (c - d)))}
    assert boxes["a"].y < boxes["b"].y < boxes["c"].y < boxes["d"].y


def test_an_edge_over_several_columns_goes_around_the_boxes_between():
    a = Value(1.0, label="a")
    drawing = draw(((a + 1) * 2).exp() * a)
    waypoints = [box for box in drawing.boxes if box.label is None]
    assert len(waypoints) == 3
    for point in waypoints:
        for box in cards(drawing):
            inside = abs(point.x - box.x) < box.width / 2 and abs(point.y - box.y) < box.height / 2
            assert not inside


def test_a_very_long_edge_takes_no_waypoints():
    a = y = Value(1.0)
    for _ in range(LONGEST_ROUTE + 5):
        y = y + 1
    drawing = draw(y * a)
    assert not [box for box in drawing.boxes if box.label is None]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(-100, 100)), min_size=1, max_size=20))
def test_settling_keeps_the_order_and_the_gaps(pairs):
    column = [Box(None, [], height=height) for height, _ in pairs]
    settle(column, [float(y) for _, y in pairs])
    for above, below in pairwise(column):
        assert below.y - above.y >= (above.height + below.height) / 2 + ROW_GAP - 1e-6
    if len(column) == 1:
        assert column[0].y == pairs[0][1]


def test_boxes_with_room_go_exactly_where_they_want():
    column = [Box(None, [], height=10) for _ in range(3)]
    settle(column, [0.0, 100.0, 300.0])
    assert [box.y for box in column] == [0, 100, 300]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=25))
def test_any_graph_becomes_well_formed_svg(pairs):
    values = [Value(1.0)]
    for i, j in pairs:
        values.append(values[i % len(values)] * values[j % len(values)])
    drawing = draw(values[-1])
    assert len(words(drawing)) == drawing.nodes


@given(st.text(max_size=60))
def test_any_name_becomes_well_formed_svg(name):
    a = Value(1.0, label=name)
    (text, tooltip), *_ = words(draw(a))
    if name:
        assert text[0] == shorten(name)
        assert tooltip == f"{printable(name)}\ndata 1\ngrad 0"


def test_markup_in_a_name_is_escaped():
    drawing = draw(Value(1.0, label='<script>"&'))
    assert "<script>" not in drawing.svg
    assert words(drawing)[0][0][0] == '<script>"&'


def test_a_long_name_is_cut_in_the_box_and_whole_in_the_tooltip():
    name = "w" * 100
    text, tooltip = words(draw(Value(1.0, label=name)))[0]
    assert text[0] == "w" * (LONGEST - 1) + "…"
    assert tooltip.startswith(name)


def test_ideographs_are_two_letters_wide():
    assert cells("行灯") == 4
    assert Box(Label("leaf", "行灯" * 4), []).width > Box(Label("leaf", "ab" * 4), []).width


def test_a_graph_as_deep_as_the_limit_is_drawn():
    y = Value(1.0)
    for _ in range(999):
        y = y + 1
    assert draw(y).nodes == 1 + 2 * 999


def test_a_graph_past_the_limit_is_refused_with_its_size():
    y = Value(1.0)
    for _ in range(5000):
        y = -y
    with pytest.raises(AndonError, match="5001 nodes, limit=2000"):
        draw(y)
    assert draw(y, limit=5001).nodes == 5001
    with pytest.raises(AndonError, match="6 nodes, limit=5"):
        draw(neuron(), limit=5)


def test_a_notebook_is_shown_the_picture_of_the_format():
    svg = draw(neuron())
    assert svg._repr_svg_() == svg.svg
    assert svg.svg in svg._repr_html_()
    assert svg._repr_png_() is None
    png = draw(neuron(), format="png")
    assert png._repr_svg_() is None and png._repr_html_() is None
    assert png._repr_png_().startswith(b"\x89PNG")


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match="draw: format must be 'svg' or 'png': 'gif'"):
        draw(neuron(), format="gif")
    with pytest.raises(FileFormatError, match=r"saves .svg and .png files: .*y.jpg"):
        draw(neuron()).save(tmp_path / "y.jpg")
    assert not list(tmp_path.iterdir())


def test_what_is_no_result_is_refused():
    with pytest.raises(DTypeError, match="draw: takes a scalar Value, a Tensor or a Graph: list"):
        draw([1.0])


def test_saving_writes_the_file_and_nothing_beside_it(tmp_path):
    drawing = draw(neuron())
    drawing.save(tmp_path / "y.svg")
    drawing.save(str(tmp_path / "y.PNG"))
    assert (tmp_path / "y.svg").read_text(encoding="utf-8") == drawing.svg
    assert (tmp_path / "y.PNG").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "y.svg"
    path.write_text("old")
    monkeypatch.setattr("os.replace", lambda *args: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        draw(neuron()).save(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_png_is_two_pixels_for_one_and_has_colour():
    from matplotlib import image

    drawing = draw(neuron())
    pixels = image.imread(io.BytesIO(drawing.png), format="png")
    assert pixels.shape[1] == pytest.approx(2 * drawing.width, abs=2)
    assert pixels.shape[0] == pytest.approx(2 * drawing.height, abs=2)
    assert len({tuple(p) for p in pixels[::7, ::7].reshape(-1, 4).tolist()}) > 5


def test_dollar_signs_in_a_png_are_not_mathematics():
    assert draw(Value(1.0, label=r"$\frac$")).png.startswith(b"\x89PNG")


def test_a_png_too_large_for_memory_is_refused():
    y = Value(1.0)
    for _ in range(1500):
        y = -y
    with pytest.raises(AndonError, match=r"too large for a PNG, save it as SVG: \d+ x \d+ pixels"):
        _ = draw(y).png


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(AndonError, match=r"a PNG needs matplotlib, `pip install 'andon\[plot\]'`"):
        _ = draw(neuron()).png
    assert draw(neuron()).svg.startswith("<svg")


def test_the_examples_in_the_docstrings_hold():
    result = doctest.testmod(sys.modules["andon.drawing"])
    assert result.attempted > 0 and result.failed == 0


def tensors():
    x = andon.tensor([[1.0, 2.0], [3.0, 4.0]])
    w = andon.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)
    b = andon.zeros(2, requires_grad=True)
    return w, b, ((x @ w + b) * 2).sum(dim=0, keepdim=True).sum()


def test_a_tensor_shows_ops_attributes_and_specs():
    _w, _b, y = tensors()  # of leaves that are alive
    texts = [text for text, _ in words(draw(y))]
    assert ["float32[2, 2]", "data [[0.5, -1], [2, 0.25]]"] in texts
    assert ["matmul", "float32[2, 2]"] in texts
    assert any(text[0] == "sum" and "keepdim=True" in text[1] for text in texts)
    assert texts[-1][0] == "sum" and texts[-1][-1] == "data 23"
    assert len(texts) == 7


def test_a_leaf_tensor_shows_its_gradient():
    w, _b, y = tensors()  # a leaf that is gone shows no gradient
    y.backward()
    texts = [text for text, _ in words(draw(y))]
    assert ["float32[2]", "data [0, 0]", "grad [4, 4]"] in texts
    assert words(draw(w))[0][0] == [
        "float32[2, 2]",
        "data [[0.5, -1], [2, 0.25]]",
        "grad [[8, 8], [12, 12]]",
    ]


def test_a_large_tensor_shows_no_elements_but_the_norm_of_its_gradient():
    w = andon.ones(4, 4, requires_grad=True)
    w.sum().backward()
    assert words(draw(w))[0][0] == ["float32[4, 4]", "grad, its norm 4"]


def test_a_leaf_that_is_gone_still_shows_its_spec():
    y = andon.ones(3, requires_grad=True) * 2
    assert ["float32[3]"] in [text for text, _ in words(draw(y))]


def test_a_tensor_without_history_is_one_box():
    assert words(draw(andon.tensor([1, 2])))[0][0] == ["int64[2]", "data [1, 2]"]
    half = andon.tensor([1.0, 2.5], dtype=andon.bfloat16)
    assert words(draw(half))[0][0] == ["bfloat16[2]", "data [1, 2.5]"]


def test_a_tensor_used_twice_has_one_box():
    x = andon.tensor([1.0], requires_grad=True)
    y = x * x
    assert repr(draw(y + y)) == "Drawing(3 nodes, 4 edges)"


def test_a_recorded_graph_shows_names_ops_attributes_and_specs():
    graph = andon.parse("""
    graph(%x: float32[4, 3]):
      %h, %rest = split(%x, sizes=(1, 3), dim=0)
      %y = mul(%h, 2.0)
      %z = sum(%rest, dim=(0,), keepdim=False)
      return %y, %z""")
    drawing = graph.draw()
    assert repr(drawing) == "Drawing(4 nodes, 3 edges)"
    texts = [text for text, _ in words(drawing)]
    assert ["x", "float32[4, 3]"] in texts
    assert ["y", "mul", "2.0", "float32[1, 3]"] in texts
    assert ["h, rest", "split", "sizes=(1, 3), dim=0", "float32[1, 3], float32[3, 3]"] in texts
    results = [box.label.name for box in cards(drawing) if box.label.role == "result"]
    assert sorted(results) == ["y", "z"]
