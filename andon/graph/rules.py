"""Rules by the op of the value that they are for, and rules applied until none does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .ir import Symbol
from .rewrite import Rule

AT_MOST = 8  # times that a rule is applied to what rules have made of one value


class Rules:
    """A table of rules; it is a rule itself: the first one that applies."""

    def __init__(self) -> None:
        self.of_op: dict[str, list[Rule]] = {}

    def of(self, *names: str) -> Callable[[Rule], Rule]:
        """Decorator: a rule for values of these ops."""

        def decorate(rule: Rule) -> Rule:
            for name in names:
                self.of_op.setdefault(name, []).append(rule)
            return rule

        return decorate

    def __call__(self, value: Symbol) -> Any:
        rules = self.of_op.get(value.op.name) if value.op is not None else None
        return first_of(rules, value) if rules else None


def first_of(rules: list[Rule], value: Symbol) -> Any:
    for rule in rules:
        made = rule(value)
        if made is not None:
            return made
    return None


def repeated(*rules: Rule) -> Rule:
    """The rule that applies the first of `rules` that does, and then to what it has made."""
    all_rules = list(rules)

    def rule(value: Symbol) -> Any:
        found = None
        for _ in range(AT_MOST):
            made = first_of(all_rules, value)
            if made is None or not isinstance(made, Symbol):
                return found if made is None else made
            found = value = made
        return found

    return rule
