"""A table of rules, and findings that can only be of rules which stand in it."""

from collections.abc import Iterable
from dataclasses import dataclass

from ronde.model.check import Finding, Json
from ronde.model.verdict import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as operators read about it.

    Attributes:
        id: the stable identifier in findings.
        worst: the heaviest weight it can have.
        when: what makes it speak, with the default figure.
        source: where the default comes from; `ours` when no public source gives one.
    """

    id: str
    worst: Severity
    when: str
    source: str


class RuleBook:
    """Makes findings of the rules of one table, so that the table stays whole.

    Each method raises KeyError for a rule that does not stand in it.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._known = frozenset(rule.id for rule in rules)

    def finding(self, rule: str, severity: Severity, message: str, **evidence: Json) -> Finding:
        if rule not in self._known:
            raise KeyError(rule)
        return Finding(rule, severity, message, evidence)

    def critical(self, rule: str, message: str, **evidence: Json) -> Finding:
        return self.finding(rule, Severity.CRITICAL, message, **evidence)

    def warning(self, rule: str, message: str, **evidence: Json) -> Finding:
        return self.finding(rule, Severity.WARNING, message, **evidence)

    def unknown(self, rule: str, message: str, **evidence: Json) -> Finding:
        return self.finding(rule, Severity.UNKNOWN, message, **evidence)

    def info(self, rule: str, message: str, **evidence: Json) -> Finding:
        return self.finding(rule, Severity.INFO, message, **evidence)
