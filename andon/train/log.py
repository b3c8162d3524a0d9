"""The log of a run: a line of JSON per step, and the loss curve as a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import replacing


class Log:
    """Appends to `log.jsonl` in the run's folder, and keeps the records."""

    def __init__(self, folder: Path | None):
        self.path = folder / "log.jsonl" if folder is not None else None
        self.records: list[dict[str, Any]] = []
        self.unwritten: list[str] = []

    def write(self, **record: float) -> None:
        """Note a record. It reaches the file with the next flush, every 50 records at most."""
        clean = {k: v if math.isfinite(v) else None for k, v in record.items()}  # JSON has no NaN
        self.records.append(clean)
        self.unwritten.append(json.dumps(clean))
        if len(self.unwritten) >= 50:
            self.flush()

    def flush(self) -> None:
        if self.path is None or not self.unwritten:
            self.unwritten.clear()
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.path.open("a") as file:
                file.write("\n".join(self.unwritten) + "\n")
        except OSError as error:
            error.filename = error.filename or str(self.path)  # a full disk names no file
            raise
        self.unwritten.clear()

    def truncate(self, step: int) -> None:
        """Forget what came after `step`: a run goes on from there. Half-written lines too."""
        self.unwritten.clear()
        self.records = [record for record in read(self.path) if record["step"] <= step]
        if self.path is not None and self.path.exists():
            with replacing(self.path, "w") as file:
                file.writelines(json.dumps(record) + "\n" for record in self.records)

    def curve(self, name: str) -> list[tuple[int, float]]:
        """The steps at which `name` was noted, and its values, as far as they are finite."""
        return [(r["step"], r[name]) for r in self.records if r.get(name) is not None]

    def plot(self, path: Path) -> None:
        """The loss of each step, and its running mean, as a PNG."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        points, held_out = self.curve("loss"), self.curve("val_loss")
        figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        if points:
            steps, losses = zip(*points, strict=True)
            axes.plot(steps, losses, color="#f2b38a", linewidth=0.8, label="each step")
            axes.plot(steps, smoothed(losses), color="#b4431e", label="running mean")
        if held_out:
            axes.plot(*zip(*held_out, strict=True), "o-", color="#1e5fb4", label="held out")
        axes.margins(x=0.01)
        axes.set_xlabel("step")
        axes.set_ylabel("loss (nats per token)")
        axes.spines[["top", "right"]].set_visible(False)
        if points or held_out:
            axes.legend(frameon=False)
        with replacing(path) as file:
            figure.savefig(file, format="png")


def read(path: Path | None) -> list[dict[str, Any]]:
    """The records of a log, up to the first line that was not written whole."""
    records: list[dict[str, Any]] = []
    if path is None or not path.exists():
        return records
    for line in path.read_text(errors="replace").splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not is_record(record):
            break
        records.append(record)
    return records


def is_record(value: Any) -> bool:
    """Whether this is what `Log.write` writes: a step, and numbers or null by name."""
    return (
        isinstance(value, dict)
        and type(value.get("step")) is int
        and all(
            type(x) in (int, float) and math.isfinite(x) for x in value.values() if x is not None
        )
    )


def smoothed(values: Sequence[float]) -> np.ndarray:
    """The mean over each value's neighbours, a fiftieth of all values to either side.

    At the start, where losses fall fast, it takes no more from the right than there is left.
    """
    n = len(values)
    i = np.arange(n)
    reach = np.minimum(i, max(1, n // 50))
    left, right = i - reach, np.minimum(n, i + reach + 1)
    total = np.cumsum([0.0, *values])
    return (total[right] - total[left]) / (right - left)
