"""A rotation on demand: who is served by whom at each of its steps, and after a run was killed."""

import shutil
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from roles.certificates.filter_plugins.certificates_due import certificates_due
from tests.certificates.authority import end_in, load
from tests.certificates.conftest import Certificates, Issued

CLIENT = ("ca.crt", "client.crt", "client.key")
HOST = {"server-ca.crt": "ca.crt", "server.crt": "server.crt", "server.key": "server.key"}


def copied(certificates: Certificates, name: str) -> Path:
    """Copy the certificates as they are now: for a caller elsewhere, or to a host."""
    return Path(shutil.copytree(certificates.folder, certificates.folder.parent / name))


def is_served(client: Path, host: Path) -> bool:
    """Tell whether a host with the certificates of one folder answers a client with another's."""
    trusted, certificate, key = [(host / name).read_bytes() for name in HOST]
    server = grpc.server(futures.ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    credentials = grpc.ssl_server_credentials([(key, certificate)], trusted, True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    ca, certificate, key = [(client / name).read_bytes() for name in CLIENT]
    with grpc.secure_channel(
        f"127.0.0.1:{port}",
        grpc.ssl_channel_credentials(ca, key, certificate),
        [("grpc.ssl_target_name_override", "trial.internal")],
    ) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.RpcError:
            return False
        finally:
            server.stop(None).wait()
    return True


def due(certificates: Certificates, rotate: str, overlap_days: int = 7) -> list[str]:
    pairs = certificates_due(
        str(certificates.folder), "trial.internal", 30, 365, overlap_days, rotate
    )
    return [str(pair["name"]) for pair in pairs]


def test_pairs_are_replaced_by_the_same_ca(certificates: Certificates) -> None:
    old, before = copied(certificates, "old"), certificates.files()
    certificates.run(rotate="pairs")
    assert certificates.changed_since(before) == {
        "server.key", "server.crt", "client.key", "client.crt",
    }  # fmt: skip
    assert is_served(old, certificates.folder)
    assert is_served(certificates.folder, old)


def test_old_and_new_callers_are_served_at_each_step_of_a_new_ca(
    issued: Issued, rotated: Issued, overlap: Certificates
) -> None:
    old, here = issued.certificates.folder, overlap.folder
    secrets = (here / "ca.key").read_text().splitlines()[1:-1]
    assert [line for line in secrets if line in rotated.output] == []
    assert is_served(here, old), "a run killed here has clients that the hosts refuse"
    host = copied(overlap, "host")
    assert is_served(old, host)
    assert is_served(here, host)

    overlap.hand_out()
    assert load(here / "client.crt") != load(old / "client.crt")
    assert is_served(old, host)
    assert is_served(here, host)
    assert "changed=0" in overlap.run(rotate="ca"), "it began a third CA"
    assert "changed=0" in overlap.hand_out()

    overlap.run(rotate="end")
    assert is_served(here, host), "a run killed here has clients that the hosts refuse"
    ended = copied(overlap, "ended")
    assert is_served(here, ended)
    assert not is_served(old, ended)
    assert "changed=0" in overlap.run(), "the end was taken back"

    overlap.hand_out()
    assert is_served(here, ended)
    assert (here / "ca.crt").read_bytes() == (here / "server-ca.crt").read_bytes()


def test_a_ca_without_a_key_overlaps_with_its_successor(certificates: Certificates) -> None:
    old = copied(certificates, "old")
    certificates.path("ca.key").unlink()
    before = certificates.files()
    certificates.run()
    assert certificates.changed_since(before) == {"ca.key", "ca.crt", "server-ca.crt"}
    assert is_served(old, certificates.folder)


def test_a_new_key_whose_certificate_was_never_signed_gets_it(certificates: Certificates) -> None:
    """What a run leaves that was killed between both halves of the new CA."""
    old = copied(certificates, "old")
    key = generate_private_key(SECP256R1())
    certificates.path("ca.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    certificates.run()
    assert load(certificates.path("ca.crt")).public_key() == key.public_key()
    assert is_served(old, certificates.folder)
    assert is_served(certificates.folder, old)


def test_a_pair_that_would_not_last_for_the_overlap_is_signed_by_the_former_ca_first(
    certificates: Certificates,
) -> None:
    end_in(certificates.path("server.crt"), 35, certificates.path("ca.key"))
    assert due(certificates, "ca") == ["server", "ca"]
    assert due(certificates, "ca", overlap_days=4) == ["ca"]


def test_an_overlap_ends_by_itself_when_its_days_are_over(overlap: Certificates) -> None:
    assert due(overlap, "none", overlap_days=0) == [], "it ended before it began"
    overlap.hand_out()
    assert due(overlap, "none", overlap_days=1) == []
    assert due(overlap, "none", overlap_days=0) == ["server"]


def test_an_overlap_that_has_not_begun_cannot_be_ended(overlap: Certificates) -> None:
    before = overlap.files()
    assert "certificates=ca" in overlap.run(rotate="end", expect=2)
    assert overlap.changed_since(before) == set()


@pytest.mark.parametrize(("asked", "names"), [("pairs", ["server", "client"]), ("ca", ["ca"])])
def test_what_was_asked_for_is_due(
    certificates: Certificates, asked: str, names: list[str]
) -> None:
    assert due(certificates, "none") == []
    assert due(certificates, asked) == names
    assert due(certificates, "end") == []


def test_check_mode_rotates_nothing(certificates: Certificates) -> None:
    before = certificates.files()
    assert "its rotation was asked for" in certificates.run("--check", "--diff", rotate="ca")
    assert certificates.changed_since(before) == set()
