"""Four eyes: which runs wait for a second technician, and what may become of their request.

A request is bound to the digest of the frozen plan: what was approved is what runs, once, before the request expires.
The ledger stores where a request stands, this module decides what comes next, and the ledger's conditional updates take
their `WHERE state IN …` from `approval_sources()`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from ronde.model.errors import NotAllowed
from ronde.model.inventory import ApprovalRule, Risk
from ronde.model.inventory.fields import ALL
from ronde.model.people import Act, Technician, denied, may
from ronde.model.run import IllegalChange

DESTRUCTIVE = "destructive: what it does cannot be undone"
_RISKS: Sequence[Risk] = ("read", "change", "destructive")  # each weighs more than the one before


def needs_approval(
    playbook: str, risk: Risk, client: str, tags: Collection[str], rules: Sequence[ApprovalRule]
) -> str | None:
    """Why a run on this target waits for a second technician: every reason there is; None when it does not.

    `tags` are the host's, without `tag:`; empty for a vCenter or a client as a whole. Every destructive run waits.
    """
    reasons = [DESTRUCTIVE] if risk == "destructive" else []
    reasons += [_words(rule) for rule in rules if _means(rule, playbook, risk, client, tags)]
    return "; ".join(dict.fromkeys(reasons)) or None


def _means(rule: ApprovalRule, playbook: str, risk: Risk, client: str, tags: Collection[str]) -> bool:
    return (
        _RISKS.index(risk) >= _RISKS.index(rule.risk)
        and (rule.playbook is None or fnmatchcase(playbook, rule.playbook))
        and (ALL in rule.clients or client in rule.clients)
        and (not rule.hosts or any(f"tag:{tag}" in rule.hosts for tag in tags))
    )


def _words(rule: ApprovalRule) -> str:
    """What the rule says of itself, or else what it speaks of; no other client that it names."""
    if rule.why:
        return rule.why
    said = [rule.playbook or f"risk {rule.risk}", *rule.hosts]
    return f"a rule in provider.yml asks for it ({', '.join(said)})"


class ApprovalState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    USED = "used"  # its run was started


class ApprovalEvent(StrEnum):
    APPROVE = "approve"
    REFUSE = "refuse"
    EXPIRE = "expire"
    USE = "use"


APPROVAL_CHANGES: Mapping[tuple[ApprovalState, ApprovalEvent], ApprovalState] = {
    (ApprovalState.PENDING, ApprovalEvent.APPROVE): ApprovalState.APPROVED,
    (ApprovalState.PENDING, ApprovalEvent.REFUSE): ApprovalState.REFUSED,
    (ApprovalState.PENDING, ApprovalEvent.EXPIRE): ApprovalState.EXPIRED,
    (ApprovalState.APPROVED, ApprovalEvent.USE): ApprovalState.USED,
    (ApprovalState.APPROVED, ApprovalEvent.EXPIRE): ApprovalState.EXPIRED,
}

APPROVAL_OPEN = frozenset({ApprovalState.PENDING, ApprovalState.APPROVED})


def change_approval(state: ApprovalState, event: ApprovalEvent) -> ApprovalState:
    """The state after an event.

    Raises:
        IllegalChange: the table has no such change.
    """
    try:
        return APPROVAL_CHANGES[state, event]
    except KeyError:
        raise IllegalChange(f"a request that is {state} cannot {event}") from None


def approval_sources(event: ApprovalEvent) -> frozenset[ApprovalState]:
    """The states in which a request may meet an event; what a conditional update compares with."""
    return frozenset(state for state, allowed in APPROVAL_CHANGES if allowed is event)


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A run that waits for a second technician.

    Attributes:
        run: its id.
        plan_digest: SHA-256 of the canonical plan (`ronde.model.plan.digest`), which the approval is bound to.
        requested_by: the login of whoever ordered it.
        requested_at, expires_at: aware; from `expires_at` on nothing can be approved or started.
        clients: every client that the plan acts on; whoever decides must be allowed to for all of them.
    """

    run: str
    plan_digest: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    clients: frozenset[str]

    def __post_init__(self) -> None:
        if not self.clients or not self.plan_digest or self.expires_at <= self.requested_at:
            raise ValueError("a request names its clients and its plan, and expires after it was made")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a technician says to a request.

    Attributes:
        plan_digest: of the plan that he was shown.
    """

    approve: bool
    plan_digest: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer that counts: who gave it, and when."""

    answer: Answer
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A request and what became of it; `decision` is None until somebody decided."""

    request: ApprovalRequest
    state: ApprovalState = ApprovalState.PENDING
    decision: Decision | None = None


def decide(approval: Approval, by: Technician, at: datetime, answer: Answer) -> Approval:
    """The request with this technician's decision.

    Raises:
        NotAllowed: he ordered the run himself, may not approve for every client of it, was shown another plan, or there
            is nothing left to decide; the request stays as it was.
    """
    why_not = (
        _closed(approval, at)
        or _another_plan(approval.request, answer.plan_digest)
        or _own(approval.request, by)
        or _unfit(approval.request, by)
    )
    if why_not:
        raise NotAllowed(why_not)
    event = ApprovalEvent.APPROVE if answer.approve else ApprovalEvent.REFUSE
    return replace(approval, state=change_approval(approval.state, event), decision=Decision(answer, by.login, at))


def unusable(approval: Approval, plan_digest: str, at: datetime) -> str:
    """Why the run may not be started on this approval at an instant; empty when it may.

    `plan_digest` is that of the plan about to be carried out. Nothing that was stored is believed: an approval by the
    requester, or for another plan, does not count, however it came into the ledger.
    """
    request, decision = approval.request, approval.decision
    if approval.state is ApprovalState.PENDING and at < request.expires_at:
        return f"Run {_short(request)} waits for a second technician: ronde approve {_short(request)}"
    if approval.state is not ApprovalState.APPROVED or at >= request.expires_at:
        return _closed(approval, at)
    if decision is None or not decision.answer.approve or decision.by == request.requested_by:
        return f"The approval of run {_short(request)} is no second technician's."
    return _another_plan(request, decision.answer.plan_digest) or _another_plan(request, plan_digest)


def use(approval: Approval, plan_digest: str, at: datetime) -> Approval:
    """The approval once its run has been started; it starts none again.

    Raises:
        NotAllowed: it may not be started, with the reason of `unusable`.
    """
    if why_not := unusable(approval, plan_digest, at):
        raise NotAllowed(why_not)
    return replace(approval, state=change_approval(approval.state, ApprovalEvent.USE))


def lapse(approval: Approval, at: datetime) -> Approval:
    """The request as time alone makes it: expired when its time is over and it is still open."""
    if approval.state in APPROVAL_OPEN and at >= approval.request.expires_at:
        return replace(approval, state=change_approval(approval.state, ApprovalEvent.EXPIRE))
    return approval


def _closed(approval: Approval, at: datetime) -> str:
    """Why there is nothing left to decide; empty while there is."""
    request, decision = approval.request, approval.decision
    if approval.state is ApprovalState.EXPIRED or (approval.state in APPROVAL_OPEN and at >= request.expires_at):
        return f"The request for run {_short(request)} expired {_instant(request.expires_at)}; order it again."
    if approval.state is ApprovalState.PENDING:
        return ""
    became = "was approved and started" if approval.state is ApprovalState.USED else f"was {approval.state}"
    by = f" by {decision.by} {_instant(decision.at)}" if decision else ""
    return f"Run {_short(request)} {became}{by}; nothing is left to decide."


def _another_plan(request: ApprovalRequest, plan_digest: str) -> str:
    if plan_digest == request.plan_digest:
        return ""
    words = f"The plan of run {_short(request)} is not the one that approval was asked for."
    return f"{words} Look at it again: ronde show {_short(request)}"


def _own(request: ApprovalRequest, by: Technician) -> str:
    if by.login != request.requested_by:
        return ""
    words = f"{by.login} ordered run {_short(request)} and cannot decide on it; a second technician does."
    return f"{words} To withdraw it: ronde cancel {_short(request)}"


def _unfit(request: ApprovalRequest, by: Technician) -> str:
    """Whether he may decide for every client of it; said without naming one, for not all of them need be his."""
    fit = all(may(by, Act.APPROVE, client) for client in request.clients)
    return "" if fit else denied(by, f"approve run {_short(request)}")


def _short(request: ApprovalRequest) -> str:
    return request.run[:8]


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%d %b %H:%M} UTC"
