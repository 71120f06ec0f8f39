"""From a host's launch until it is ready: what took how long, by its own words."""

from __future__ import annotations

from datetime import UTC, datetime

from plugins.module_utils.fleet_launch import parts

LAUNCHED = datetime(2026, 11, 25, 23, 59, 50, tzinfo=UTC)
CONSOLE = """\
[    3.1] booting
configure 23:59:54.500 asking for current.json in the bucket b
configure 23:59:55.500 fetching configure/abc.tar.gz
configure 23:59:57.000 fetching releases/r1.tar
configure 23:59:58.000 fetching the certificate from the parameter store
configure 23:59:59.000 applying the role grpc_server
PLAY [Configure this host]
configure 00:00:00.250 Install the packages
configure 00:00:05.000 Send new connections to the release
configure 00:00:06.000 Confirm the release and end the previous one
configure 00:00:07.000 done, r1 is in use
"""


def test_each_part_has_its_seconds_also_over_midnight() -> None:
    assert parts(LAUNCHED, CONSOLE) == {
        "boot": 4.5,
        "waiting": 1.0,
        "fetching": 3.5,
        "installing": 6.0,
        "starting": 2.0,
        "total": 17.0,
    }


def test_python_that_had_to_be_installed_is_a_part_of_its_own() -> None:
    python = "configure 23:59:58.500 installing python3.11\n"
    marker = "configure 23:59:59.000 applying"
    found = parts(LAUNCHED, CONSOLE.replace(marker, f"{python}{marker}"))
    assert (found["fetching"], found["python"]) == (3.0, 0.5)


def test_a_host_that_failed_first_or_is_not_ready_has_no_parts() -> None:
    failed = "configure 23:59:55.000 FAILED: no release\n"
    assert parts(LAUNCHED, failed + CONSOLE) == {}
    assert parts(LAUNCHED, CONSOLE.partition("configure 00:00:07")[0]) == {}
    assert parts(LAUNCHED, "nothing") == {}
