"""What proves that a host's services work: looked at before a change and after it."""

import shlex
from typing import Annotated

from pydantic import Field, model_validator

from ronde.model.inventory.fields import Entry, Text, Url

USUAL_ANSWERS = (200, 204, 301, 302)  # of an address that works; a redirect is an answer of a web server that runs

Status = Annotated[int, Field(ge=100, le=599)]


class Probe(Entry):
    """One thing that must be so, looked at from the host itself.

    Attributes:
        unit: a systemd unit that is active; or
        port: a TCP port that accepts connections, on `address`; or
        http: an address that answers with one of `status`; or
        command: a program and its arguments that end with 0. No shell reads them.
    """

    unit: Text | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    address: Text = "127.0.0.1"
    http: Url | None = None
    status: tuple[Status, ...] = USUAL_ANSWERS
    command: tuple[Text, ...] | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> "Probe":
        if sum(thing is not None for thing in (self.unit, self.port, self.http, self.command)) != 1:
            raise ValueError("a probe has one of unit, port, http and command")
        if self.command == ():
            raise ValueError("command is empty; it names a program and its arguments")
        if "status" in self.model_fields_set and self.http is None:
            raise ValueError("status is for a probe of http")
        if "address" in self.model_fields_set and self.port is None:
            raise ValueError("address is for a probe of a port")
        return self

    @property
    def words(self) -> str:
        """The probe as people name it."""
        if self.unit is not None:
            return f"unit {self.unit}"
        if self.port is not None:
            return f"{self.address} port {self.port}"
        return self.http if self.http is not None else shlex.join(self.command or ())
