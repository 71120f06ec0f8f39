"""One row: deploy, strike, let the host come to rest, and deploy again."""

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.chaos.client import Client, Seen
from tests.chaos.host import Host
from tests.chaos.rows import NEW, OLD, Row
from tests.chaos.scene import Scene
from tests.chaos.stages import STAGES, Progress
from tests.conftest import AS_TYPED, ROOT
from tests.e2e.environment import Environment

LOOK_AGAIN_SECONDS = 0.005
STAGE_SECONDS = 120.0
END_SECONDS = 240.0
REST_SECONDS = 120.0
FIRST = 64
DEPLOY = ("ansible-playbook", "playbooks/deploy.yml")


@dataclass(frozen=True)
class Outcome:
    """What came of a row. `deploy` and `next` are how the two runs ended."""

    name: str
    why: str
    deploy: int
    said: str
    seen: Seen
    serves: str
    journal: str
    rest_seconds: float
    next: int
    next_changed: int
    next_serves: str
    next_seconds: float
    next_said: str

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


class Deployment:
    """The deployment that the rows share: one host, and releases that differ in a setting.

    `following` is the playbook that is run after a fault.
    """

    def __init__(self, environment: Environment, folder: Path, following: str) -> None:
        self._environment, self._folder, self._following = environment, folder, following
        environment.playbook(
            "playbooks/provision.yml", "playbooks/deploy.yml", "--extra-vars", _settings(FIRST)
        )
        self.host = Host(environment.name, environment.cloud)
        self._releases = {FIRST: str(self._rest()["release"])}

    def end(self) -> None:
        """Remove the host; the rest of the stack goes with the cloud."""
        self.host.ec2.terminate_instances(InstanceIds=[self.host.instance])

    def run(self, row: Row) -> Outcome:
        """Deploy another release, strike, wait for the host's rest, and deploy it again."""
        old = str(self._rest()["release"])
        number = self._number(row, old)
        scene = Scene(self._environment, self.host, old, self._folder)
        row.fault.prepare(scene)
        client = Client(self._environment)
        try:
            try:
                code, said, struck = self._deploy(row, scene, number)
            finally:
                row.fault.mend(scene)
                _end(scene.deployment)
            status = self._rest()
            seconds = time.monotonic() - struck
            run = self._journal()
            begin = time.monotonic()
            following = self._environment.run(
                "ansible-playbook", self._following, "--extra-vars", _settings(number)
            )
            took = time.monotonic() - begin
            after = self._rest()
        finally:
            seen = client.stop()
        names = {old: OLD, scene.new: NEW}
        return Outcome(
            name=row.name,
            why=row.why,
            deploy=code,
            said=said,
            seen=seen,
            serves=names.get(status["release"], status["release"]),
            journal=run,
            rest_seconds=round(seconds, 1),
            next=following.code,
            next_changed=sum(following.changed.values()),
            next_serves=names.get(after["release"], after["release"]),
            next_seconds=round(took, 1),
            next_said="" if following.code == 0 else following.output[-3000:],
        )

    def _number(self, row: Row, old: str) -> int:
        """Choose the release: one that has to be installed, or one that is there already."""
        here = [number for number, release in self._releases.items() if release != old]
        if here and row.stage not in {"before the install", "while installing"}:
            return here[-1]
        return max(self._releases) + 1

    def _deploy(self, row: Row, scene: Scene, number: int) -> tuple[int, str, float]:
        """Deploy, and strike when the stage has come; return code, last words, and when."""
        path = self._folder / "output"
        known = len(self._journal_lines())
        with path.open("wb") as output:
            scene.deployment = subprocess.Popen(
                [*AS_TYPED, *DEPLOY, "--extra-vars", _settings(number)],
                cwd=ROOT,
                env=self._environment.process_environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        has_come, deadline = STAGES[row.stage], time.monotonic() + STAGE_SECONDS
        while True:
            begun = self._journal_lines()[known:]
            if begun:
                scene.new = self._releases[number] = str(begun[0]["release"])
                if has_come(Progress(path.read_text(), self.host, scene.new)):
                    break
            ended = scene.deployment.poll() is not None or time.monotonic() > deadline
            assert not ended, f"{row.stage} has not come: {path.read_text()[-3000:]}"
            time.sleep(LOOK_AGAIN_SECONDS)
        struck = time.monotonic()
        row.fault.strike(scene)
        code = scene.deployment.wait(END_SECONDS)
        return code, _last_words(path.read_text()), struck

    def _journal_lines(self) -> list[dict[str, Any]]:
        path = self._environment.state.parent / "journal.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        return [line for line in whole if line["event"] == "begin"]

    def _journal(self) -> str:
        run = self.host.ask("journal")["runs"][-1]
        return str(run["outcome"] or "interrupted")

    def _rest(self) -> dict[str, Any]:
        """Wait until the host is at rest, nobody holds its lock, and one release runs."""
        deadline = time.monotonic() + REST_SECONDS
        while True:
            status = self.host.ask("status")
            if status and status["settled"] and not status["lease"]:
                states = {name: release["state"] for name, release in status["releases"].items()}
                if [name for name in states if states[name] != "inactive"] == [status["release"]]:
                    return status
            assert time.monotonic() < deadline, f"the host did not come to rest: {status}"
            time.sleep(0.4)


def _end(deployment: "subprocess.Popen[bytes] | None") -> None:
    """End a deployment that a row which failed half way has left."""
    if deployment is not None and deployment.poll() is None:
        os.killpg(deployment.pid, signal.SIGKILL)
        deployment.wait()


def _settings(number: int) -> str:
    settings = {
        "SERVER_MAX_CONNECTION_AGE": "2",
        "SERVER_MAX_CONNECTION_AGE_GRACE": "5",
        "SERVER_MAX_QUEUE": str(number),
        "SERVER_SERVICE": "hangs",
    }
    return json.dumps({"release_settings": settings})


def _last_words(output: str) -> str:
    """Return the first message of what failed last: what a person reads first."""
    found: list[str] = re.findall(r"(?:msg|fatal): (?:\|-\n\s*)?(.*)", output)
    return found[-1].strip() if found else ""
