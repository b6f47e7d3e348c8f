"""The real adapter against a vCenter that misbehaves: each session ends in time, and with the right word."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.vcenter import VCenterServer
from lab.vcenter.certificate import write_certificate
from ronde.adapters.vsphere import PyVmomiVCenters, VCenterLimits, scan_certificate
from ronde.model.errors import (
    Cancelled,
    CertificateChanged,
    InputError,
    LoginRefused,
    RondeError,
    SessionExpired,
    VCenterError,
    VCenterFault,
    VCenterUnreachable,
)
from ronde.model.inventory import Client
from ronde.model.inventory import VCenter as Entry
from ronde.model.vsphere.objects import Question
from ronde.ports import Signal
from tests.doubles.shell import NeverStop, WallClock

NAMES = [Question("VirtualMachine", ["name"])]
SHORT = VCenterLimits(connect=0.6, silence=0.6, call=1.2, farewell=0.6)
SOON = 10.0  # seconds; far more than SHORT adds up to, for a busy machine, and far less than the limits in use


class Password:
    def __init__(self, password: str) -> None:
        self._password = password

    def read(self, reference: str) -> bytes:
        return self._password.encode()


@dataclass
class Lab:
    """One vCenter and the way to it."""

    server: VCenterServer
    password: str
    limits: VCenterLimits = field(default_factory=VCenterLimits)

    @property
    def client(self) -> Client:
        entry = Entry(
            address=self.server.address, port=self.server.port, user=self.server.user, password="age://acme/vc1",
            certificate="certificate.pem",
        )  # fmt: skip
        return Client(client="acme", name="Acme", vcenters={"vc1": entry})

    @property
    def vcenters(self) -> PyVmomiVCenters:
        return PyVmomiVCenters(Password(self.password), WallClock(), self.server.directory, self.limits)

    def names(self, signal: Signal | None = None) -> set[str]:
        with self.vcenters.open(self.client, "vc1", signal or NeverStop()) as vcenter:
            return {str(found.properties["name"]) for found in vcenter.fetch(NAMES)}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with VCenterServer(tmp_path, vms=["web", "db", "mail", "file", "print"]) as server:
        yield Lab(server, server.password)


# ------------------------------------------------------------------ the pin


def test_only_the_pinned_certificate_is_believed(lab: Lab) -> None:
    assert len(lab.names()) == 5
    lab.server.replace_certificate()
    lab.server.forget_calls()
    with pytest.raises(CertificateChanged, match="vc1") as caught:
        lab.names()
    assert caught.value.permanent
    assert lab.server.calls() == {}, "nothing may be said to a vCenter that is not the pinned one"


def test_the_pin_holds_for_a_connection_in_mid_session(lab: Lab) -> None:
    with lab.vcenters.open(lab.client, "vc1", NeverStop()) as vcenter:
        lab.server.replace_certificate()
        lab.server.fault("RetrievePropertiesEx", "lost")
        with pytest.raises(CertificateChanged):
            vcenter.fetch(NAMES)


def test_a_pinned_authority_does_not_vouch_for_what_it_signed(lab: Lab) -> None:
    pin = lab.server.certificate.read_text() + _other_pem(lab.server.directory)
    lab.server.certificate.write_text(pin)
    assert len(lab.names()) == 5, "several certificates may be pinned"
    lab.server.certificate.write_text(_other_pem(lab.server.directory))
    with pytest.raises(CertificateChanged):
        lab.names()


def _other_pem(directory: Path) -> str:
    write_certificate(directory / "third.pem", directory / "third-key.pem", "127.0.0.2")
    return (directory / "third.pem").read_text()


def test_an_expired_certificate_is_named_as_such(lab: Lab) -> None:
    lab.server.certificate.write_text(lab.server.replace_certificate(days=-1))
    with pytest.raises(CertificateChanged, match="expired"):
        lab.names()


@pytest.mark.parametrize(
    "content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_without_a_pin_there_is_no_connection(lab: Lab, content: str | None) -> None:
    lab.server.certificate.unlink()
    if content is not None:
        lab.server.certificate.write_text(content)
    with pytest.raises(InputError, match="certificate"):
        lab.names()
    assert lab.server.calls() == {}


def test_the_shown_certificate_can_be_pinned(lab: Lab) -> None:
    shown = scan_certificate(lab.server.address, lab.server.port)
    assert shown.pem == lab.server.certificate_pem
    assert len(shown.fingerprint.split(":")) == 32
    assert lab.server.sessions() == 0


# ---------------------------------------------------------------- the login


def test_a_wrong_password_is_refused_and_never_shown(lab: Lab) -> None:
    lab.password = "not-the-password"
    with pytest.raises(LoginRefused, match="vc1") as caught:
        lab.names()
    assert caught.value.permanent
    assert "not-the-password" not in repr(caught.value) + str(caught.value)
    assert lab.server.sessions() == 0


def test_an_expired_session_is_renewed_once(lab: Lab) -> None:
    with lab.vcenters.open(lab.client, "vc1", NeverStop()) as vcenter:
        vcenter.fetch(NAMES)
        lab.server.expire_sessions()
        assert len(vcenter.fetch(NAMES)) == 5
        lab.server.expire_sessions()
        assert vcenter.now().tzinfo is not None
    assert lab.server.calls()["Login"] == 3
    assert lab.server.sessions() == 0


def test_a_session_that_will_not_stay_is_given_up(lab: Lab) -> None:
    lab.server.fault("RetrievePropertiesEx", "NotAuthenticated", times=-1)
    with pytest.raises(SessionExpired):
        lab.names()
    assert lab.server.calls()["Login"] == 2


# ----------------------------------------------------------- broken answers


@pytest.mark.parametrize("kind", ["lost", "refuse", "truncate"])
@pytest.mark.parametrize("method", ["RetrieveServiceContent", "CreateContainerView", "RetrievePropertiesEx"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_read_is_asked_again_after_the_link_broke(lab: Lab, kind: str, method: str, packed: bool) -> None:  # noqa: FBT001 - a lever
    lab.server.compress(packed)
    lab.server.fault(method, kind)
    assert len(lab.names()) == 5
    assert lab.server.sessions() == 0


def test_a_link_that_breaks_again_is_unreachable(lab: Lab) -> None:
    lab.server.fault("RetrievePropertiesEx", "lost", times=2)
    with pytest.raises(VCenterUnreachable):
        lab.names()
    assert lab.server.sessions() == 0


def test_a_login_whose_reply_was_lost_is_not_repeated(lab: Lab) -> None:
    lab.server.fault("Login", "lost")
    with pytest.raises(VCenterUnreachable):
        lab.names()
    assert lab.server.calls()["Login"] == 1, "each login leaves a session behind on the vCenter"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("garbage", VCenterFault),
        ("http503", VCenterUnreachable),
        ("NoPermission", VCenterFault),
        ("RuntimeFault", VCenterFault),
    ],
)
def test_a_foreign_answer_becomes_our_error(lab: Lab, kind: str, error: type[VCenterError]) -> None:
    lab.server.fault("RetrievePropertiesEx", kind, times=-1)
    with pytest.raises(error, match="vc1"):
        lab.names()
    assert lab.server.sessions() == 0


def test_what_is_no_vcenter_is_said_so(lab: Lab) -> None:
    lab.server.fault("GET /sdk/vimServiceVersions.xml", "garbage")
    with pytest.raises(VCenterFault):
        lab.names()


# -------------------------------------------------------------------- pages


def test_pages_are_followed_to_the_last(lab: Lab) -> None:
    lab.server.pages(2)
    assert lab.names() == {"web", "db", "mail", "file", "print"}
    assert lab.server.calls()["ContinueRetrievePropertiesEx"] == 2


@pytest.mark.parametrize("kind", ["lost", "InvalidArgument"])
def test_a_burnt_page_token(lab: Lab, kind: str) -> None:
    """A token is good for once: after a lost page the whole question is asked again, never a page left out."""
    lab.server.pages(2)
    lab.server.fault("ContinueRetrievePropertiesEx", kind)
    if kind == "lost":
        assert lab.names() == {"web", "db", "mail", "file", "print"}
        assert lab.server.calls()["RetrievePropertiesEx"] == 2
    else:
        with pytest.raises(VCenterFault):
            lab.names()


def test_compressed_answers(lab: Lab) -> None:
    lab.server.compress()
    lab.server.pages(2)
    assert lab.names() == {"web", "db", "mail", "file", "print"}


# --------------------------------------------------------------------- time


def _timed(lab: Lab, signal: Signal | None = None) -> tuple[RondeError, float]:
    started = time.monotonic()
    with pytest.raises(RondeError) as caught:
        lab.names(signal)
    return caught.value, time.monotonic() - started


def test_a_mute_vcenter_is_unreachable_within_its_limit(lab: Lab) -> None:
    lab.limits = SHORT
    lab.server.mute()
    error, seconds = _timed(lab)
    assert isinstance(error, VCenterUnreachable)
    assert seconds < SOON
    lab.server.mend()
    assert len(lab.names()) == 5


@pytest.mark.parametrize("kind", ["hang", "drip"])
@pytest.mark.parametrize(
    "method", ["GET /sdk/vimServiceVersions.xml", "RetrieveServiceContent", "Login", "RetrievePropertiesEx"]
)
def test_no_answer_and_an_endless_answer_end_in_time(lab: Lab, kind: str, method: str) -> None:
    lab.limits = SHORT
    lab.server.fault(method, kind)
    error, seconds = _timed(lab)
    assert isinstance(error, VCenterUnreachable)
    assert seconds < SOON
    if method != "Login":  # of a login without an answer nobody knows the session
        assert lab.server.sessions() == 0


def test_a_mute_logout_keeps_nobody(lab: Lab) -> None:
    lab.limits = SHORT
    lab.server.fault("Logout", "hang")
    started = time.monotonic()
    assert len(lab.names()) == 5, "what was read counts, even when the farewell fails"
    assert time.monotonic() - started < SOON


def test_a_session_has_a_total_limit(lab: Lab) -> None:
    lab.limits = VCenterLimits(session=0.8)
    lab.server.latency(0.3)
    error, seconds = _timed(lab)
    assert isinstance(error, VCenterUnreachable)
    assert seconds < SOON


class StopAfter:
    """A signal that says stop once a call has begun to hang."""

    def __init__(self, server: VCenterServer, method: str) -> None:
        self._server, self._method = server, method
        self.asked_by: set[str] = set()

    def check(self) -> None:
        self.asked_by.add(threading.current_thread().name)
        if self._server.calls().get(self._method):
            raise Cancelled("stop")


def test_a_hanging_call_is_cut_when_the_work_must_stop(lab: Lab) -> None:
    lab.server.fault("RetrievePropertiesEx", "hang")
    error, seconds = _timed(lab, StopAfter(lab.server, "RetrievePropertiesEx"))
    assert isinstance(error, Cancelled)
    assert seconds < SOON, "the limits in force are those of minutes"
    assert lab.server.sessions() == 0


def test_nobody_listens(lab: Lab) -> None:
    lab.server.stop()
    error, seconds = _timed(lab)
    assert isinstance(error, VCenterUnreachable)
    assert "vc1" in str(error)
    assert seconds < SOON


def test_an_address_that_swallows_packets(tmp_path: Path) -> None:
    """A full backlog drops the SYN, as a firewall does."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.2", 0))
        deaf.listen(0)
        server = VCenterServer(tmp_path, port=deaf.getsockname()[1])
        write_certificate(server.certificate, tmp_path / "key.pem", server.address)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.settimeout(0)
            filler.connect_ex(deaf.getsockname())
            fillers.append(filler)
        error, seconds = _timed(Lab(server, "irrelevant", SHORT))
        for filler in fillers:
            filler.close()
    assert isinstance(error, VCenterUnreachable)
    assert seconds < SOON
