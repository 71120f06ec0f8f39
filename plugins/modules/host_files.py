"""The module `host_files`: writes several small files over one connection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: host_files
short_description: Writes several small files over one connection
description:
  - Each file belongs to root and is replaced whole. One that has its content, owner and mode stays
    as it is. Their folders have to be there, except in check mode.
options:
  contents:
    description: The text of each file, by its path.
    type: dict
    required: true
  mode:
    description: Mode of all of them.
    type: str
    default: "0644"
"""

EXAMPLES = """
- name: Write two files
  host_files:
    contents:
      /etc/example/one: first
      /etc/example/two: second
"""

RETURN = """
changes:
  description: Paths of the files that were written, or whose owner or mode was set.
  type: list
  elements: str
  returned: success
"""


def main() -> None:
    """Read the module's options, write what differs, and answer."""
    module = AnsibleModule(
        argument_spec={
            "contents": {"type": "dict", "required": True},
            "mode": {"type": "str", "default": "0644"},
        },
        supports_check_mode=True,
    )
    changes, diff = [], []
    for name, content in module.params["contents"].items():
        path, wanted = Path(name), content.encode()
        is_here = path.is_file() and not path.is_symlink()
        found = path.read_bytes() if is_here else b""
        if is_here and found == wanted:
            changed = _set_attributes(module, path)
        else:
            changed = True
            header = {"before_header": name, "after_header": name}
            diff.append({**header, "before": found.decode(errors="replace"), "after": content})
            if not module.check_mode:
                _write(module, path, wanted)
        if changed:
            changes.append(name)
    module.exit_json(changed=bool(changes), changes=changes, diff=diff)


def _write(module: AnsibleModule, path: Path, content: bytes) -> None:
    """Write beside, then put it in the old one's place: nobody reads half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.touch(mode=0o600)
        beside.write_bytes(content)
        _set_attributes(module, beside)
        module.atomic_move(str(beside), str(path))
    except OSError as error:
        module.fail_json(msg=f"{path} could not be written: {error.strerror}")
    _set_attributes(module, path)


def _set_attributes(module: AnsibleModule, path: Path) -> bool:
    options = {"path": str(path), "owner": "root", "group": "root", "mode": module.params["mode"]}
    arguments: dict[str, Any] = module.load_file_common_arguments(options)
    return bool(module.set_fs_attributes_if_different(arguments, False))


if __name__ == "__main__":
    main()
