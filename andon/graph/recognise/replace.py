"""Matches carried out: the fused op in place of its parts, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ...core.op import clock, using
from ..gradient import contributions, total
from ..ir import Graph, Symbol
from ..record import record
from ..rewrite import rebuilt
from .match import Backward, Match, Plan, Search, inside

# Of the last graph: one recogniser comes after another, and they seldom find anything
latest: WeakKeyDictionary[Graph, Search] = WeakKeyDictionary()
NOTHING = object()  # what is left of a contribution that another one includes


def recognise(graph: Graph, find: Callable[[Symbol, Search], Match | None]) -> Graph:
    """`graph` with the matches that `find(value, search)` finds made by their fused ops."""
    search = latest.get(graph)
    if search is None:
        latest.clear()
        search = latest[graph] = Search(graph)
    plans = search.plans(find)
    return Replacement(graph, plans).graph() if plans else graph


class Replacement:
    """A graph being made anew from another: the new value of each, and what is to be replaced."""

    def __init__(self, old: Graph, plans: list[Plan]):
        self.old = old
        self.new: dict[Symbol, Any] = {x: x for x in old.inputs}
        self.plans = {plan.match.result: plan for plan in plans}
        self.parts: dict[Symbol, tuple[Plan, Backward]] = {}
        self.passed: dict[Symbol, Symbol] = {}
        for plan in plans:
            for backward in plan.backward:
                self.passed |= backward.passed
                for values in backward.received.values():
                    self.parts |= dict.fromkeys(values, (plan, backward))

    def graph(self) -> Graph:
        with using(record):
            for value in self.old.values:
                if value not in self.new:
                    self.new[value] = self.made(value)
        return Graph(self.old.inputs, [self.new[v] for v in self.old.outputs], self.old.name)

    def made(self, value: Symbol) -> Any:
        since = next(clock)
        if value in self.plans:
            match = self.plans[value].match
            made = match.make(*map(self.new.get, match.inputs))
            made.name = value.name
            return attributed(made, value, since)
        if value in self.parts:
            self.differentiate(*self.parts[value])
            made = self.new[value]
            return made if made is NOTHING else attributed(made, value, since)
        if value in self.passed:
            return self.new[self.passed[value]]
        return self.copied(value)

    def differentiate(self, plan: Plan, backward: Backward) -> None:
        """Make the gradients of a match, by the rule of the op that it has become."""
        match = plan.match
        result = self.new[match.result]
        inner = inside([result], {self.new[x] for x in match.inputs})
        inputs = [self.new[x] for x in backward.received]
        received = contributions(result, self.new[backward.g], inputs, inner)
        for x, values in zip(inputs, backward.received.values(), strict=True):
            first = min(values, key=lambda v: v.order)
            self.new |= dict.fromkeys(values, NOTHING)
            self.new[first] = total(received[x])

    def copied(self, value: Symbol) -> Any:
        """The value on its new inputs: a new one in any case, so that the order stays."""
        if any(self.new[x] is NOTHING for x in value.operands):
            kept = [self.new[x] for x in value.operands if self.new[x] is not NOTHING]
            return kept[0] if kept else NOTHING
        return rebuilt(value, self.new, afresh=True)


def attributed(made: Symbol, value: Symbol, since: int) -> Symbol:
    """`made`; what of it is younger than `since` is said to be from the line of `value`."""
    stack = [made]
    while stack:
        x = stack.pop()
        if x.order > since:
            x.line = value.line
            stack += x.operands
    return made
