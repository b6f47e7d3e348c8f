"""Every foreign error becomes one of ours, once, with the vCenter's name and no secret."""

import gzip
import socket
import ssl
import zlib
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any
from xml.etree.ElementTree import ParseError, fromstring
from xml.parsers.expat import ExpatError, ParserCreate

import pytest
from pyVmomi import vim as typed_vim
from pyVmomi import vmodl as typed_vmodl

from ronde.adapters.vsphere.decode import NotAnAnswer
from ronde.adapters.vsphere.faults import FOREIGN, LinkBroken, fault_name, translated
from ronde.adapters.vsphere.pins import PinMismatch
from ronde.model.errors import (
    CertificateChanged,
    LoginRefused,
    SessionExpired,
    VCenterError,
    VCenterFault,
    VCenterUnreachable,
)

vim: Any = typed_vim  # pyVmomi's constructors have no types
vmodl: Any = typed_vmodl


def _verification(code: int, message: str = "") -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def _parse_error(text: str) -> ParseError:
    with pytest.raises(ParseError) as caught:
        fromstring(text)  # noqa: S314 - our own text
    return caught.value


def _expat_error(text: str) -> ExpatError:
    with pytest.raises(ExpatError) as caught:
        ParserCreate().Parse(text, True)  # noqa: FBT003 - expat's own way to say that it ends here
    return caught.value


CASES: list[tuple[BaseException, type[VCenterError]]] = [
    (TimeoutError("timed out"), VCenterUnreachable),
    (socket.gaierror(-2, "Name or service not known"), VCenterUnreachable),
    (ConnectionRefusedError(111, "Connection refused"), VCenterUnreachable),
    (OSError(113, "No route to host"), VCenterUnreachable),
    (ConnectionResetError(104, "reset"), LinkBroken),
    (BrokenPipeError(32, "pipe"), LinkBroken),
    (RemoteDisconnected("closed"), LinkBroken),
    (IncompleteRead(b"half"), LinkBroken),
    (ssl.SSLEOFError(8, "EOF"), LinkBroken),
    (ssl.SSLZeroReturnError(6, "closed"), LinkBroken),
    (EOFError("ended early"), LinkBroken),
    (_parse_error("<a><b>"), LinkBroken),
    (_expat_error("<a"), LinkBroken),
    (BadStatusLine("x"), VCenterUnreachable),
    (HTTPException("503 Service Unavailable"), VCenterUnreachable),
    (ssl.SSLError(1, "wrong version number"), VCenterUnreachable),
    (_verification(18), CertificateChanged),
    (_verification(10), CertificateChanged),
    (PinMismatch("another"), CertificateChanged),
    (vim.fault.InvalidLogin(), LoginRefused),
    (vim.fault.NotAuthenticated(), SessionExpired),
    (vim.fault.NoPermission(), VCenterFault),
    (vmodl.fault.ManagedObjectNotFound(), VCenterFault),
    (vmodl.query.InvalidProperty(name="nmae"), VCenterFault),
    (vmodl.RuntimeFault(), VCenterFault),
    (_parse_error("<a></b>"), VCenterFault),
    (NotAnAnswer("no answer"), VCenterFault),
    (KeyError("NewType"), VCenterFault),
    (TypeError("unexpected"), VCenterFault),
    (AttributeError("None has none"), VCenterFault),
    (gzip.BadGzipFile("no gzip"), VCenterUnreachable),
    (zlib.error("invalid"), VCenterFault),
]


@pytest.mark.parametrize(("error", "ours"), CASES, ids=lambda value: getattr(value, "__name__", type(value).__name__))
def test_a_foreign_error_becomes_ours(error: BaseException, ours: type[VCenterError]) -> None:
    assert isinstance(error, FOREIGN), "the caller would not have caught it"
    found = translated(error, "vc1")
    assert type(found) is ours
    assert "vc1" in str(found)


def test_all_errors_of_the_tree_are_produced() -> None:
    produced = {type(translated(error, "vc1")) for error, _ in CASES}
    assert {CertificateChanged, LoginRefused, SessionExpired, VCenterFault, VCenterUnreachable} <= produced


@pytest.mark.parametrize(
    ("error", "permanent"), [(_verification(18), True), (vim.fault.InvalidLogin(), True), (TimeoutError(), False)]
)
def test_what_only_a_person_can_mend_is_permanent(error: BaseException, permanent: bool) -> None:  # noqa: FBT001 - the expected answer
    assert translated(error, "vc1").permanent is permanent


def test_an_expired_certificate_is_not_called_another_one() -> None:
    assert "has expired" in str(translated(_verification(10, "certificate has expired"), "vc1"))
    assert "key too weak" in str(translated(_verification(66, "EE certificate key too weak"), "vc1"))
    assert "another certificate" in str(translated(_verification(18), "vc1"))


def test_the_names_of_faults() -> None:
    assert fault_name(vim.fault.NoPermission()) == "NoPermission"
    assert fault_name(vmodl.RuntimeFault()) == "RuntimeFault"
    assert "RuntimeFault" in str(translated(vmodl.RuntimeFault(msg="out of order"), "vc1"))
    assert "out of order" in str(translated(vmodl.RuntimeFault(msg="out of order"), "vc1"))
