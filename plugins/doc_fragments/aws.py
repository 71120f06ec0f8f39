"""The option that every action of ours which talks to AWS has."""


class ModuleDocFragment:
    """Found by Ansible under the name of this file."""

    DOCUMENTATION = r"""
options:
  aws:
    description:
      - C(region), C(endpoint_url), C(access_key), C(secret_key); what is missing comes from AWS's
        default chain. Without it the variable C(aws) of the inventory is used.
    type: dict
"""
