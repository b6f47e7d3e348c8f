"""Which orders wait for a second technician, whoever or whatever made them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from ronde.model.approvals import needs_approval
from ronde.model.inventory import Approvals, Client
from ronde.model.plan import AwaitedApproval, JobPlan, Order
from ronde.model.playbook import Risk


def approved_first(made: Order, rules: Approvals, clients: Mapping[str, Client], now: datetime) -> Order:
    """The order as it is, or waiting for a second technician where a rule of the house or its risk asks for one."""
    reasons = dict.fromkeys(why for job in made.jobs if (why := _why(job, rules, clients[job.target.client])))
    if not reasons:
        return made
    held = [
        replace(job, procedure=replace(job.procedure, approved=True)) if job.procedure else job for job in made.jobs
    ]
    awaited = AwaitedApproval("; ".join(reasons), now + rules.expire_after)
    return replace(made, jobs=tuple(held), approval=awaited)


def _why(job: JobPlan, rules: Approvals, client: Client) -> str | None:
    host = client.hosts.get(job.target.name)
    risk = cast("Risk", job.procedure.risk if job.procedure else "read")
    return needs_approval(job.playbook, risk, client.client, host.tags if host else (), rules.rules)
