"""The module `release_compatibility`: finds what a release breaks for clients of another."""

from __future__ import annotations

import base64
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.compatibility import ComparisonError, breaking_changes, descriptors_of

DOCUMENTATION = """
module: release_compatibility
short_description: Finds what a release breaks for clients of another
description:
  - Compares the descriptors of two releases with C(buf breaking), and changes nothing. It does not
    fail because it finds something. Runs in check mode too.
options:
  archive:
    description: Archive of the new release.
    type: path
    required: true
  descriptors:
    description: Descriptors of the new release, in base64, for when its archive is not there yet.
    type: str
    default: ""
  against:
    description: Descriptors of the other release, in base64. Empty when it has none.
    type: str
    default: ""
"""

EXAMPLES = """
- name: Find what breaks old clients
  release_compatibility:
    archive: .deploy/local/releases/0.1.0-0123456789ab.tar
    against: "{{ running.content }}"
"""

RETURN = """
breaking:
  description: A sentence for each thing that breaks, with its file, message and field.
  type: list
  elements: str
  returned: success
without:
  description: Which of the releases have no descriptors, C(new) and C(running).
  type: list
  elements: str
  returned: success
"""


def main() -> None:
    """Read the module's options, compare, and answer."""
    text = {"type": "str", "default": "", "no_log": False}
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "descriptors": text,
            "against": text,
        },
        supports_check_mode=True,
    )
    try:
        result = _compared(module.params)
    except (ComparisonError, tarfile.TarError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


def _compared(options: Mapping[str, Any]) -> dict[str, list[str]]:
    archive, before = Path(options["archive"]), base64.b64decode(options["against"])
    here = archive.is_file()
    after = descriptors_of(archive) if here else base64.b64decode(options["descriptors"])
    without = [name for name, data in (("new", after), ("running", before)) if not data]
    return {"without": without, "breaking": [] if without else breaking_changes(before, after)}


if __name__ == "__main__":
    main()
