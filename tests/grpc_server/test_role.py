"""The role on a fresh host and on one that it has deployed to."""

import re
from typing import Any

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
