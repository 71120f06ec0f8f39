"""The module `release_archive`: builds a release, unless it is there already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.release import ReleaseError, settings
from ..module_utils.release.builder import Builder
from ..module_utils.release.lock import installer, read
from ..module_utils.release.projects import Projects
from ..module_utils.release.store import Store
from ..module_utils.release.target import Target
from ..module_utils.release.wheels import Cache

DOCUMENTATION = """
module: release_archive
short_description: Builds a release, unless it is there already
description:
  - Builds the wheels of projects, fetches those of everything they need, and packs them with the
    server's settings and the descriptors of its interface into one tar whose name and bytes depend
    on its content only.
  - Nothing is built when an archive is there that was made from the same files, lock, settings,
    target and build tools. The projects' wheels are built once for the same files and build tools.
  - In check mode, the id is C(<version>-unbuilt) when wheels would have to be downloaded first.
options:
  projects:
    description: Folders with a C(pyproject.toml). The last one names the release.
    type: list
    elements: path
    required: true
  sources:
    description: Folders that the projects' builds read outside their own.
    type: list
    elements: path
    default: []
  ignored:
    description: Patterns of names of files and folders that are no part of a project.
    type: list
    elements: str
    default: []
  proto:
    description:
      - Folder of the C(.proto) files by which clients call the service.
      - By default the one that the build hook of the last project compiles, or its folder C(proto).
    type: path
  requirements:
    description: Locks with hashes that hold everything the projects need.
    type: list
    elements: path
    required: true
  installer_requirements:
    description: Lock with hashes from which the version of pip is taken, which hosts install with.
    type: path
    required: true
  settings:
    description: The server's settings.
    type: dict
    default: {}
  architecture:
    description: Architecture of the hosts.
    type: str
    choices: [x86_64, arm64]
    required: true
  python:
    description: Python version of the hosts, as in C(3.11).
    type: str
    required: true
  cache:
    description: Folder in which wheels are kept.
    type: path
    required: true
  directory:
    description: Folder of the archives.
    type: path
    required: true
  keep:
    description: How many archives stay.
    type: int
    default: 5
"""

EXAMPLES = """
- name: Build the release
  release_archive:
    projects: [app]
    requirements: [app/requirements.txt]
    installer_requirements: requirements.txt
    architecture: x86_64
    python: "3.11"
    cache: .cache/wheels
    directory: .deploy/local/releases
"""

RETURN = """
ansible_facts:
  description:
    - The fact C(release), with its C(id), the path of its C(archive), and the C(descriptors) of its
      interface in base64, empty when it has no C(.proto) files.
  type: dict
  returned: success
"""


def main() -> None:
    """Read the module's options, build, and answer."""
    text, paths = {"type": "str", "required": True}, {"type": "list", "elements": "path"}
    module = AnsibleModule(
        argument_spec={
            "projects": {**paths, "required": True},
            "sources": {**paths, "default": []},
            "ignored": {"type": "list", "elements": "str", "default": []},
            "proto": {"type": "path"},
            "requirements": {**paths, "required": True},
            "installer_requirements": {"type": "path", "required": True},
            "settings": {"type": "dict", "default": {}},
            "architecture": {**text, "choices": ["x86_64", "arm64"]},
            "python": text,
            "cache": {"type": "path", "required": True},
            "directory": {"type": "path", "required": True},
            "keep": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    try:
        result = _release(module.params, check_mode=module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


def _release(options: Mapping[str, Any], *, check_mode: bool) -> dict[str, object]:
    folders, sources, locks = (_paths(options[o]) for o in ("projects", "sources", "requirements"))
    target = Target(options["python"], options["architecture"])
    builder = Builder(
        projects=Projects(folders, sources, tuple(options["ignored"])),
        pins=read(locks, target),
        installer=installer(Path(options["installer_requirements"]), target),
        settings=settings.checked(options["settings"]),
        target=target,
        cache=Cache(Path(options["cache"]).resolve(), target),
        proto=Path(options["proto"]).resolve() if options["proto"] else None,
    )
    store = Store(Path(options["directory"]).resolve(), options["keep"])
    return builder.release(store, check_mode=check_mode)


def _paths(values: Iterable[str]) -> tuple[Path, ...]:
    return tuple(Path(value).resolve() for value in values)


if __name__ == "__main__":
    main()
