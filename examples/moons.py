"""Two moons, told apart by a network of plain Python numbers.

A multi-layer perceptron of 337 parameters learns to separate two interleaved half circles:
`andon.scalar` gives every parameter its gradient, and gradient descent does the rest.

    python examples/moons.py                      # half a minute, ends at 100 % accuracy
    python examples/moons.py --plot moons.png     # and draws what the network has learnt
"""

import argparse
import math
import random
from importlib.util import find_spec
from pathlib import Path

from andon.scalar import MLP, Value

Point = tuple[float, float]


def make_moons(n: int, noise: float = 0.1) -> tuple[list[Point], list[int]]:
    """n points on two half circles, the upper one labelled -1 and the lower one +1."""
    points, labels = [], []
    for i in range(n):
        angle = math.pi * (i // 2) / max(1, (n - 1) // 2)
        x, y = math.cos(angle), math.sin(angle)
        if i % 2:
            x, y = 1 - x, 0.5 - y
        points.append((x + random.gauss(0, noise), y + random.gauss(0, noise)))
        labels.append(1 if i % 2 else -1)
    return points, labels


def loss(model: MLP, points: list[Point], labels: list[int]) -> tuple[Value, float]:
    """mean(relu(1 - label · score)) + 1e-4 Σ w², and the share of points on the right side.

    The first term asks every score to be beyond 1 on its label's side (a support vector
    machine's margin); the second keeps the parameters small.
    """
    scores = [model(point) for point in points]
    margins = [(1 - label * score).relu() for label, score in zip(labels, scores, strict=True)]
    penalty = 1e-4 * sum(w * w for w in model.parameters())
    correct = sum(label * score.data > 0 for label, score in zip(labels, scores, strict=True))
    return sum(margins) / len(margins) + penalty, correct / len(points)


def train(model: MLP, points: list[Point], labels: list[int], steps: int) -> float:
    """Gradient descent with a learning rate that falls from 1.0 to 0.1; the final accuracy."""
    for step in range(steps + 1):
        error, accuracy = loss(model, points, labels)
        if step % 10 == 0 or step == steps:
            print(f"step {step:3}   loss {error.data:.4f}   accuracy {accuracy:.0%}", flush=True)
        if step < steps:
            model.zero_grad()
            error.backward()
            for w in model.parameters():
                w.data -= (1 - 0.9 * step / steps) * w.grad
    return accuracy


def plot(model: MLP, points: list[Point], labels: list[int], path: Path) -> None:
    """Colour the plane by the model's score, with the data on top."""
    from matplotlib.figure import Figure

    left, right = min(x for x, _ in points) - 0.5, max(x for x, _ in points) + 0.5
    bottom, top = min(y for _, y in points) - 0.5, max(y for _, y in points) + 0.5
    xs = [left + (right - left) * i / 60 for i in range(61)]
    ys = [bottom + (top - bottom) * i / 40 for i in range(41)]
    scores = [[model((x, y)).data for x in xs] for y in ys]

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    shades = ["#a9c3db", "#dbe7f1", "#fdf0d5", "#f5cf8e"]  # score below -1, 0, 1, and above
    axes.contourf(xs, ys, scores, [-math.inf, -1, 0, 1, math.inf], colors=shades)
    axes.contour(xs, ys, scores, [0], colors="#4a3b2a", linewidths=1.5)
    dots = ["#c9741a" if label > 0 else "#2f6aa3" for label in labels]
    axes.scatter(*zip(*points, strict=True), c=dots, s=40, edgecolors="white")
    axes.set_title("Two moons: the score is 0 on the line, beyond ±1 where it is darker")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a scalar network on two moons.")
    parser.add_argument("--points", type=int, default=100, help="how many points (100)")
    parser.add_argument("--steps", type=int, default=100, help="steps of gradient descent (100)")
    parser.add_argument("--seed", type=int, default=1337, help="of data and parameters (1337)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the decision boundary")
    args = parser.parse_args()
    if args.points < 2 or args.steps < 1:
        parser.error("--points must be at least 2 and --steps at least 1")
    if args.plot and not args.plot.absolute().parent.is_dir():
        parser.error(f"--plot: there is no folder {args.plot.parent}")
    if args.plot and not find_spec("matplotlib"):
        parser.error("--plot needs matplotlib: pip install 'andon[plot]'")

    random.seed(args.seed)
    points, labels = make_moons(args.points)
    model = MLP(2, [16, 16, 1])
    print(f"{len(points)} points, {len(model.parameters())} parameters")
    train(model, points, labels, args.steps)
    if args.plot:
        plot(model, points, labels, args.plot)
        print(f"the decision boundary is drawn in {args.plot}")


if __name__ == "__main__":
    main()
