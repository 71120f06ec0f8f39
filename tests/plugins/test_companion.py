"""A command beside a playbook: it is heard, it is ended, and it never outlives the playbook."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.grpc_server.host import wait_for

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
TALKS = "import sys, time\nprint('begun', flush=True)\n"


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Return a function that starts a playbook of companion tasks, each printed as JSON."""

    def start(*tasks: dict[str, object]) -> "subprocess.Popen[str]":
        steps: list[dict[str, object]] = []
        for task in tasks:
            options = {"name": "it", "directory": str(tmp_path / "companions"), **task}
            steps.append({"companion": options, "register": "it"})
            steps.append({"ansible.builtin.debug": {"msg": "RESULT {{ it | to_json }}"}})
        plays = [{"hosts": "localhost", "gather_facts": False, "tasks": steps}]
        path = tmp_path / "play.yml"
        path.write_text(json.dumps(plays))
        return subprocess.Popen(
            [PLAYBOOK, "--inventory", "localhost,", "--connection", "local", path],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        )  # fmt: skip

    return start


def python(source: str) -> dict[str, object]:
    return {"command": [sys.executable, "-c", source], "timeout": 20}


def results(process: "subprocess.Popen[str]") -> list[dict[str, object]]:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    lines = [line for line in output.splitlines() if "RESULT " in line]
    texts = [json.loads(line.strip().partition(": ")[2]) for line in lines]
    return [json.loads(text.removeprefix("RESULT ")) for text in texts]


def runs(mark: Path) -> bool:
    return mark.exists() and Path(f"/proc/{mark.read_text()}").exists()


def test_it_is_heard_while_it_runs_and_ended_when_asked(
    play: Callable[..., "subprocess.Popen[str]"],
) -> None:
    catches = "import signal\nsignal.signal(15, lambda *_: (print('ended'), sys.exit(3)))\n"
    source = TALKS.replace("print", f"{catches}print", 1) + "time.sleep(60)"
    started, stopped = results(play(python(source), {"state": "stopped"}))
    assert (started["ended"], started["stdout"]) == (False, "begun\n")
    assert (stopped["ended"], stopped["exit_code"]) == (True, 3)
    assert stopped["stdout"] == "begun\nended\n"


def test_one_that_ends_by_itself_is_waited_for(
    play: Callable[..., "subprocess.Popen[str]"],
) -> None:
    _, ended = results(
        play(python(TALKS + "time.sleep(1); sys.exit(4)"), {"state": "ended", "timeout": 20})
    )
    assert (ended["ended"], ended["exit_code"]) == (True, 4)


def test_one_that_ignores_its_end_is_killed(
    play: Callable[..., "subprocess.Popen[str]"],
) -> None:
    source = TALKS.replace("print", "import signal\nsignal.signal(15, lambda *_: None)\nprint", 1)
    loop = "while True: time.sleep(1)"
    _, stopped = results(play(python(source + loop), {"state": "stopped", "timeout": 1}))
    assert (stopped["ended"], stopped["exit_code"]) == (True, -signal.SIGKILL)


def test_it_hears_a_beat(play: Callable[..., "subprocess.Popen[str]"]) -> None:
    source = "import sys\nfor _ in range(3): sys.stdin.readline()\nprint('three')\n"
    _, ended = results(play({**python(source), "beat": 0.1}, {"state": "ended", "timeout": 20}))
    assert ended["stdout"] == "three\n"


def test_one_that_says_nothing_fails_and_is_ended(
    play: Callable[..., "subprocess.Popen[str]"],
) -> None:
    process = play({**python("import time; time.sleep(60)"), "timeout": 1})
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "has written nothing in 1 s" in output


def test_a_command_that_is_not_there_is_named(
    play: Callable[..., "subprocess.Popen[str]"],
) -> None:
    (started,) = results(play({"command": ["no-such-program"]}))
    assert (started["exit_code"], started["ended"]) == (127, True)
    assert "no-such-program could not be started" in str(started["stderr"])


def test_it_ends_when_its_playbook_is_killed(
    play: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    source = f"import os, pathlib\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\n"
    process = play(python(source + TALKS + "time.sleep(60)"), {"state": "ended", "timeout": 60})
    wait_for(lambda: runs(mark), "the companion runs", 30)
    process.kill()
    process.wait()
    wait_for(lambda: not runs(mark), "the companion has ended", 15)


def test_another_playbook_neither_ends_it_nor_hears_it(
    play: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    source = f"import os, pathlib\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\n"
    first = play(
        python(source + TALKS + "time.sleep(60)"),
        {"state": "ended", "timeout": 60},
    )
    wait_for(lambda: runs(mark), "the companion runs", 30)
    for told in results(play({"state": "ended", "timeout": 0}, {"state": "stopped"})):
        assert (told["ended"], told["stdout"]) == (True, "")
    assert runs(mark)
    first.kill()
    first.communicate()
    wait_for(lambda: not runs(mark), "the companion has ended", 15)


def test_what_it_complains_of_before_it_ends_is_not_taken_for_a_beginning(
    play: Callable[..., "subprocess.Popen[str]"],
) -> None:
    """As a host that refuses its lock, and a program that needs a moment to end."""
    source = "import sys, time\nprint('refused', file=sys.stderr, flush=True)\n"
    (started,) = results(play(python(source + "time.sleep(1); sys.exit(1)")))
    assert (started["ended"], started["exit_code"]) == (True, 1)
    assert started["stderr"] == "refused\n"


def test_it_may_be_heard_on_standard_error(play: Callable[..., "subprocess.Popen[str]"]) -> None:
    source = "import sys, time\nprint('begun', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    (started,) = results(play({**python(source), "heard_on": "stderr"}))
    assert (started["ended"], started["stderr"]) == (False, "begun\n")
