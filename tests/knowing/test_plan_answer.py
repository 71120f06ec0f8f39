"""The filter `plan_answer`: results of a checked run become a plan in plain words."""

import json
from typing import Any

from roles.plan.filter_plugins.plan_answer import plan_answer


def event(task: str, **values: Any) -> dict[str, Any]:
    base = {"event": "ok", "host": "localhost", "role": "", "action": "file", "changed": True}
    return {**base, "task": task, "item": None, **values}


def built(release: str, *, changed: bool = False, **values: Any) -> dict[str, Any]:
    facts = {"release": {"id": release}}
    return event("Build", role="release", action="release_archive", changed=changed,
                 ansible_facts=facts, **values)  # fmt: skip


def runs(release: str | None, *, settled: bool = True) -> dict[str, Any]:
    said = json.dumps({"release": release, "settled": settled})
    return event("Ask", host="i-1", role="grpc_server", action="command", changed=False,
                 cmd=["grpc-switch", "status", "--compare", "new"], stdout=said)  # fmt: skip


def plan(*events: dict[str, Any]) -> dict[str, Any]:
    return plan_answer(events, "demo", "lab")


def test_nothing_to_do_is_said_in_one_line() -> None:
    answer = plan(built("r1"), runs("r1"), event("Look", changed=False))
    assert answer["lines"] == ["demo (lab): site.yml has nothing to do"]
    assert answer["report"]["changes"] is False
    assert answer["report"]["release"]["running"] == {"i-1": "r1"}


def test_each_change_stands_under_where_it_is() -> None:
    diff = [{"before": "A=1\n", "after": "A=2\n"}, {"before": "x==1\n", "after": "x==1\n"}]
    answer = plan(
        event("Deploy", action="stack_deploy", changes=["~ update the firewall (Firewall)"]),
        event("Say", role="certificates", action="debug", msg="server: it expires", item="server"),
        built("r2", changed=True, diff=diff),
        event("Install", host="i-1", role="grpc_server", item="grpc-switch"),
        event("Write the units", host="i-1", role="grpc_server", changes=["/etc/x.service"]),
        runs("r1"),
    )
    assert answer["lines"] == [
        "demo (lab): site.yml would change this",
        "stack:",
        "  ~ update the firewall (Firewall)",
        "certificates:",
        "  server: it expires",
        "control node:",
        "  build release r2",
        "release, unlike the one built before:",
        "  - A=1",
        "  + A=2",
        "host i-1:",
        "  Install: grpc-switch",
        "  Write the units: /etc/x.service",
        "  switch from r1 to r2",
    ]
    assert answer["report"]["changes"] is True


def test_a_release_that_is_installed_but_not_in_use_is_switched_to() -> None:
    """After a rollback no file differs, and yet site.yml would change what runs."""
    assert plan(built("r2"), runs("r1"))["report"]["hosts"] == {"i-1": ["switch from r1 to r2"]}
    assert plan(built("r2"), runs(None))["report"]["hosts"] == {
        "i-1": ["switch from no release to r2"]
    }


def test_a_run_that_changes_the_fleet_now_is_told() -> None:
    lease = {"action": "deploy", "by": "ana", "from": "laptop", "seconds_left": 42.0}
    lock = event("Take the lock", action="fleet_lock", changed=False, lease=lease)
    answer = plan(lock, built("r1"), runs("r1"))
    assert answer["lines"][1:] == [
        "in progress:",
        "  deploy by ana from laptop, which keeps other runs away; lapses in 42 s unless renewed",
    ]
    assert answer["report"]["lease"] == lease
    assert answer["report"]["changes"] is False


def test_a_switch_that_was_not_finished_is_finished() -> None:
    hosts = plan(built("r1"), runs("r1", settled=False))["report"]["hosts"]
    assert hosts == {"i-1": ["have release r1 serve, confirmed and alone"]}


def test_a_loop_that_says_the_same_twice_is_said_once() -> None:
    changed = event("Copy the certificates", host="i-1", role="grpc_server")
    hosts = plan(changed, changed)["report"]["hosts"]
    assert hosts == {"i-1": ["Copy the certificates"]}
