"""What the schedules of a client can be wrong about: who is meant, and whether the playbook can be asked that."""

from collections.abc import Collection, Iterator, Mapping

from ronde.model.errors import InputError
from ronde.model.inventory import Client, Schedule
from ronde.model.inventory.fields import ALL
from ronde.model.inventory.problems import Place, Remark
from ronde.model.playbook import Named, Playbook, parse_parameters
from ronde.model.selection import Candidate, candidates_of, parse_selection, select
from ronde.model.words import hint

Playbooks = Mapping[str, Named]


def remarks_on_schedules(
    client: Client, playbooks: Playbooks | None, hosts: Collection[str], vcenters: Collection[str]
) -> Iterator[Remark]:
    """Everything wrong between a client's schedules, its targets and the playbooks (None: they are not known here).

    `hosts` and `vcenters` are the declared ones, also those whose entries are wrong in themselves.
    """
    known = [*candidates_of(client)]
    known += [Candidate(client.client, "host", name) for name in sorted(set(hosts) - client.hosts.keys())]
    known += [Candidate(client.client, "vcenter", name) for name in sorted(set(vcenters) - client.vcenters.keys())]
    for name, schedule in client.schedules.items():
        place = ("schedules", name)
        if schedule.playbook is None:
            continue
        yield from _on_targets((*place, "on"), schedule, known)
        if playbooks is not None:
            yield from _on_playbook(place, schedule, schedule.playbook, playbooks)


def _on_targets(place: Place, schedule: Schedule, known: Collection[Candidate]) -> Iterator[Remark]:
    for index, text in enumerate(schedule.on):
        try:
            meant = select(parse_selection(text), known) if known or text != ALL else ALL
        except InputError as error:
            yield Remark((*place, index), error.message)
        else:
            if not meant:
                yield Remark((*place, index), f'"{text}" leaves nothing: no host and no vCenter is meant')


def _on_playbook(place: Place, schedule: Schedule, name: str, playbooks: Playbooks) -> Iterator[Remark]:
    named = playbooks.get(name)
    if named is None:
        yield Remark((*place, "playbook"), f'there is no playbook "{name}"{hint(name, playbooks)}')
        return
    parts = [playbooks[part] for part in named.playbook.parts if part in playbooks] or [named]
    yield from _on_parameters(place, schedule, named, parts)
    yield from _on_pace(place, schedule, named.playbook)


def _on_parameters(place: Place, schedule: Schedule, named: Named, parts: Collection[Named]) -> Iterator[Remark]:
    """Said tonight and not on the night when it is due: by then nobody is there to read it."""
    taken = {name for part in parts for name in part.playbook.parameters}
    for name in schedule.given:
        if name not in taken:
            yield Remark(_where(place, schedule, name), f'{named.name} has no parameter "{name}"{hint(name, taken)}')
    for part in parts:
        asked = part.playbook.parameters
        for name, parameter in asked.items():
            given = {name: schedule.given[name]} if name in schedule.given else {}
            try:
                parse_parameters({name: parameter}, given, part.name)
            except ValueError as error:
                yield Remark(_where(place, schedule, name), str(error))


def _where(place: Place, schedule: Schedule, parameter: str) -> Place:
    """Where a parameter stands, or where it would."""
    if parameter in schedule.given and parameter not in schedule.parameters:
        return (*place, parameter)
    return (*place, "parameters", parameter) if parameter in schedule.parameters else place


def _on_pace(place: Place, schedule: Schedule, playbook: Playbook) -> Iterator[Remark]:
    if playbook.parts or playbook.risk == "read":
        why = "is made of parts" if playbook.parts else "only reads and is never held up"
        if schedule.window:
            yield Remark((*place, "window"), f"{schedule.playbook} {why}; a window is for playbooks that change hosts")
        if schedule.rings is not None:
            yield Remark((*place, "rings"), f"{schedule.playbook} {why}; rings are for playbooks that change hosts")
