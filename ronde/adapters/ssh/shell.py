"""The port's shell over SSH: one connection for all commands of a job."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from ronde.adapters.ssh.connector import Connection, Connector
from ronde.adapters.ssh.errors import FOREIGN, Stage, translate
from ronde.adapters.ssh.execution import Execution
from ronde.adapters.ssh.limits import SshLimits
from ronde.adapters.ssh.link import Link
from ronde.adapters.ssh.route import Hop, route_to
from ronde.model.check import Exchange
from ronde.model.command import Answer, Command
from ronde.model.errors import ConnectionLost, RondeError
from ronde.model.inventory import Client
from ronde.ports import Clock, Listener, Secrets, Shell, Signal


class SshShell:
    """A shell on a host, over a connection that is open. A command that fails to answer ends the connection.

    `opened` is the instant of opening by the shared clock. Later instants are measured from it: the clock may be a
    question to a database, and an answer that a command gave must not be lost because that cannot be asked.
    """

    def __init__(self, hop: Hop, link: Link, connection: Connection, opened: datetime) -> None:
        self._hop = hop
        self._link = link
        self._connection = connection
        self._opened = opened
        self._ticks = time.monotonic()
        self._closed = False

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        self._connection.signal.check()
        if self._closed:
            raise ConnectionLost(f"{self._hop.where}: the connection is closed.")
        started = self._now()
        connection = self._connection
        execution = Execution(self._link, command, connection.limits, connection.signal, self._hop.where)
        execution.attend(listen)
        try:
            execution.run()
        except RondeError as error:
            self.close()
            self._attach(error, execution, started)
            raise
        except FOREIGN as error:
            self.close()
            raise self._attach(translate(error, self._hop.where, Stage.COMMAND), execution, started) from error
        return Answer(
            command,
            execution.status,
            bytes(execution.out.kept),
            bytes(execution.err.kept),
            started,
            self._now(),
            truncated=execution.truncated,
        )

    def close(self) -> None:
        self._closed = True
        self._connection.close()

    def _now(self) -> datetime:
        return self._opened + timedelta(seconds=time.monotonic() - self._ticks)

    def _attach(self, error: RondeError, execution: Execution, started: datetime) -> RondeError:
        """The error with what was asked and what had come back until then."""
        error.exchange = Exchange(
            execution.command.display,
            started,
            self._now(),
            output=bytes(execution.out.kept),
            errors=bytes(execution.err.kept),
            truncated=execution.truncated,
        )
        return error


class SshShells:
    """Opens shells on the hosts of clients.

    Attributes:
        connector: gets to hosts; shared with whoever looks at host keys.
        limits: how long each stage may take.
    """

    def __init__(self, secrets: Secrets, clock: Clock, limits: SshLimits | None = None) -> None:
        self.limits = limits or SshLimits()
        self.connector = Connector(secrets, self.limits)
        self._clock = clock

    @contextmanager
    def open(self, client: Client, host: str, signal: Signal) -> Iterator[Shell]:
        signal.check()
        hops = route_to(client, host)
        connection = Connection(self.limits, signal)
        try:
            link = self.connector.connect(hops, connection)
            yield SshShell(hops[-1], link, connection, self._clock.now())
        finally:
            connection.close()
