import pytest

from lab.keys import fingerprint
from ronde.model.errors import HostKeyChanged, InputError
from ronde.model.hostkeys import ALGORITHMS, HostKey, algorithms_for, kind_of, pins_after


def key(kind: str, body: bytes) -> HostKey:
    return HostKey(kind, len(kind).to_bytes(4, "big") + kind.encode() + body)


ED, ED2 = key("ssh-ed25519", b"one"), key("ssh-ed25519", b"two")
EC, RSA = key("ecdsa-sha2-nistp256", b"x"), key("ssh-rsa", b"y")


def test_a_line_is_read_and_written_back() -> None:
    assert HostKey.parse(f"{ED.line} root@host  made today") == ED
    assert ED.fingerprint == fingerprint(ED.line)
    assert not ED.fingerprint.endswith("=")


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAAA", RSA.line.replace("rsa", "dss")]
)
def test_what_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="key"):
        HostKey.parse(line)


def test_only_pinned_types_are_negotiated_the_quickest_first() -> None:
    assert algorithms_for([RSA, ED]) == ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")
    assert algorithms_for([]) == ()
    assert set(algorithms_for([ED, EC, RSA])) <= set(ALGORITHMS)
    assert "ssh-rsa" not in ALGORITHMS, "its signatures are SHA-1"
    assert kind_of("rsa-sha2-256") == "ssh-rsa"
    assert kind_of("ssh-ed25519") == "ssh-ed25519"


def test_a_first_enrolment_pins_all_that_was_compared() -> None:
    assert pins_after([RSA, EC, ED], []) == (ED, EC, RSA)


def test_a_fingerprint_vouches_for_its_own_key_alone() -> None:
    assert pins_after([ED, RSA], [], fingerprints=[RSA.fingerprint]) == (RSA,)


def test_a_fingerprint_of_no_offered_key_is_refused() -> None:
    with pytest.raises(InputError, match=ED2.fingerprint.replace("+", r"\+")):
        pins_after([ED, RSA], [], fingerprints=[ED.fingerprint, ED2.fingerprint])


def test_new_types_join_what_is_pinned() -> None:
    assert pins_after([ED, EC], [ED]) == (ED, EC)
    assert pins_after([ED, EC, RSA], [EC], fingerprints=[RSA.fingerprint]) == (EC, RSA)


@pytest.mark.parametrize("offered", [[ED2], [RSA], [ED2, RSA]])
def test_a_pinned_key_no_longer_offered_is_an_incident(offered: list[HostKey]) -> None:
    with pytest.raises(HostKeyChanged, match="--replace") as caught:
        pins_after(offered, [ED])
    assert ED.fingerprint in str(caught.value)
    assert offered[0].fingerprint in str(caught.value)
    assert set(pins_after(offered, [ED], replace=True)) == set(offered)


def test_replacing_with_a_fingerprint_keeps_that_key_alone() -> None:
    assert pins_after([ED2, RSA], [ED, RSA], fingerprints=[ED2.fingerprint], replace=True) == (ED2,)


def test_a_host_that_offers_nothing_is_not_enrolled() -> None:
    with pytest.raises(InputError):
        pins_after([], [ED], replace=True)
