"""Answers of RetrievePropertiesEx as plain values, straight from the XML.

pyVmomi turns each element of an answer into an object of its own in Python code, which is nearly all of a check's CPU.
Here the tree is built by the parser in C, and pyVmomi's metadata say only what type each field has. An answer that is
not exactly the expected document is an error, never an empty result.
"""

import contextlib
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

from pyVmomi import VmomiSupport, vim, vmodl

from ronde.model.vsphere.objects import ManagedObject, Plain

_VIM = "urn:vim25"
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_ARRAY = "ArrayOf"
_TYPED = (vim.vm.device.VirtualDevice, vim.vm.device.VirtualDevice.BackingInfo, vmodl.MethodFault)

Decode = Callable[[ET.Element], Plain]


class NotAnAnswer(ValueError):
    """The document is well-formed XML and no answer to what was asked."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the objects, and the token for the next page; None on the last one."""

    objects: tuple[ManagedObject, ...]
    token: str | None


def read_page(body: bytes, method: str) -> Page:
    """The page in the answer to `method`.

    Raises:
        NotAnAnswer: it is something else; ET.ParseError: it is no complete XML document.
    """
    with _uncollected():
        return _page(body, method)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would walk the growing answer over and over; nothing here makes cycles.

    It is switched for the whole process, for tens of milliseconds. Two threads at once do no harm: the first that found
    it on switches it on again.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _page(body: bytes, method: str) -> Page:
    root = ET.fromstring(body)  # noqa: S314 - from the pinned server; expat itself limits what entities may grow to
    response = root.find(f"{{{_SOAP}}}Body/{{{_VIM}}}{method}Response")
    if response is None:
        raise NotAnAnswer(f"no answer to {method}")
    found = response.find(f"{{{_VIM}}}returnval")
    if found is None:  # the API's way to say that nothing matches; in mid-paging it is not one
        if method != "RetrievePropertiesEx":
            raise NotAnAnswer(f"no page in the answer to {method}")
        return Page((), None)
    objects = tuple(_object(content) for content in found.iterfind(f"{{{_VIM}}}objects"))
    return Page(objects, found.findtext(f"{{{_VIM}}}token") or None)


def _object(content: ET.Element) -> ManagedObject:
    reference = content.find(f"{{{_VIM}}}obj")
    if reference is None or not reference.text:
        raise NotAnAnswer("an object without a reference")
    properties: dict[str, Plain] = {}
    missing: dict[str, str] = {}
    for part in content:
        name = _local(part)
        if name == "propSet":
            properties[part.findtext(f"{{{_VIM}}}name", "")] = _value(part.find(f"{{{_VIM}}}val"))
        elif name == "missingSet":
            missing[part.findtext(f"{{{_VIM}}}path", "")] = _fault(part)
    return ManagedObject(_bare(reference.get("type", "")), reference.text, properties, missing)


def _value(element: ET.Element | None) -> Plain:
    if element is None:
        raise NotAnAnswer("a property without a value")
    return _decoder(_bare(element.get(_TYPE, "")))(element)


def _fault(part: ET.Element) -> str:
    inner = part.find(f"{{{_VIM}}}fault/{{{_VIM}}}fault")
    return _bare(inner.get(_TYPE, "")) if inner is not None else "unknown fault"


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _bare(name: str) -> str:
    return name.rpartition(":")[2]


# ---------------------------------------------------------------- the types


def _text(element: ET.Element) -> Plain:
    return element.text or ""


def _boolean(element: ET.Element) -> Plain:
    return element.text in ("true", "1")


def _integer(element: ET.Element) -> Plain:
    return int(element.text or "")


def _number(element: ET.Element) -> Plain:
    return float(element.text or "")


def _instant(element: ET.Element) -> Plain:
    found = datetime.fromisoformat(element.text or "")
    return found if found.tzinfo else found.replace(tzinfo=UTC)  # the API's times are UTC when they do not say


def _generic(element: ET.Element) -> Plain:
    """A type that the metadata do not know: its text, or its fields as text; nothing relies on it."""
    return {_local(child): _generic(child) for child in element} if len(element) else element.text or ""


_PRIMITIVES: dict[str, Decode] = {
    "boolean": _boolean, "byte": _integer, "short": _integer, "int": _integer, "long": _integer,
    "float": _number, "double": _number, "dateTime": _instant, "string": _text, "anyURI": _text, "base64Binary": _text,
}  # fmt: skip


@cache
def _decoder(name: str) -> Decode:
    """How an element is read whose type has this name on the wire."""
    if name in _PRIMITIVES:
        return _PRIMITIVES[name]
    if name.startswith(_ARRAY):
        return _list_of(_decoder(_item_name(name.removeprefix(_ARRAY))))
    try:
        kind = VmomiSupport.GetWsdlType(_VIM, name)  # type: ignore[no-untyped-call] # pyVmomi
    except KeyError:
        return _generic
    return _decoder_of(kind)


def _item_name(name: str) -> str:
    """The type of the items of an array: `ArrayOfInt` holds `int`, `ArrayOfVirtualDisk` holds `VirtualDisk`."""
    simple = name[:1].lower() + name[1:]
    return simple if simple in _PRIMITIVES else name


def _list_of(item: Decode) -> Decode:
    return lambda element: [_typed(child, item) for child in element]


def _decoder_of(kind: Any) -> Decode:
    if isinstance(kind, type) and issubclass(kind, VmomiSupport.DataObject):
        return _Structure(kind)
    return _text  # references, enumerations, names of types


def _typed(element: ET.Element, declared: Decode) -> Plain:
    """An element read by the type it names itself, or else by the declared one."""
    name = element.get(_TYPE)
    if name is None:
        return declared(element)
    own = _decoder(_bare(name))
    return (declared if own is _generic else own)(element)


class _Structure:
    """Reads one type of data object: a dictionary of the fields that are there."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._name = kind._wsdlName if issubclass(kind, _TYPED) else None  # noqa: SLF001 - pyVmomi has no public name
        self._fields: dict[str, tuple[str, Decode, bool]] | None = None

    def _resolve(self) -> dict[str, tuple[str, Decode, bool]]:
        """Fields by their qualified tags. Late, since types refer to each other in circles."""
        fields = {}
        for info in self._kind._GetPropertyList():  # noqa: SLF001 - pyVmomi's metadata have no public door
            many = issubclass(info.type, list)
            item = info.type.Item if many else info.type
            fields[f"{{{_VIM}}}{info.name}"] = (info.name, _decoder_by_kind(item), many)
        return fields

    def __call__(self, element: ET.Element) -> Plain:
        fields = self._fields
        if fields is None:
            fields = self._fields = self._resolve()
        found: dict[str, Any] = {} if self._name is None else {"_type": _bare(element.get(_TYPE, self._name))}
        for child in element:
            field = fields.get(child.tag)
            if field is None:
                continue  # of a newer API than pyVmomi's metadata
            name, decode, many = field
            value = _typed(child, decode) if child.attrib else decode(child)
            if many:
                found.setdefault(name, []).append(value)
            else:
                found[name] = value
        return found


_BY_KIND: tuple[tuple[type, Decode], ...] = (
    (bool, _boolean), (int, _integer), (float, _number), (datetime, _instant), (str, _text),
)  # fmt: skip


def _decoder_by_kind(kind: Any) -> Decode:
    """How a field of a declared Python type is read; what has no type of its own names it on the wire."""
    if isinstance(kind, type) and issubclass(kind, VmomiSupport.DataObject):
        return _decoder(VmomiSupport.GetWsdlName(kind))  # type: ignore[no-untyped-call] # pyVmomi
    if isinstance(kind, type) and issubclass(kind, VmomiSupport.ManagedObject):
        return _text
    return next((decode for base, decode in _BY_KIND if isinstance(kind, type) and issubclass(kind, base)), _generic)
