"""The module `concurrent_commands`: runs commands side by side and returns what each said."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: concurrent_commands
short_description: Runs commands side by side and returns what each said
description:
  - Runs commands that change nothing, all at once and without a shell. It never fails because a
    command did; the answers say how each ended. Runs in check mode too.
options:
  commands:
    description: Argument lists by name.
    type: dict
    required: true
  timeout:
    description: Seconds after which a command is killed.
    type: int
    default: 60
"""

EXAMPLES = """
- name: Ask two things
  concurrent_commands:
    commands:
      host: [uname, -n]
      time: [date]
"""

RETURN = """
answers:
  description:
    - By name, C(rc), C(stdout), C(stderr) and the C(argv) that was run. C(rc) is null, and
      C(stderr) says why, for a command that could not be started or was killed.
  type: dict
  returned: always
started:
  description: When the first command started, in seconds since 1970.
  type: int
  returned: always
"""


def main() -> None:
    """Run the commands and answer."""
    module = AnsibleModule(
        argument_spec={
            "commands": {"type": "dict", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    commands, timeout = module.params["commands"], module.params["timeout"]
    started = int(time.time())
    with ThreadPoolExecutor(max(1, len(commands))) as pool:
        results = pool.map(partial(run, timeout=timeout), commands.values())
        answers = dict(zip(commands, results, strict=True))
    module.exit_json(changed=False, answers=answers, started=started)


def run(argv: list[str], timeout: int) -> dict[str, object]:
    """Run one command for at most `timeout` seconds; return its exit code and what it wrote."""
    answer: dict[str, object] = {"argv": argv, "rc": None, "stdout": ""}
    try:
        result = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    except OSError as error:
        return answer | {"stderr": f"{argv[0]} could not be started: {error.strerror}"}
    except subprocess.TimeoutExpired:
        return answer | {"stderr": f"there was no answer within {timeout} s"}
    return answer | {"rc": result.returncode, "stdout": result.stdout, "stderr": result.stderr}


if __name__ == "__main__":
    main()
