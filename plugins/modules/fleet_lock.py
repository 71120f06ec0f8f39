"""Documentation of the action plugin `fleet_lock`."""

DOCUMENTATION = r"""
module: fleet_lock
short_description: Take the lock of a fleet, and hold it until the playbook ends
description:
  - One run at a time changes a fleet. Its lease is C(lease.json) in the fleet's bucket, and its
    journal C(journal.jsonl) there. A run that holds the lease renews it while its playbook lives,
    and gives it back when that ends, however it does. One that is cut off blocks nobody for longer
    than O(seconds).
  - How the playbook ended is written into the journal by the callback C(fleet_run). Whoever takes
    the lock again in the same playbook goes on with the same run.
  - In check mode, nothing is taken, and it is said who holds it. Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  bucket:
    description: Name of the fleet's bucket.
    type: str
    required: true
  state:
    description:
      - C(taken) takes the lock, or fails and says who holds it, since when, for what, and when that
        lapses.
      - C(required) fails unless this playbook has taken it and no other run has had it since.
      - C(asked) says who holds it, and which runs there were.
    type: str
    choices: [taken, required, asked]
    default: taken
  directory:
    description: Folder on the control node for the process that renews it, made with mode 0700.
    type: path
  entry:
    description: What is about to happen, with C(action), C(environment) and C(release).
    type: dict
    default: {}
  seconds:
    description: Seconds after which the lock lapses, unless it is renewed.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Take the fleet's lock
  fleet_lock:
    bucket: "{{ stack.ReleaseBucket }}"
    directory: .deploy/production/companions
    entry: {action: deploy, environment: production}
"""

RETURN = r"""
id:
  description: Id of the run.
  returned: for O(state=taken), except in check mode
  type: str
folder:
  description: Folder of the process that renews the lock.
  returned: for O(state=taken), except in check mode
  type: path
lease:
  description:
    - Who holds it, as C(id), C(action), C(by), C(from), C(since), C(until), C(seconds) and
      C(seconds_left). Null when nobody does.
  returned: for O(state=asked), and in check mode
  type: dict
runs:
  description: Each run's intent and outcome, the oldest first.
  returned: for O(state=asked), and in check mode
  type: list
  elements: dict
interrupted:
  description: Those after the last finished one that neither ended nor hold the lock.
  returned: for O(state=asked), and in check mode
  type: list
  elements: dict
"""
