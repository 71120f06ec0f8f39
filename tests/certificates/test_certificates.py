"""The role's certificates: what is in them, that gRPC takes them, and when they are renewed."""

from concurrent import futures
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.certificates.authority import end_in, load, load_key
from tests.certificates.conftest import Certificates, Issued

NAMES = ("ca", "server", "client")


def usages(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    return set(extension.value)


def days(certificate: x509.Certificate) -> int:
    return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days


def greets(folder: Path, server: str, client: str | None) -> bool:
    """Tell whether a gRPC server with one pair answers a client with another, or with none."""

    def pair(name: str) -> tuple[bytes, bytes]:
        return (folder / f"{name}.key").read_bytes(), (folder / f"{name}.crt").read_bytes()

    authority = (folder / "ca.crt").read_bytes()
    process = grpc.server(futures.ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), process)
    credentials = grpc.ssl_server_credentials([pair(server)], authority, require_client_auth=True)
    port = process.add_secure_port("127.0.0.1:0", credentials)
    process.start()
    key, certificate = pair(client) if client else (None, None)
    with grpc.secure_channel(
        f"127.0.0.1:{port}",
        grpc.ssl_channel_credentials(authority, key, certificate),
        [("grpc.ssl_target_name_override", "trial.internal")],
    ) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.RpcError:
            return False
        finally:
            process.stop(None).wait()
    return True


def test_keys_are_private_and_on_the_curve_p256(issued: Issued) -> None:
    folder = issued.certificates.folder
    keys = [folder / f"{name}.key" for name in NAMES]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert {type(load_key(key).curve) for key in keys} == {SECP256R1}


def test_nothing_of_a_key_is_printed_with_vvv_and_diff(issued: Issued) -> None:
    lines = [
        line
        for name in NAMES
        for line in issued.certificates.path(f"{name}.key").read_text().splitlines()[1:-1]
    ]
    assert len(lines) >= len(NAMES)
    assert [line for line in lines if line in issued.output] == []


def test_the_server_is_a_server_by_its_name_and_may_check_itself(issued: Issued) -> None:
    folder = issued.certificates.folder
    server, store = load(folder / "server.crt"), Store([load(folder / "ca.crt")])
    verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName("trial.internal"))
    assert verifier.verify(server, [])
    assert usages(server) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_the_client_is_no_server(issued: Issued) -> None:
    client = load(issued.certificates.path("client.crt"))
    client.verify_directly_issued_by(load(issued.certificates.path("ca.crt")))
    assert usages(client) == {ExtendedKeyUsageOID.CLIENT_AUTH}


def test_the_ca_signs_pairs_only_and_outlives_them(issued: Issued) -> None:
    authority = load(issued.certificates.path("ca.crt"))
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert [days(load(issued.certificates.path(f"{name}.crt"))) for name in NAMES] == [3650, 90, 90]


@pytest.mark.parametrize(
    ("client", "answered"), [("client", True), ("server", True), (None, False)]
)
def test_grpc_accepts_the_pairs_and_nobody_without_one(
    issued: Issued, client: str | None, answered: bool
) -> None:
    assert greets(issued.certificates.folder, "server", client) is answered


def test_grpc_refuses_the_clients_pair_as_a_server(issued: Issued) -> None:
    assert not greets(issued.certificates.folder, "client", "client")


def test_a_second_run_changes_nothing(certificates: Certificates) -> None:
    before = certificates.files()
    assert "changed=0" in certificates.run()
    assert certificates.changed_since(before) == set()


def test_check_mode_says_what_a_fresh_folder_lacks_and_leaves_it_away(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    output = certificates.run("--check", "--diff")
    assert all(f"{name}: " in output for name in NAMES)
    assert not certificates.folder.exists()


def test_only_the_pair_that_ends_soon_is_renewed(certificates: Certificates) -> None:
    end_in(certificates.path("server.crt"), 29, certificates.path("ca.key"))
    before = certificates.files()
    assert "in less than 30 days" in certificates.run()
    assert certificates.changed_since(before) == {"server.key", "server.crt"}
    assert greets(certificates.folder, "server", "client")


def test_a_ca_that_ends_soon_keeps_its_key_and_every_pair(certificates: Certificates) -> None:
    """Old and new certificates of the CA each vouch for the pairs: nobody notices."""
    end_in(certificates.path("ca.crt"), 300, certificates.path("ca.key"))
    before, old = certificates.files(), load(certificates.path("ca.crt"))
    certificates.run()
    assert certificates.changed_since(before) == {"ca.crt", "server-ca.crt"}
    new = load(certificates.path("ca.crt"))
    assert new.not_valid_after_utc > old.not_valid_after_utc
    assert greets(certificates.folder, "server", "client")


def test_a_ca_that_left_nothing_is_replaced_and_its_pairs_too(certificates: Certificates) -> None:
    for name in ("ca.key", "ca.crt"):
        certificates.path(name).unlink()
    before = certificates.files()
    assert "its CA is replaced" in certificates.run()
    changed = {f"{n}.{kind}" for n in NAMES for kind in ("key", "crt")} | {"server-ca.crt"}
    assert certificates.changed_since(before) == changed
    assert greets(certificates.folder, "server", "client")


def test_a_key_that_others_may_read_is_closed_and_kept(certificates: Certificates) -> None:
    certificates.path("client.key").chmod(0o644)
    before = certificates.files()
    assert "mode 0644" in certificates.run()
    assert certificates.changed_since(before) == set()
    assert certificates.path("client.key").stat().st_mode & 0o777 == 0o600


def test_pairs_that_would_outlive_their_ca_are_refused(certificates: Certificates) -> None:
    output = certificates.run(expect=2, valid_days=400)
    assert "400 days" in output
    assert "certificates_ca_renew_before_days" in output
