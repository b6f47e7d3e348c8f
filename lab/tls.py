"""A throw-away certificate authority, for servers of the lab that speak TLS."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_LIFE = timedelta(days=30)


def make_certificate(directory: Path, address: str) -> tuple[Path, Path, Path]:
    """An authority and a certificate for `address` signed by it: paths of the authority, certificate and key (PEM)."""
    directory.mkdir(parents=True, exist_ok=True)
    authority, certificate, key = (directory / name for name in ("ca.pem", "cert.pem", "key.pem"))
    if not authority.exists():
        signing, serving = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _certificate("Ronde lab authority", signing, signing).sign(signing, SHA256())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address)), x509.DNSName("localhost")])
        leaf = _certificate(address, serving, signing).add_extension(names, critical=False).sign(signing, SHA256())
        key.touch(mode=0o600)
        key.write_bytes(serving.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate.write_bytes(leaf.public_bytes(Encoding.PEM))
        authority.write_bytes(root.public_bytes(Encoding.PEM))
    return authority, certificate, key


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signing: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    is_authority = key is signing
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Ronde lab authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
