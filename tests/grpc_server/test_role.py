"""The role on a fresh host and on one that it has deployed to."""

import re
from typing import Any

import pytest

from tests.grpc_server import archives
from tests.grpc_server.calling import call_once
from tests.grpc_server.conftest import Checked, Deployment

HIGHEST_EXPOSURE = 1.2


def changed(output: str, host: str) -> int:
    found = re.search(rf"{host}\s*: ok=\d+\s+changed=(\d+)", output)
    assert found, output
    return int(found[1])


def test_a_check_of_a_fresh_host_announces_changes_and_makes_none(
    checked: Checked, fresh: Deployment
) -> None:
    assert changed(checked.output, fresh.host.instance) > 0
    assert checked.traces == ""


def test_the_deployed_service_greets(deployed: Deployment) -> None:
    assert call_once(deployed.client) == "Olá, Leonardo!"


def test_a_second_run_changes_nothing(deployment: Deployment) -> None:
    assert changed(deployment.play(), deployment.host.instance) == 0


def test_a_check_of_a_deployed_host_changes_nothing(deployment: Deployment) -> None:
    assert changed(deployment.play("--check", "--diff"), deployment.host.instance) == 0


def test_a_changed_unit_leaves_the_running_release_alone(deployment: Deployment) -> None:
    pid = f"systemctl show saudacao@{deployment.release} --property=MainPID"
    before = deployment.host.run(pid).stdout
    output = deployment.play(grpc_server_memory_max="50%")
    assert changed(output, deployment.host.instance) > 0
    assert deployment.host.run(pid).stdout == before


def test_changed_certificates_need_no_restart(deployment: Deployment) -> None:
    pid = f"systemctl show saudacao@{deployment.release} --property=MainPID"
    before = deployment.host.run(pid).stdout
    (deployment.folder / "certificates/server.crt").unlink()
    deployment.play(grpc_server_memory_max="50%")
    assert deployment.host.run(pid).stdout == before
    assert call_once(deployment.client) == "Olá, Leonardo!"


def test_an_edited_release_is_named_while_it_runs_and_installed_anew_afterwards(
    deployment: Deployment, second: str
) -> None:
    host, release = deployment.host, deployment.release
    host.run(
        f"echo '# edited' >> $(ls /opt/saudacao/releases/{release}/venv/lib/*/*/saudacao/names.py)"
    )
    output = deployment.play()
    assert "saudacao/names.py: edited" in output
    host.copy(deployment.archive)
    refusal = host.refusal("install", f"/opt/saudacao/incoming/{release}.tar")
    assert "still runs from its files" in refusal

    deployment.use(second)
    deployment.play()
    assert host.ask("status")["release"] == release
    assert host.ask("record", release)["edited"] == []


@pytest.mark.parametrize(
    ("lose", "look", "wanted"),
    [
        ("chmod 0700 /etc/saudacao/tls", "stat -c %a /etc/saudacao/tls", "750"),
        ("chown 9:9 /usr/local/lib/grpc-switch/grpc_switch",
         "stat -c %U:%G /usr/local/lib/grpc-switch/grpc_switch", "root:root"),
        ("systemctl stop saudacao-guard", "systemctl is-active saudacao-guard", "active"),
        ("systemctl disable saudacao-guard", "systemctl is-enabled saudacao-guard", "enabled"),
    ],
)  # fmt: skip
def test_what_was_changed_by_hand_is_put_right_by_the_next_run(
    deployment: Deployment, lose: str, look: str, wanted: str
) -> None:
    deployment.host.run(lose)
    assert changed(deployment.play(), deployment.host.instance) == 1
    assert deployment.host.run(look).stdout.strip() == wanted


def test_the_units_exposure_is_low(deployment: Deployment) -> None:
    unit = f"saudacao@{deployment.release}.service"
    report = deployment.host.run(f"systemd-analyze security --no-pager {unit}").stdout
    score = re.search(r"Overall exposure level.*: ([0-9.]+)", report)
    assert score
    assert float(score[1]) <= HIGHEST_EXPOSURE


def test_the_host_keeps_the_key_from_everybody_else(deployment: Deployment) -> None:
    listing = deployment.host.run("stat -c '%a %U:%G' /etc/saudacao/tls/server.key").stdout
    assert listing.strip() == "640 root:saudacao"


def _breaking(deployment: Deployment) -> dict[str, Any]:
    archive = archives.incompatible(deployment.archive, "0.4.0-incompatible")
    return {"grpc_server_release": archive.stem, "grpc_server_release_archive": str(archive)}


def _units(deployment: Deployment) -> dict[str, tuple[str, str]]:
    releases = deployment.host.ask("status")["releases"]
    return {name: (release["state"], release["since"]) for name, release in releases.items()}


def test_a_release_that_breaks_clients_is_refused(deployment: Deployment) -> None:
    before = _units(deployment)
    output = deployment.play(expect=2, **_breaking(deployment))
    assert 'field "1" with name "nome" on message "Mensagem" was deleted' in output
    assert "-e allow_breaking_change=true" in output
    assert _units(deployment) == before


def test_a_release_may_break_clients_by_permission(deployment: Deployment) -> None:
    breaking = _breaking(deployment)
    output = deployment.play(grpc_server_allow_breaking_change=True, **breaking)
    assert 'field "1" with name "nome" on message "Mensagem" was deleted' in output
    assert deployment.host.ask("status")["release"] == breaking["grpc_server_release"]


def test_a_running_release_without_descriptors_breaks_nobody(deployment: Deployment) -> None:
    deployment.host.run("rm /opt/saudacao/releases/0.2.0-second/descriptors.binpb")
    deployment.use("0.2.0-second")
    output = deployment.play("--check", **_breaking(deployment))
    assert "the running one has no descriptors" in output
