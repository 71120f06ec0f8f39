"""AWS's errors reach a person as what happened, why, and what to type."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
)

from plugins.module_utils.aws_cloud import explain


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "It is over."}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (EndpointConnectionError(endpoint_url="x"), "sudo make local-up"),
        (NoCredentialsError(), "no credentials were found.*aws sts get-caller-identity"),
        (NoRegionError(), "export AWS_REGION="),
        (refused("ExpiredToken"), "refused the credentials: It is over. Renew them"),
        (refused("Throttling"), "answered with an error: .*Throttling"),
    ],
)
def test_an_error_of_aws_is_explained(error: Exception, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(explain(error, "http://127.0.0.1:4566"))
