"""What an EC2 instance has printed on its console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.module_utils.aws_cloud import code_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def console(ec2: EC2Client, instance: str) -> str:
    """Return the newest output there is; some instance types have only that of their boot."""
    try:
        answer = ec2.get_console_output(InstanceId=instance, Latest=True)
    except ec2.exceptions.ClientError as error:
        if code_of(error) != "UnsupportedOperation":
            raise
        answer = ec2.get_console_output(InstanceId=instance)
    return answer.get("Output", "")
