"""What a playbook may say, and what it can be wrong about. Reading files is the business of `ronde/adapters/files`."""

from ronde.model.playbook.document import DEFAULT_TIMEOUT, GUARDS, Named, Playbook, Risk, StepEntry
from ronde.model.playbook.parameters import Parameter, Text, help_text, parse_parameters
from ronde.model.playbook.remarks import remarks_between, remarks_on

__all__ = [
    "DEFAULT_TIMEOUT",
    "GUARDS",
    "Named",
    "Parameter",
    "Playbook",
    "Risk",
    "StepEntry",
    "Text",
    "help_text",
    "parse_parameters",
    "remarks_between",
    "remarks_on",
]
