"""Matches: a part of a graph that one fused op could compute, with its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from ...core.errors import AndonError
from ..gradient import contributions
from ..ir import Graph, Symbol, is_floating, placeholder
from ..numbering import COMMUTATIVE, Numbers, key


@dataclass
class Match:
    """`result` is what `make` gives of `inputs`, which it is a function of.

    No input may be one of the values between the result and another input: the gradient rules
    take the inputs for independent.

    detachable  values between that do not matter to the gradient, so that programs detach them
    """

    result: Symbol
    inputs: tuple[Symbol, ...]
    make: Callable[..., Any]
    detachable: frozenset[Symbol] = frozenset()


@dataclass
class Backward:
    """A backward pass of a match.

    g         the gradient that arrives
    received  what the inputs receive
    between   all that is computed for that
    passed    sums that add g itself to what an input receives, with what else they add up
    """

    g: Symbol
    received: dict[Symbol, list[Symbol]]
    between: set[Symbol]
    passed: dict[Symbol, Symbol]


@dataclass
class Plan:
    """A match that can be carried out, with its backward passes, and what they make needless."""

    match: Match
    backward: list[Backward] = field(default_factory=list)
    needless: set[Symbol] = field(default_factory=set)

    @property
    def claimed(self) -> set[Symbol]:
        """The values that the plan does away with, or makes anew."""
        passed = {value for b in self.backward for value in b.passed}
        return self.needless | received_in(self.backward) | passed | {self.match.result}


class Search:
    """A graph with what the search for matches asks of it."""

    def __init__(self, graph: Graph):
        self.nodes = graph.nodes
        self.numbers = Numbers(graph)
        self.users: dict[Symbol, list[Any]] = {v: [*us] for v, us in graph.users().items()}
        for value in graph.outputs:
            self.users[value] += [None]  # being an output is a use
        self.by_op: dict[Any, list[Symbol]] = {}
        for value in self.nodes:
            self.by_op.setdefault(value.op, []).append(value)

    def plans(self, find: Callable[[Symbol, Search], Match | None]) -> list[Plan]:
        """The matches that `find` finds at some value, as far as they can be carried out."""
        found: list[Plan] = []
        taken: set[Symbol] = set()
        for value in self.nodes:
            match = find(value, self)
            plan = self.plan(match) if match is not None else None
            if plan is not None and not plan.claimed & taken:
                found.append(plan)
                taken |= plan.claimed
        return found

    def plan(self, match: Match) -> Plan | None:
        """How to carry out a match; None if what lies in between is needed elsewhere."""
        inner = inside([match.result], set(match.inputs))
        needless = touched(inner, set(match.inputs)) - {match.result}
        if all(u in inner for v in needless for u in self.users[v]):
            return Plan(match, [], needless)
        for region in (inner, inner - match.detachable):
            found = most_complete(self.backward(match, region))
            plan = Plan(match, found, needless | self.of_backward(found, needless))
            if self.is_closed(plan):
                return plan
        return None

    def of_backward(self, found: list[Backward], needless: set[Symbol]) -> set[Symbol]:
        """What the backward passes make needless: whatever rests on needless values."""
        received = received_in(found)
        reached = needless | received
        for value in sorted(set().union(*(b.between for b in found)), key=attrgetter("order")):
            if any(x in reached for x in value.operands):
                reached.add(value)
        return reached - received

    def is_closed(self, plan: Plan) -> bool:
        """Whether what is needless is read by nothing that stays."""
        gone = plan.needless | received_in(plan.backward) | {plan.match.result}
        return all(u in gone for v in plan.needless for u in self.users[v])

    def backward(self, match: Match, inner: set[Symbol]) -> Iterator[Backward]:
        """The backward passes of a match that are in the graph."""
        hole = placeholder(match.result.spec)
        try:
            received = contributions(match.result, hole, match.inputs, inner)
        except AndonError:  # a gradient rule that cannot be recorded
            return
        template = self.template(hole, [c for cs in received.values() for c in cs])
        tried = set()
        for g in self.arriving(hole, template):
            number = self.numbers.of[g]
            if number not in tried and g.spec == match.result.spec:
                tried.add(number)
                found = self.present(g, hole, template, received)
                if found is not None:
                    yield found

    def template(self, hole: Symbol, made: Iterable[Symbol]) -> list[Symbol]:
        """What the gradient rules have made of `hole`, inputs before users."""
        known = {*self.numbers.of, hole}
        return sorted(inside(made, known), key=attrgetter("order"))

    def looked_up(self, template: list[Symbol], given: dict[Symbol, int]) -> dict[Symbol, Any]:
        """The number of each value of the template; None for what is not in the graph."""
        found: dict[Symbol, Any] = dict(given)
        for value in template:
            operands = [self.operand(x, found) for x in value.inputs]
            if value.op is None:
                found[value] = self.numbers.known.get(self.numbers.key(value))
            elif any(o is MISSING for o in operands):
                found[value] = None
            else:
                found[value] = self.numbers.known.get(key(value.op, operands, value.attrs))
        return found

    def operand(self, x: Any, found: dict[Symbol, Any]) -> Any:
        """The key of an operand of a template; MISSING if it is not in the graph."""
        if isinstance(x, Symbol) and x not in self.numbers.of:
            number = found.get(x)
            return MISSING if number is None else number
        return self.numbers.operand(x)

    def arriving(self, hole: Symbol, template: list[Symbol]) -> Iterator[Symbol]:
        """Values that are used in the graph as the hole is in the template."""
        found = self.looked_up(template, {})
        for value in template:
            if any(x is hole for x in value.inputs):
                operands = [self.operand(x, found) for x in value.inputs]
                for user in self.alike(value, operands):
                    yield from fillers(user, operands, self.numbers)

    def alike(self, value: Symbol, operands: list) -> Iterable[Symbol]:
        """Values of the same op and attributes, that share one of the operands."""
        known = [o for o in operands if isinstance(o, int)]
        pool = self.by_op.get(value.op, [])
        if known:
            pool = [
                u for x in self.numbers.members[known[0]] for u in self.users[x] if u is not None
            ]
        return (u for u in pool if u.op is value.op and u.attrs == value.attrs)

    def present(
        self, g: Symbol, hole: Symbol, template: list[Symbol], received: dict
    ) -> Backward | None:
        """The backward pass from `g`, if that is in the graph."""
        found = self.looked_up(template, {hole: self.numbers.of[g]})
        numbers = [n for t, n in found.items() if n is not None and t is not hole]
        between = {v for n in numbers for v in self.numbers.members[n]}
        taken: dict[int, int] = {}
        backward = Backward(g, {}, between, {})
        for x, parts in received.items():
            values = [self.member(found.get(c), taken) for c in parts if c is not hole]
            if not values or any(v is None for v in values):
                continue
            sums = self.shared_sums(values, between)
            passed = self.passed(g, sums) if len(values) < len(parts) else {}
            if (sums or len(parts) == 1) and len(values) + len(passed) == len(parts):
                backward.received[x] = values
                backward.passed |= passed
        return backward if backward.received else None

    def member(self, number: int | None, taken: dict[int, int]) -> Any:
        """A value of this number, another one each time; None if there is no more."""
        if number is None:
            return None
        members, i = self.numbers.members[number], taken.get(number, 0)
        taken[number] = i + 1
        return members[i] if i < len(members) else None

    def shared_sums(self, parts: list[Symbol], between: set[Symbol]) -> list[Symbol]:
        """The sums that each of the parts goes into, and nothing else does but the parts.

        What lies between may read a part too, since it goes with them.
        """
        first, *others = [list(self.sums_of(part, between)) for part in parts]
        return [s for s in first if all(any(s is t for t in other) for other in others)]

    def passed(self, g: Symbol, sums: list[Symbol]) -> dict[Symbol, Symbol]:
        """The sum, among `sums` and what they add up, that has g as a part; and its other part."""
        stack, seen = list(sums), set(sums)
        while stack:
            value = stack.pop()
            for x, other in zip(value.inputs, reversed(value.inputs), strict=True):
                if x is g:
                    return {value: other}
                if x not in seen and is_sum(x) and len(self.users[x]) == 1:
                    stack.append(x)
                    seen.add(x)
        return {}

    def sums_of(self, part: Symbol, between: set[Symbol]) -> Iterator[Symbol]:
        """The sums that `part` goes into, each being a part of the next and of nothing else."""
        while True:
            users = [u for u in self.users[part] if u not in between]
            if len(users) != 1 or users[0] is None or not is_sum(users[0]):
                return
            part = users[0]
            yield part


def is_sum(value: Symbol) -> bool:
    return str(value.op) == "add" and len(value.operands) == 2


def most_complete(found: Iterable[Backward]) -> list[Backward]:
    """Without those that fewer inputs receive of: values of another match, which happen to fit."""
    passes = list(found)
    most = max((len(b.received) for b in passes), default=0)
    return [b for b in passes if len(b.received) == most]


def received_in(found: list[Backward]) -> set[Symbol]:
    return {part for b in found for parts in b.received.values() for part in parts}


MISSING = object()


def fillers(user: Symbol, operands: list, numbers: Numbers) -> Iterator[Symbol]:
    """The operands of `user` at the one place where `operands` is not known."""
    have = [numbers.operand(x) for x in user.inputs]
    orders = [have, have[::-1]] if str(user.op) in COMMUTATIVE else [have]
    for order in orders:
        differ = [i for i, (a, b) in enumerate(zip(order, operands, strict=True)) if a != b]
        if len(differ) == 1 and operands[differ[0]] is MISSING:
            i = differ[0]
            x = user.inputs[i if order is have else len(have) - 1 - i]
            if is_floating(x):
                yield x


def inside(results: Iterable[Symbol], leaves: set[Symbol]) -> set[Symbol]:
    """The results and what they are made of, as far as the leaves."""
    stack = [x for x in results if x not in leaves]
    found = set(stack)
    while stack:
        for x in stack.pop().operands:
            if x not in leaves and x not in found:
                found.add(x)
                stack.append(x)
    return found


def touched(inner: Iterable[Symbol], inputs: set[Symbol]) -> set[Symbol]:
    """Those values that depend on the inputs by more than views, which cost nothing to keep."""
    reached, free = set(inputs), set(inputs)
    for value in sorted(inner, key=attrgetter("order")):
        operands = [x for x in value.operands if x in reached]
        if operands:
            reached.add(value)
            if (value.op.view or value.op.name == "item") and all(x in free for x in operands):
                free.add(value)
    return reached - free
