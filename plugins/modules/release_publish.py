"""Documentation of the action plugin `release_publish`."""

DOCUMENTATION = r"""
module: release_publish
short_description: Publish what the new hosts of a fleet take
description:
  - Puts files into the parameter store, as SecureStrings, and the release and what hosts configure
    themselves with into the bucket, each only if it is not there already.
  - Last of all comes C(current.json), which names what new hosts take. It is written when there is
    none, and with O(proven).
  - Contents of parameters are never shown. Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  bucket:
    description: Name of the bucket.
    type: str
    required: true
  release:
    description: Id of the release; without it only parameters are published.
    type: str
    default: ''
  archive:
    description: The release's archive; without it, the release is one that the bucket has.
    type: path
  bundle:
    description:
      - What a host configures itself with, as M(host_bundle) makes it. Without it, what
        C(current.json) names stays.
    type: path
  parameters:
    description: Paths of files, by the names of the parameters that get their content.
    type: dict
    default: {}
  proven:
    description: Whether C(current.json) may name this although it names another.
    type: bool
    default: false
  group:
    description:
      - Auto Scaling group that replaces hosts again, with O(proven), although too many have failed
        to configure themselves. Empty means that it stays as it is.
    type: str
    default: ''
  keep:
    description: How many archives and bundles stay, besides those that C(current.json) names.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Let new hosts take a release that the bucket has
  release_publish:
    bucket: "{{ stack.ReleaseBucket }}"
    release: 0.1.0-0123456789ab
    proven: true

- name: Publish the release
  release_publish:
    bucket: "{{ stack.ReleaseBucket }}"
    release: "{{ release.id }}"
    archive: "{{ release.archive }}"
    bundle: .deploy/production/bundles/0123456789abcdef.tar.gz
    parameters:
      /saudacao/tls/ca.crt: .deploy/production/certificates/ca.crt
"""

RETURN = r"""
changes:
  description: What was published, or would be.
  returned: always
  type: list
  elements: str
is_first:
  description: Whether nothing was named before.
  returned: always
  type: bool
"""
