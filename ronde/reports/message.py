"""From a rendered report to frozen bytes: one complete message for one person."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from ronde.model.errors import InputError
from ronde.model.inventory import Client, Contact, Provider
from ronde.model.outbox import Mail, mail_key
from ronde.reports.clean import clean
from ronde.reports.material import Period
from ronde.reports.render import Rendered
from ronde.reports.voice import Language

KIND = "report/night"
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)  # RFC 5322 dot-atom
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII | re.IGNORECASE)
_POLICY = SMTP.clone(cte_type="7bit")  # no relay on the way has to know 8BITMIME


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a message is about and whom it is for.

    Attributes:
        revision: 0 for the scheduled report; each sending on demand takes the next.
    """

    provider: Provider
    client: Client
    period: Period
    revision: int
    language: Language


def freeze(rendered: Rendered, envelope: Envelope, contact: Contact, now: datetime) -> Mail:
    """The message as the bytes that are sent, retried and archived, with an identity derived from what it is.

    Raises:
        InputError: an address cannot be used in a mail header.
    """
    provider, client = envelope.provider, envelope.client
    recipient = address(contact.name, contact.email)
    sender = address(provider.name, provider.sender)
    key = mail_key(client.client, KIND, envelope.period.key, envelope.revision, recipient.addr_spec)
    identity = _message_id(envelope, key, sender.domain)
    message = headed(provider, recipient, identity, now)
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    message["Content-Language"] = envelope.language  # last: a header of this kind set before would move into the text
    return Mail(
        key=key,
        client=client.client,
        kind=KIND,
        period=envelope.period.key,
        recipient=recipient.addr_spec,
        sender=sender.addr_spec,
        subject=rendered.subject,
        message_id=identity,
        raw=subject_field(rendered.subject) + message.as_bytes(),
    )


def headed(provider: Provider, recipient: Address, identity: str, now: datetime) -> EmailMessage:
    """A message of the provider's to one person, still without its subject and its text.

    Raises:
        InputError: an address of the provider's cannot be used in a mail header.
    """
    message = EmailMessage(policy=_POLICY)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = identity
    message["From"] = address(provider.name, provider.sender)
    message["To"] = recipient
    message["Reply-To"] = address(provider.name, provider.reply_to or provider.sender)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answer comes back
    message["X-Auto-Response-Suppress"] = "All"  # the same, for Exchange
    return message


def subject_field(subject: str) -> bytes:
    """The subject as a header field, encoded as a whole.

    EmailMessage encodes word by word and loses blanks where it folds between two encoded words.
    """
    folded = Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")
    return f"Subject: {folded}\r\n".encode("ascii")


def address(name: str, written: str) -> Address:
    """An address for a header: the name cleaned, an international domain in its ASCII form.

    Raises:
        InputError: it is not an address, or its local part is not ASCII (few relays take that).
    """
    local, _, domain = written.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_domain = ""
    if not (_LOCAL.fullmatch(local) and _DOMAIN.fullmatch(ascii_domain)):
        raise InputError(f'"{clean(written)}" cannot be used as a mail address.')
    return Address(clean(name), local, ascii_domain)


def _message_id(envelope: Envelope, key: str, sender_domain: str) -> str:
    """The same for every copy of the same report, so that a repeat is recognised as one."""
    words = ("night", envelope.period.key, envelope.client.client, f"r{envelope.revision}", key[:8])
    left = ".".join("".join(char if char.isalnum() else "-" for char in word) for word in words)
    return f"<{left}@{envelope.provider.message_domain or sender_domain}>"
