"""Documentation of the action plugin `stack_private_key`."""

DOCUMENTATION = r"""
module: stack_private_key
short_description: Keep the private key of a stack's own key pair on the control node
description:
  - Reads the key from the parameter store, where CloudFormation keeps that of an
    C(AWS::EC2::KeyPair), and writes it to a file that only its owner can read. The key is in no
    result, and no difference shows it.
  - Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  path:
    description: The file; its folder exists.
    type: path
    required: true
  key_pair:
    description: Id of the key pair.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Fetch the private key
  stack_private_key:
    path: .deploy/local/ssh_key
    key_pair: key-0123456789abcdef0
"""

RETURN = ""
