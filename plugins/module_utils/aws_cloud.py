"""The AWS APIs of one deployment, and their errors in plain words."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

AwsError = (BotoCoreError, ClientError)
_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10)
_REFUSED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "AuthFailure"}
_RENEW = (
    "Renew them, check with: aws sts get-caller-identity "
    "(in a Learner Lab: start the lab and copy 'AWS Details > AWS CLI' to ~/.aws/credentials)"
)


class StackError(Exception):
    """What happened, why, and the command to type, as one message for a person."""


class Cloud:
    """Clients for one region and one set of credentials, made when first used."""

    def __init__(self, aws: Mapping[str, Any]) -> None:
        """Take the inventory's `aws` variable; what it lacks comes from AWS's default chain."""
        self.endpoint: str | None = aws.get("endpoint_url") or None
        self._session = boto3.Session(
            aws_access_key_id=aws.get("access_key") or None,
            aws_secret_access_key=aws.get("secret_key") or None,
            aws_session_token=aws.get("session_token") or None,
            profile_name=aws.get("profile") or None,
            region_name=aws.get("region") or None,
        )

    @property
    def region(self) -> str:
        """The region's name, or an empty string when none is configured."""
        return self._session.region_name or ""

    @cached_property
    def autoscaling(self) -> AutoScalingClient:
        """The Auto Scaling API."""
        return self._session.client("autoscaling", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """The CloudFormation API."""
        return self._session.client("cloudformation", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def cloudwatch(self) -> Any:
        """The CloudWatch API."""
        return self._session.client("cloudwatch", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def ec2(self) -> EC2Client:
        """The EC2 API."""
        return self._session.client("ec2", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def elbv2(self) -> ElasticLoadBalancingv2Client:
        """The Elastic Load Balancing API."""
        return self._session.client("elbv2", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def logs(self) -> Any:
        """The CloudWatch Logs API."""
        return self._session.client("logs", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def s3(self) -> S3Client:
        """The S3 API."""
        return self._session.client("s3", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def ssm(self) -> SSMClient:
        """The Systems Manager API, for parameters."""
        return self._session.client("ssm", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def sts(self) -> STSClient:
        """The Security Token Service API."""
        return self._session.client("sts", endpoint_url=self.endpoint, config=_CONFIG)


def code_of(error: Exception) -> str:
    """Return AWS's error code, or an empty string for an error that is not AWS's answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def message_of(error: Exception) -> str:
    """Return AWS's own sentence, without the name of the operation and a final full stop."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Message", error)).rstrip(".")
    return str(error)


def explain(error: Exception, endpoint: str | None) -> str:
    """Say in plain words why AWS could not be asked, and what to type; `endpoint` may be None."""
    if isinstance(error, EndpointConnectionError) and endpoint:
        return (
            f"The local cloud does not answer at {endpoint}: nothing listens there. "
            "Start it with: sudo make local-up"
        )
    if isinstance(error, NoCredentialsError):
        return f"AWS cannot be asked: no credentials were found. {_RENEW}"
    if isinstance(error, NoRegionError):
        return (
            "AWS cannot be asked: no region is configured. "
            "Set `region` in the inventory's cloudformation_stack.yml, or: export AWS_REGION=..."
        )
    if code_of(error) in _REFUSED:
        return f"AWS refused the credentials: {message_of(error)}. {_RENEW}"
    return f"AWS answered with an error: {error}"
