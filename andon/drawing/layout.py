"""Where the nodes of a drawing go: a layered layout, from left to right.

Columns by the longest path to the result, rows by barycentres, then each box as near to its
neighbours as the order allows. Source: Sugiyama, Tagawa, Toda, "Methods for visual
understanding of hierarchical system structures" (1981).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from .label import Label, cells

COLUMN_GAP, ROW_GAP, MARGIN = 44.0, 14.0, 16.0
TEXT, LINE, PAD = 12.0, 17.0, 9.0  # font size, line height, and the space around the text
CELL = 0.61 * TEXT  # the width of one letter: all text is set in a typewriter face
LONGEST_ROUTE = 24  # an edge over more columns than this runs straight, behind the boxes


@dataclass(eq=False, repr=False, slots=True)
class Box:
    """A node, or (without a label) a waypoint that leads an edge through a column.

    x, y is the centre. `uses` lists who reads this box, and as which operand.
    """

    label: Label | None
    inputs: list["Box"]
    uses: list[tuple["Box", int]] = field(default_factory=list)
    column: int = 0
    row: float = 0
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0

    def __post_init__(self) -> None:
        if self.label is not None:
            title = cells(self.label.name) + cells(self.label.op) + 2
            widest = max([title, *map(cells, self.label.lines)])
            self.width = CELL * widest + 2 * PAD
            self.height = LINE * self.title_lines + LINE * len(self.label.lines) + PAD

    @property
    def title_lines(self) -> int:
        return 1 if self.label and (self.label.name or self.label.op) else 0

    def port(self, operand: int) -> float:
        """Where on its left side the edge from that operand comes in, from the top."""
        return self.height * (operand + 1) / (len(self.inputs) + 1)

    def entry(self, operand: int) -> float:
        return self.y - self.height / 2 + self.port(operand)


def lay_out(boxes: list[Box]) -> list[list[Box]]:
    """Place the boxes (inputs first, the result last); the columns, with waypoints in them."""
    columns = route(boxes, assign_columns(boxes))
    for column in columns:
        for row, box in enumerate(column):
            box.row = row
        for box in column:
            for operand, x in enumerate(box.inputs):
                x.uses.append((box, operand))
    for _ in range(4):
        for column in columns:
            sort_rows(column, lambda box: [x.row for x in box.inputs])
        for column in reversed(columns):  # the last word is the users': operands in order
            sort_rows(column, rows_of_uses)
    for column in columns:
        settle(column, [0.0] * len(column))
    for _ in range(4):
        for column in columns:
            settle(column, [mean([x.y for x in box.inputs], box.y) for box in column])
        for column in reversed(columns):
            settle(column, [mean([u.entry(i) for u, i in box.uses], box.y) for box in column])
    spread_columns(columns)
    return columns


def assign_columns(boxes: list[Box]) -> int:
    """The column of a box is as far from the last as its longest path to the result."""
    for box in reversed(boxes):
        for x in box.inputs:
            x.column = max(x.column, box.column + 1)  # counted from the right, for now
    last = max(box.column for box in boxes)
    for box in boxes:
        box.column = last - box.column
    return last + 1


def route(boxes: list[Box], count: int) -> list[list[Box]]:
    """Give an edge that skips columns a waypoint in each; edges from one box share them."""
    columns: list[list[Box]] = [[] for _ in range(count)]
    waypoints: dict[tuple[int, int], Box] = {}
    for box in boxes:
        columns[box.column].append(box)
        for operand, source in enumerate(box.inputs):
            if box.column - source.column > LONGEST_ROUTE:
                continue
            last = source
            for column in range(source.column + 1, box.column):
                key = id(source), column
                if key not in waypoints:
                    waypoints[key] = Box(None, [last], column=column)
                    columns[column].append(waypoints[key])
                last = waypoints[key]
            box.inputs[operand] = last
    return columns


def sort_rows(column: list[Box], neighbours: Callable[[Box], list[float]]) -> None:
    """Order a column by the barycentre of each box's neighbours."""
    column.sort(key=lambda box: mean(neighbours(box), box.row))
    for row, box in enumerate(column):
        box.row = row


def rows_of_uses(box: Box) -> list[float]:
    """The rows that read this box; a fraction tells one operand of a row from the next."""
    return [user.row + (i + 1) / (len(user.inputs) + 1) for user, i in box.uses]


def settle(column: list[Box], wanted: list[float]) -> None:
    """Set each box's y as near to `wanted` as its order and the space between boxes allow.

    Least squares under an order: boxes that would overlap are pooled into a block, which
    goes to the mean of what its boxes want (pool adjacent violators).
    """
    offsets: list[float] = []
    blocks: list[tuple[float, int]] = []  # the sum and the number of the tops wanted
    offset = 0.0
    for i, box in enumerate(column):
        offset += (column[i - 1].height + box.height) / 2 + ROW_GAP if i else 0.0
        offsets.append(offset)
        total, size = wanted[i] - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / size:
            pooled, others = blocks.pop()
            total, size = total + pooled, size + others
        blocks.append((total, size))
    tops = (total / size for total, size in blocks for _ in range(size))
    for box, top, offset in zip(column, tops, offsets, strict=True):
        box.y = top + offset


def spread_columns(columns: list[list[Box]]) -> None:
    """Set x from the widest box of each column, and move everything inside the margins."""
    top = min(box.y - box.height / 2 for column in columns for box in column)
    x = MARGIN
    for column in columns:
        width = max(box.width for box in column)
        for box in column:
            box.width = width
            box.x = x + width / 2
            box.y += MARGIN - top
        x += width + COLUMN_GAP


def mean(numbers: list[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise
