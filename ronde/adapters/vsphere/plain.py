"""pyVmomi's objects as plain values, so that nothing above the adapter needs pyVmomi to read or to imitate them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pyVmomi import VmomiSupport, vim

from ronde.model.vsphere.objects import Plain

_TYPED = (vim.vm.device.VirtualDevice, vim.vm.device.VirtualDevice.BackingInfo)
_IGNORED = frozenset({"dynamicType", "dynamicProperty"})


def plain(value: Any) -> Plain:
    """A value without pyVmomi's types; unset fields and empty lists of data objects are left out."""
    kind = type(value)
    convert = _CONVERTERS.get(kind)
    if convert is None:
        convert = _CONVERTERS[kind] = _converter(kind)
    return convert(value)


def _converter(kind: type) -> Callable[[Any], Plain]:
    return next((convert for base, convert in _BY_BASE if issubclass(kind, base)), _text)


def _same(value: Plain) -> Plain:
    return value


def _reference(value: Any) -> Plain:
    return str(value._moId)  # noqa: SLF001 - pyVmomi offers no public name for it


def _data(value: Any) -> Plain:
    # Emptiness is not tested by comparing: pyVmomi's own __eq__ cannot compare a managed object with a list.
    return {
        name: plain(inner)
        for name, inner in vars(value).items()
        if inner is not None and not (isinstance(inner, list) and not inner) and name not in _IGNORED
    }


def _device(value: Any) -> Plain:
    return {"_type": value._wsdlName, **_data(value)}  # type: ignore[dict-item] # noqa: SLF001 - no public name


def _list(value: Any) -> Plain:
    return [plain(inner) for inner in value]


def _text(value: Any) -> Plain:
    return getattr(value, "_wsdlName", None) or str(value)


_CONVERTERS: dict[type, Callable[[Any], Plain]] = {
    type(None): _same, bool: _same, int: _same, float: _same, str: _same, datetime: _same,
}  # fmt: skip
_BY_BASE: tuple[tuple[type | tuple[type, ...], Callable[[Any], Plain]], ...] = (
    (VmomiSupport.ManagedObject, _reference),
    (_TYPED, _device),
    (VmomiSupport.DataObject, _data),
    (list, _list),
    (str, str),  # enumerations and names of types, too
    (int, int),
    (float, float),
)
"""The first base that fits decides."""
