"""Reading what `zypper --xmlout` writes: one document, messages among the data."""

from xml.etree import ElementTree as ET

from ronde.facts.reading import Unreadable
from ronde.model.command import Answer


def stream(answer: Answer) -> ET.Element:
    """The document.

    Raises:
        Unreadable: it is cut, no XML, or declares entities, which zypper never does and an attacker would.
    """
    text = answer.stdout
    if answer.truncated:
        raise Unreadable("the answer was cut")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise Unreadable("XML with declarations")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without declarations there is nothing to expand, and the size is capped
    except ET.ParseError as error:
        raise Unreadable(f"not XML: {error}") from error
    if root.tag != "stream":
        raise Unreadable(f"not zypper's document but {root.tag}")
    return root


def messages(root: ET.Element, *kinds: str) -> tuple[str, ...]:
    """The messages of these kinds (`error`, `warning`, `info`), each on one line."""
    found = [element for element in root.iter("message") if element.get("type") in kinds]
    return tuple(" ".join((element.text or "").split()) for element in found)


def attribute(element: ET.Element, name: str) -> str:
    """An attribute that must be there.

    Raises:
        Unreadable: it is not.
    """
    value = element.get(name)
    if value is None:
        raise Unreadable(f"{element.tag} has no {name}")
    return value
