"""Foreign errors, turned into the project's own exactly once."""

import ssl
import zlib
from http.client import HTTPException, IncompleteRead
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from pyVmomi import vim, vmodl

from ronde.adapters.vsphere.pins import PinMismatch
from ronde.model.errors import (
    CertificateChanged,
    LoginRefused,
    SessionExpired,
    VCenterError,
    VCenterFault,
    VCenterUnreachable,
)

_ILL_FORMED = (ExpatError, ParseError, EOFError, zlib.error)
_NOT_UNDERSTOOD = (AttributeError, KeyError, TypeError, ValueError)  # what pyVmomi's metadata do not know
FOREIGN = (OSError, HTTPException, vmodl.MethodFault, *_ILL_FORMED, *_NOT_UNDERSTOOD)
"""What can come out of a call."""

_CUT_OFF = {3, 5}  # expat's XML_ERROR_NO_ELEMENTS and XML_ERROR_UNCLOSED_TOKEN: the document ends too early

_BROKEN = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError, IncompleteRead)
# http.client's RemoteDisconnected is a reset, too
_ANOTHER = {18, 19, 20, 21}  # X509_V_ERR_*: self-signed, or its issuer is unknown; others concern dates and strength
_PIN_ADVICE = (
    "If the certificate was renewed on purpose, compare its fingerprint and pin it again; "
    "if not, treat it as an attack."
)


class LinkBroken(VCenterUnreachable):
    """The connection ended in mid-call: whether the call was done is not known, and a read may be asked again."""


def translated(error: BaseException, name: str) -> VCenterError:
    """The project's error for anything in `FOREIGN`, naming the vCenter; never holds a password."""
    if isinstance(error, vmodl.MethodFault):
        return _of_fault(error, name)
    if isinstance(error, (OSError, HTTPException)):
        return _of_link(error, name)
    if isinstance(error, EOFError) or getattr(error, "code", None) in _CUT_OFF:
        return LinkBroken(f"vCenter {name} broke off in its answer.")
    return VCenterFault(f"vCenter {name} answered what we do not understand ({type(error).__name__}).")


def _of_link(error: OSError | HTTPException, name: str) -> VCenterError:
    if isinstance(error, TimeoutError):
        return VCenterUnreachable(f"vCenter {name} did not answer in time.")
    if isinstance(error, _BROKEN):
        return LinkBroken(f"vCenter {name} broke the connection.")
    if isinstance(error, ssl.SSLError):
        return _of_tls(error, name)
    if isinstance(error, OSError):
        return VCenterUnreachable(f"vCenter {name} cannot be reached: {error.strerror or error}.")
    return VCenterUnreachable(f"vCenter {name} answered in HTTP only: {str(error) or type(error).__name__}.")


def _of_fault(fault: vmodl.MethodFault, name: str) -> VCenterError:
    kind = fault_name(fault)
    if isinstance(fault, vim.fault.InvalidLogin):
        return LoginRefused(f"vCenter {name} refused our user or password.", advice="Check the user and the secret.")
    if isinstance(fault, vim.fault.NotAuthenticated):
        return SessionExpired(f"vCenter {name} has ended our session.")
    text = getattr(fault, "msg", None)
    detail = f": {text}" if text else ""
    return VCenterFault(f"vCenter {name} answered with the fault {kind}{detail}.", fault=kind)


def _of_tls(error: ssl.SSLError, name: str) -> VCenterError:
    code = getattr(error, "verify_code", None)
    if isinstance(error, PinMismatch) or code in _ANOTHER:
        return CertificateChanged(f"vCenter {name} shows another certificate than the pinned one.", advice=_PIN_ADVICE)
    if code is not None:
        why = getattr(error, "verify_message", None) or f"error {code}"
        advice = "Have the certificate renewed, then pin the new one."
        return CertificateChanged(f"The pinned certificate of vCenter {name} does not hold: {why}.", advice=advice)
    return VCenterUnreachable(f"vCenter {name} and we do not agree on TLS: {getattr(error, 'reason', None) or error}.")


def fault_name(fault: object) -> str:
    """The API's name of a fault, `NoPermission`."""
    return str(getattr(fault, "_wsdlName", type(fault).__name__))
