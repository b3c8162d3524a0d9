"""What a drawing is made of: three shapes, written as SVG or painted by matplotlib (for PNG)."""

import io
import os
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import AndonError, FileFormatError
from .label import shorten
from .layout import LINE, MARGIN, PAD, TEXT, Box, lay_out

INK, EDGE = "#2b2f38", "#8b93a3"
COLOURS = {  # of a box's inside, and of its border and title
    "leaf": ("#fff6e0", "#b87708"),
    "op": ("#f3f6fb", "#4a6ca1"),
    "result": ("#fdece6", "#c5431f"),
}


class Curve(NamedTuple):
    """An edge: leaves to the right and arrives from the left, with or without an arrowhead."""

    x0: float
    y0: float
    x1: float
    y1: float
    arrow: bool

    @property
    def bends(self) -> tuple[float, float, float, float]:
        """The two inner control points of the cubic."""
        x = (self.x0 + self.x1) / 2
        return x, self.y0, x, self.y1

    @property
    def head(self) -> list[tuple[float, float]]:
        x, y = self.x1, self.y1
        return [(x, y), (x - 7, y - 3.5), (x - 7, y + 3.5)]

    def svg(self) -> str:
        bends = "{:.1f} {:.1f} {:.1f} {:.1f}".format(*self.bends)
        path = f"M{self.x0:.1f} {self.y0:.1f}C{bends} {self.x1:.1f} {self.y1:.1f}"
        line = f'<path d="{path}" fill="none" stroke="{EDGE}" stroke-width="1.3"/>'
        head = " ".join(f"{x:.1f},{y:.1f}" for x, y in self.head)
        return line + (f'<polygon points="{head}" fill="{EDGE}"/>' if self.arrow else "")

    def paint(self, axes: Any) -> None:
        from matplotlib.patches import PathPatch, Polygon
        from matplotlib.path import Path as Outline

        a, b, c, d = self.bends
        points = [(self.x0, self.y0), (a, b), (c, d), (self.x1, self.y1)]
        outline = Outline(points, [Outline.MOVETO] + 3 * [Outline.CURVE4])
        axes.add_patch(PathPatch(outline, facecolor="none", edgecolor=EDGE, linewidth=1))
        if self.arrow:
            axes.add_patch(Polygon(self.head, facecolor=EDGE, linewidth=0))


class Panel(NamedTuple):
    """A rectangle with round corners around what a node says."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    border: str

    def svg(self) -> str:
        place = f'x="{self.x:.1f}" y="{self.y:.1f}"'
        size = f'width="{self.width:.1f}" height="{self.height:.1f}" rx="6"'
        return f'<rect {place} {size} fill="{self.fill}" stroke="{self.border}"/>'

    def paint(self, axes: Any) -> None:
        from matplotlib.patches import FancyBboxPatch

        patch = FancyBboxPatch((self.x, self.y), self.width, self.height, linewidth=0.75)
        patch.set(facecolor=self.fill, edgecolor=self.border)
        patch.set_boxstyle("round", pad=0, rounding_size=6)
        axes.add_patch(patch)


class Words(NamedTuple):
    """One line of text; x is where it starts, or where it ends if `at_end`."""

    x: float
    y: float
    text: str
    colour: str
    bold: bool = False
    at_end: bool = False

    def svg(self) -> str:
        place = f'x="{self.x:.1f}" y="{self.y:.1f}" fill="{self.colour}"'
        bold = ' font-weight="bold"' if self.bold else ""
        anchor = ' text-anchor="end"' if self.at_end else ""
        return f"<text {place}{bold}{anchor}>{escape(self.text)}</text>"

    def paint(self, axes: Any) -> None:
        style = {"fontfamily": "DejaVu Sans Mono", "fontsize": TEXT * 0.75}  # points, not pixels
        style |= {"color": self.colour, "ha": "right" if self.at_end else "left"}
        weight = "bold" if self.bold else "normal"
        axes.text(self.x, self.y, self.text, fontweight=weight, parse_math=False, **style)


def edges(box: Box) -> Iterator[Curve]:
    """The curves that come into a box, and the line through it if it is a waypoint."""
    left, right = box.x - box.width / 2, box.x + box.width / 2
    for operand, x in enumerate(box.inputs):
        end = box.entry(operand)
        yield Curve(x.x + x.width / 2, x.y, left, end, arrow=box.label is not None)
    if box.label is None:
        yield Curve(left, box.y, right, box.y, arrow=False)


def card(box: Box) -> Iterator[Panel | Words]:
    """A panel, the title in its colour and the lines below; a waypoint has none."""
    label = box.label
    if label is None:
        return
    fill, accent = COLOURS[label.role]
    left, top = box.x - box.width / 2, box.y - box.height / 2
    yield Panel(left, top, box.width, box.height, fill, accent)
    y = top + PAD / 2 + 0.73 * LINE
    if label.name:
        yield Words(left + PAD, y, shorten(label.name), accent, bold=True)
    if label.op:
        x = left + box.width - PAD if label.name else left + PAD
        yield Words(x, y, shorten(label.op), accent, bold=True, at_end=bool(label.name))
    y += LINE * box.title_lines
    for i, line in enumerate(label.lines):
        yield Words(left + PAD, y + i * LINE, shorten(line), INK)


class Drawing:
    """A graph laid out: shows itself in a notebook; `svg` is text, `png` is bytes.

    width, height: in CSS pixels.
    """

    def __init__(self, boxes: list[Box], format: str = "svg"):
        self.format = format
        self.nodes = len(boxes)
        self.edges = sum(len(box.inputs) for box in boxes)
        self.boxes = [box for column in lay_out(boxes) for box in column]
        self.width = max(box.x + box.width / 2 for box in self.boxes) + MARGIN
        self.height = max(box.y + box.height / 2 for box in self.boxes) + MARGIN

    @property
    def svg(self) -> str:
        """The drawing as SVG text that stands alone, in a file or within a page."""
        size = f'width="{self.width:.0f}" height="{self.height:.0f}"'
        view = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        font = f'font-family="DejaVu Sans Mono, Menlo, monospace" font-size="{TEXT:g}"'
        lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view} {font}>']
        lines.append(f'<rect {size} rx="6" fill="#ffffff"/>')
        lines += [curve.svg() for box in self.boxes for curve in edges(box)]
        for box in self.boxes:
            if box.label is not None:
                shapes = "".join(shape.svg() for shape in card(box))
                lines.append(f"<g><title>{escape(box.label.text)}</title>{shapes}</g>")
        return "\n".join([*lines, "</svg>", ""])

    @property
    def png(self) -> bytes:
        """The drawing as a PNG file's bytes, two pixels wide for one of CSS if that fits.

        Raises: AndonError without matplotlib, or if there would be too many pixels.
        """
        scale = 2 if 4 * self.width * self.height < 5e7 and self.width < 30_000 else 1
        if scale * scale * self.width * self.height > 1e8 or max(self.width, self.height) > 6e4:
            given = f"{self.width:.0f} x {self.height:.0f} pixels"
            raise AndonError(f"draw: too large for a PNG, save it as SVG: {given}")
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise AndonError(
                "draw: a PNG needs matplotlib, `pip install 'andon[plot]'`, or save it as SVG"
            ) from None
        figure = Figure(figsize=(self.width / 96, self.height / 96), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, self.width), ylim=(self.height, 0))
        axes.set_axis_off()
        for layer in (edges, card):
            for box in self.boxes:
                for shape in layer(box):
                    shape.paint(axes)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=96 * scale)
        return file.getvalue()

    def save(self, path: str | os.PathLike) -> None:
        """Write "name.svg" or "name.png": whole, or (on any failure) not at all."""
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in (".svg", ".png"):
            raise FileFormatError(f"draw: saves .svg and .png files: {str(path)!r}")
        content = self.svg.encode() if suffix == ".svg" else self.png
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            partial.write_bytes(content)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def _repr_svg_(self) -> str | None:
        return self.svg if self.format == "svg" else None

    def _repr_html_(self) -> str | None:
        """The SVG in a frame that scrolls, so that a wide graph keeps its size."""
        return f'<div style="overflow:auto">{self.svg}</div>' if self.format == "svg" else None

    def _repr_png_(self) -> bytes | None:
        return self.png if self.format == "png" else None

    def __repr__(self) -> str:
        return f"Drawing({self.nodes} nodes, {self.edges} edges)"
