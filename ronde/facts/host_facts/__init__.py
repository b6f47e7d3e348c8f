"""The facts that a playbook can ask of a Linux host, by name: one file a subsystem."""

from collections.abc import Mapping

from ronde.facts.host_facts.accounts import ACCOUNTS
from ronde.facts.host_facts.certificates import CERTIFICATES
from ronde.facts.host_facts.disks import DISKS, LARGEST
from ronde.facts.host_facts.services import FAILED_UNITS, PORTS, TIME, UNIT
from ronde.facts.host_facts.system import BOOT, SYSTEM
from ronde.facts.named import NamedFact

FACTS: Mapping[str, NamedFact] = {
    fact.name: fact for fact in (ACCOUNTS, BOOT, CERTIFICATES, DISKS, FAILED_UNITS, LARGEST, PORTS, SYSTEM, TIME, UNIT)
}
