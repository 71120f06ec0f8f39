"""The filter `certificates_due` finds every reason for which a pair has to be issued."""

from collections.abc import Callable

import pytest

from roles.certificates.filter_plugins.certificates_due import certificates_due
from tests.certificates.authority import end_in
from tests.certificates.conftest import Certificates

Break = Callable[[Certificates], object]

BREAKS: dict[str, tuple[Break, dict[str, str]]] = {
    "nothing": (lambda _: None, {}),
    "no key": (lambda c: c.path("server.key").unlink(), {"server": "no usable server.key"}),
    "no certificate": (lambda c: c.path("client.crt").unlink(), {"client": "no usable client.crt"}),
    "a key that is none": (
        lambda c: c.path("client.key").write_text("oops"),
        {"client": "no usable client.key"},
    ),
    "half a certificate": (
        lambda c: c.path("server.crt").write_text("-----BEGIN CERTIFICATE-----\nMIIB"),
        {"server": "no usable server.crt"},
    ),
    "another's key": (
        lambda c: c.path("client.key").write_bytes(c.path("server.key").read_bytes()),
        {"client": "does not belong"},
    ),
    "an expired server": (
        lambda c: end_in(c.path("server.crt"), -1, c.path("ca.key")),
        {"server": "it expired on"},
    ),
    "a client that another CA signed": (
        lambda c: end_in(c.path("client.crt"), 60, c.path("server.key")),
        {"client": "not signed by the present CA"},
    ),
    "no CA certificate": (lambda c: c.path("ca.crt").unlink(), {"ca": "no usable ca.crt"}),
    "a server's pair under the client's name": (
        lambda c: [
            c.path(f"client.{kind}").write_bytes(c.path(f"server.{kind}").read_bytes())
            for kind in ("key", "crt")
        ],
        {"client": "it names trial.internal instead of nobody"},
    ),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_broken_pair_is_due_and_no_other(certificates: Certificates, case: str) -> None:
    damage, expected = BREAKS[case]
    damage(certificates)
    due = certificates_due(str(certificates.folder), "trial.internal", 30, 365, 7)
    reasons = {str(pair["name"]): str(pair["why"]) for pair in due}
    assert reasons.keys() == expected.keys()
    assert all(text in reasons[name] for name, text in expected.items())


def test_another_server_name_makes_the_servers_pair_due(certificates: Certificates) -> None:
    due = certificates_due(str(certificates.folder), "other.internal", 30, 365, 7)
    assert [(pair["name"], pair["why"]) for pair in due] == [
        ("server", "it names trial.internal instead of other.internal")
    ]
