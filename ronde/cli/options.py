"""Options and arguments that several commands share."""

from typing import Annotated

import typer

ClientOption = Annotated[str | None, typer.Option("--client", help="Limit to this client.")]
FormerOption = Annotated[
    str | None, typer.Option("--client", help="Limit to this client, even one that has left the inventory.")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; its schema: ronde schema run.")]
HereOption = Annotated[bool, typer.Option("--here", help="Work in this process: no broker, no beat, no worker needed.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; recorded, and told to the client of what acts.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Print the run's id and return; workers do the rest.")]
FollowOption = Annotated[bool, typer.Option("--follow", help="Show what the hosts say, as they say it.")]
HostOption = Annotated[
    list[str] | None, typer.Option("--host", help="Host, vCenter or tag:NAME of the client; may be repeated.")
]
OnOption = Annotated[
    str | None, typer.Option("--on", help="Which targets: 'tag:files and client:*-exemple and not host:old'.")
]
ParamOption = Annotated[
    list[str] | None, typer.Option("--param", help="name=value, or name=@FILE for a file's text; may be repeated.")
]
