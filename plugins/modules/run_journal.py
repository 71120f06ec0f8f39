"""What the action `run_journal` takes and returns; the work is in plugins/action/run_journal.py."""

from __future__ import annotations

DOCUMENTATION = """
module: run_journal
short_description: Writes what a run intends, or how it ended, into the control node's journal
description:
  - Appends one JSON object to a file, and makes sure that it is on the disk. An intent gets an id,
    the time, the person, the control node's name and the git commit of the repository. An outcome
    gets the id of its intent.
  - Nothing is written in check mode; the answer is as if it were.
options:
  path:
    description: The journal. It is created with mode 0600.
    type: path
    required: true
  id:
    description: Id of the run whose outcome this is. Without it, the entry is an intent.
    type: str
  entry:
    description:
      - For an intent C(action), C(environment), C(host) and C(release); for an outcome C(outcome),
        C(reason) and C(calls).
    type: dict
    required: true
"""

EXAMPLES = """
- name: Note what is about to happen
  run_journal:
    path: .deploy/journal.jsonl
    entry: {action: deploy, release: 0.1.0-abc}
  register: run

- name: Note how it ended
  run_journal:
    path: .deploy/journal.jsonl
    id: "{{ run.id }}"
    entry: {outcome: done}
"""

RETURN = """
id:
  description: Id of the run.
  type: str
  returned: always
entry:
  description: What was added to the entry that was given, together with it.
  type: dict
  returned: always
path:
  description: The journal; null when nothing was written.
  type: path
  returned: always
"""
