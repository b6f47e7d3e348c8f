"""What a technician is told at once, at night too: a change that went wrong and waits for somebody to look at it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from ronde.model.errors import InputError
from ronde.model.inventory import Client, Inventory, Provider
from ronde.model.outbox import Mail, mail_key
from ronde.model.records import JobRecord
from ronde.reports.clean import clean
from ronde.reports.message import address, headed, subject_field
from ronde.reports.phrases import Shown, Span, phrase
from ronde.reports.voice import Voice

KIND: Final = "alert/change"
_MOST: Final = 1000  # characters of what went wrong; the record has it all


def alerts_of(
    jobs: Sequence[JobRecord], inventory: Inventory, now: datetime
) -> tuple[Sequence[Mail], Sequence[InputError]]:
    """A message about each job for each address that the provider wants told; the same again has the same key.

    Beside them, which addresses cannot be used; they keep nobody else from theirs.
    """
    mails, unusable = [], []
    for job in jobs:
        said = _said(job, inventory.clients[job.target.client], inventory.provider, now)
        for to in dict.fromkeys(inventory.provider.alerts):
            try:
                mails.append(_mail(job, inventory.provider, to, said, now))
            except InputError as error:
                unusable.append(error)
    return mails, unusable


def _said(job: JobRecord, client: Client, provider: Provider, now: datetime) -> tuple[str, str]:
    """Subject and text."""
    voice = Voice(provider.language, provider.timezone, now)
    names: Mapping[str, Shown] = {"client": client.name, "target": job.target.name, "playbook": job.playbook}
    what = phrase(
        "{playbook} went wrong on {target} of {client}, {when}; nobody has looked at it yet.",
        **names,
        when=Span(job.finished_at or now, job.finished_at or now),
    )
    found = clean(str(job.trouble), _MOST) if job.trouble is not None else job.state.value
    look = phrase("All that is on record: {command}", command=f"ronde show {job.run[:8]}")
    text = "\n\n".join([voice.say(what), found, voice.say(look)]) + "\n"
    return voice.say(phrase("{client}: {target} needs you now ({playbook})", **names)), text


def _mail(job: JobRecord, provider: Provider, to: str, said: tuple[str, str], now: datetime) -> Mail:
    subject, text = said
    recipient, sender = address("", to), address(provider.name, provider.sender)
    key = mail_key(job.target.client, KIND, job.id, 0, recipient.addr_spec)
    identity = f"<alert.{job.id}.{key[:8]}@{provider.message_domain or sender.domain}>"
    message = headed(provider, recipient, identity, now)
    message["Importance"] = "high"
    message.set_content(text)
    return Mail(
        key=key,
        client=job.target.client,
        kind=KIND,
        period=job.id,
        recipient=recipient.addr_spec,
        sender=sender.addr_spec,
        subject=subject,
        message_id=identity,
        raw=subject_field(subject) + message.as_bytes(),
    )
