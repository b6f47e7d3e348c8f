"""Certificates: the pinned one as the only one that is believed, and a look at the one a server shows."""

import hashlib
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from ronde.model.errors import InputError, VCenterUnreachable

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class PinMismatch(ssl.SSLError):
    """The handshake succeeded with a certificate that is not the pinned one."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The certificates that one vCenter may show.

    Attributes:
        context: a TLS client context that trusts these and nothing else: no system store, no other authority.
        certificates: their DER forms; the one shown must be one of them, so that a pinned authority does not vouch for
            every machine it ever signed.
    """

    context: ssl.SSLContext
    certificates: frozenset[bytes]


def read_pin(path: Path) -> Pin:
    """The pin in a PEM file.

    Raises:
        InputError: the file is missing or holds no certificate.
    """
    advice = "Pin the vCenter's certificate with `ronde vcenter pin`."
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The pinned certificate {path} cannot be read: {error}.", advice=advice) from error
    blocks = _BLOCK.findall(text)
    try:
        certificates = frozenset(ssl.PEM_cert_to_DER_cert(block) for block in blocks)
        context = _trusting_only("\n".join(blocks))
    except (ValueError, ssl.SSLError) as error:
        raise InputError(f"{path} holds no certificate in PEM form.", advice=advice) from error
    return Pin(context, certificates)


def _trusting_only(pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=pem)
    # The pin says who the server is; the name in a vCenter's certificate is often not the address we use.
    context.check_hostname = False
    # A pinned certificate that an authority signed is trusted by itself, without that authority.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """What a server shows to anybody who asks; a person compares the fingerprint before it is pinned.

    Attributes:
        pem: to be written to the inventory's `certificates` folder.
        fingerprint: SHA-256 of the DER form, `AA:BB:…`, as browsers and the vCenter's own pages print it.
    """

    pem: str
    fingerprint: str


def scan_certificate(address: str, port: int = 443, timeout: float = 10.0) -> ShownCertificate:
    """The certificate that a server shows now; nothing is sent to it.

    Raises:
        VCenterUnreachable: there is no connection, or no TLS handshake within `timeout` seconds each.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is trusted here: the certificate is only looked at
    try:
        with (
            socket.create_connection((address, port), timeout=timeout) as link,
            context.wrap_socket(link) as wrapped,
        ):
            der = wrapped.getpeercert(binary_form=True)
    except OSError as error:
        raise VCenterUnreachable(f"{address}:{port} shows no certificate: {error}.") from error
    if der is None:
        raise VCenterUnreachable(f"{address}:{port} shows no certificate.")
    digest = hashlib.sha256(der).hexdigest().upper()
    pairs = ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
    return ShownCertificate(ssl.DER_cert_to_PEM_cert(der), pairs)
