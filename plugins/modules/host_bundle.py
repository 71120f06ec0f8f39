"""Documentation of the action plugin `host_bundle`."""

DOCUMENTATION = r"""
module: host_bundle
short_description: Pack what a host of a fleet needs to configure itself
description:
  - Packs the roles, the plugins that they use, their arguments, and Ansible for the hosts' platform
    into one file. The same content gives the same file, and nothing is built when it is there.
  - The package index is used for the first one after a change of the lock.
  - Runs on the control node.
author: The saudacao authors
options:
  files:
    description: Folder with the program C(configure), and the playbook and settings that it uses.
    type: path
    required: true
  roles:
    description: Folders of the roles.
    type: list
    elements: path
    required: true
  variables:
    description: The roles' arguments. Nothing secret belongs here.
    type: dict
    required: true
  environment:
    description: Name of the environment, which the host's journal tells.
    type: str
    required: true
  requirements:
    description: Lock with hashes that has Ansible and what it needs.
    type: path
    required: true
  architecture:
    description: Architecture of the hosts, by EC2's name.
    type: str
    choices: [x86_64, arm64]
    required: true
  python:
    description: Python version of the hosts.
    type: str
    default: '3.11'
  directory:
    description: Folder in which bundles are kept.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Pack what hosts configure themselves with
  host_bundle:
    files: roles/release_bucket/files/host
    roles: [roles/grpc_server, roles/monitoring]
    variables: {grpc_server_port: 50051}
    environment: production
    requirements: requirements.txt
    architecture: x86_64
    directory: .deploy/production/bundles
"""

RETURN = r"""
path:
  description: The bundle.
  returned: always
  type: str
"""
