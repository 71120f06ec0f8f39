"""The role on a fresh host and on one that it has deployed to."""

import re

from tests.grpc_server.calling import call_once
from tests.grpc_server.conftest import Checked, Deployment

HIGHEST_EXPOSURE = 1.2


def _changed(output: str, host: str) -> int:
    found = re.search(rf"{host}\s*: ok=\d+\s+changed=(\d+)", output)
    assert found, output
    return int(found[1])


def test_a_check_of_a_fresh_host_announces_changes_and_makes_none(
    checked: Checked, fresh: Deployment
) -> None:
    assert _changed(checked.output, fresh.host.instance) > 0
    assert checked.traces == ""


def test_the_deployed_service_greets(deployed: Deployment) -> None:
    assert call_once(deployed.client) == "Olá, Leonardo!"


def test_a_second_run_changes_nothing(deployed: Deployment) -> None:
    assert _changed(deployed.play(), deployed.host.instance) == 0


def test_a_check_of_a_deployed_host_changes_nothing(deployed: Deployment) -> None:
    assert _changed(deployed.play("--check", "--diff"), deployed.host.instance) == 0


def test_a_changed_unit_leaves_the_running_release_alone(deployed: Deployment) -> None:
    pid = f"systemctl show saudacao@{deployed.release} --property=MainPID"
    before = deployed.host.run(pid).stdout
    output = deployed.play(grpc_server_memory_max="50%")
    assert _changed(output, deployed.host.instance) > 0
    assert deployed.host.run(pid).stdout == before


def test_changed_certificates_need_no_restart(deployed: Deployment) -> None:
    pid = f"systemctl show saudacao@{deployed.release} --property=MainPID"
    before = deployed.host.run(pid).stdout
    (deployed.folder / "certificates/server.crt").unlink()
    deployed.play(grpc_server_memory_max="50%")
    assert deployed.host.run(pid).stdout == before
    assert call_once(deployed.client) == "Olá, Leonardo!"


def test_the_units_exposure_is_low(deployed: Deployment) -> None:
    unit = f"saudacao@{deployed.release}.service"
    report = deployed.host.run(f"systemd-analyze security --no-pager {unit}").stdout
    score = re.search(r"Overall exposure level.*: ([0-9.]+)", report)
    assert score
    assert float(score[1]) <= HIGHEST_EXPOSURE


def test_the_host_keeps_the_key_from_everybody_else(deployed: Deployment) -> None:
    listing = deployed.host.run("stat -c '%a %U:%G' /etc/saudacao/tls/server.key").stdout
    assert listing.strip() == "640 root:saudacao"
