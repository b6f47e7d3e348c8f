"""Which version of the API to speak: asked once a session, by a request of our own, pinned and bounded."""

from xml.etree import ElementTree as ET

from pyVmomi import VmomiSupport

from ronde.adapters.vsphere.wire import PinnedConnection
from ronde.model.errors import VCenterFault

_PATH = "/sdk/vimServiceVersions.xml"
_MOST_BYTES = 65536  # the real one has some two kilobytes


def negotiate(link: PinnedConnection, name: str) -> str:
    """The newest version of the API that the vCenter offers and pyVmomi knows, as pyVmomi names it.

    Raises:
        VCenterFault: the answer is not the expected document, or offers nothing that we know.
        OSError, HTTPException: the connection failed; the caller translates.
    """
    link.request("GET", _PATH)
    answer = link.getresponse()
    text = answer.read(_MOST_BYTES)
    answer.close()
    if answer.status != 200:
        raise VCenterFault(f"vCenter {name} does not tell its API versions (HTTP status {answer.status}).")
    for offered in _offered(text, name):
        known = VmomiSupport.versionMap.get(f"vim25/{offered}")
        if known is not None:
            return str(known)
    raise VCenterFault(f"vCenter {name} offers no version of the API that we know.")


def _offered(text: bytes, name: str) -> list[str]:
    """Version numbers, newest first, as the document lists them."""
    try:
        root = ET.fromstring(text)  # noqa: S314 - a short answer of the pinned server; expat limits entities itself
    except ET.ParseError as error:
        raise VCenterFault(f"{name} does not answer as a vCenter does.") from error
    for namespace in root.iter("namespace"):
        if namespace.findtext("name", "").strip() == "urn:vim25":
            return [
                (version.text or "").strip()
                for version in [*namespace.findall("version"), *namespace.findall("priorVersions/version")]
            ]
    return []
