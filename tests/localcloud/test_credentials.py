"""The keys that hosts get for their role, and what they open."""

import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.credentials import Credentials
from localcloud.settings import Settings
from tests.conftest import Cloud
from tests.localcloud.conftest import Launch, connection
from tests.localcloud.guests import Guest, until
from tests.localcloud.stacks import Stack

NAME = "localcloud-credentials"
MINE, FOREIGN = f"/{NAME}/mine", f"/{NAME}/foreign"
METADATA = "http://169.254.169.254/latest/meta-data"
TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}


def policy(folder: str) -> str:
    """What the role may do: read objects and parameters below one name."""
    allowed = (
        ("s3:GetObject", f"arn:aws:s3:::{NAME}/{folder}/*"),
        ("ssm:GetParameter*", f"arn:aws:ssm:us-east-1:*:parameter/{NAME}/{folder}"),
        ("logs:CreateLogStream", f"arn:aws:logs:us-east-1:*:log-group:/{NAME}/{folder}:*"),
        ("logs:PutLogEvents", f"arn:aws:logs:us-east-1:*:log-group:/{NAME}/{folder}:*"),
    )
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allowed
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture(scope="module")
def role(cloud: Cloud) -> Iterator[Any]:
    """The role, its profile, and two objects and parameters of which it may read one each."""
    given: Any = connection(cloud)
    clients: Any = [boto3.client(name, **given) for name in ("iam", "logs", "s3", "ssm")]
    iam, logs, s3, ssm = clients
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.put_role_policy(RoleName=NAME, PolicyName="read", PolicyDocument=policy("mine"))
    iam.create_instance_profile(InstanceProfileName=NAME)
    iam.add_role_to_instance_profile(InstanceProfileName=NAME, RoleName=NAME)
    s3.create_bucket(Bucket=NAME)
    for folder in ("mine", "foreign"):
        s3.put_object(Bucket=NAME, Key=f"{folder}/file", Body=f"content of {folder}".encode())
        ssm.put_parameter(Name=f"/{NAME}/{folder}", Value=f"secret of {folder}", Type="String")
        logs.create_log_group(logGroupName=f"/{NAME}/{folder}")
        logs.create_log_stream(logGroupName=f"/{NAME}/{folder}", logStreamName="other")
    yield iam
    for folder in ("mine", "foreign"):
        logs.delete_log_group(logGroupName=f"/{NAME}/{folder}")
        s3.delete_object(Bucket=NAME, Key=f"{folder}/file")
        ssm.delete_parameter(Name=f"/{NAME}/{folder}")
    s3.delete_bucket(Bucket=NAME)
    iam.remove_role_from_instance_profile(InstanceProfileName=NAME, RoleName=NAME)
    iam.delete_instance_profile(InstanceProfileName=NAME)
    iam.delete_role_policy(RoleName=NAME, PolicyName="read")
    iam.delete_role(RoleName=NAME)


def metadata(host: Guest, path: str) -> str:
    return host.run(
        "token=$(curl -sf -X PUT http://169.254.169.254/latest/api/token"
        " -H 'X-aws-ec2-metadata-token-ttl-seconds: 60');"
        f' curl -s -H "X-aws-ec2-metadata-token: $token" {METADATA}/{path}'
    )


@dataclass(frozen=True)
class Caller:
    """A program on a host that calls the API with keys."""

    host: Guest
    key: str
    secret: str
    token: str = ""

    def call(self, service: str, path: str, *options: str) -> str:
        """Return the answer's status, a space and its body."""
        flags = [f"-H 'x-amz-security-token: {self.token}'"] if self.token else []
        return self.host.run(
            f"curl -s -w '\\n%{{http_code}}' --aws-sigv4 aws:amz:us-east-1:{service}"
            f" --user {self.key}:{self.secret} {' '.join((*flags, *options))}"
            f" $(cat /etc/localcloud-endpoint){path}"
        )

    def read(self, key: str) -> str:
        """Read an object of the bucket."""
        return self.call("s3", f"/{NAME}/{key}", "-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'")

    def ask(self, service: str, target: str, **asked: Any) -> str:
        """Call a service that speaks JSON."""
        return self.call(
            *(service, "/", f"-H 'X-Amz-Target: {target}'"),
            *("-H 'Content-Type: application/x-amz-json-1.1'", f"-d '{json.dumps(asked)}'"),
        )

    def parameters(self, action: str, **asked: Any) -> str:
        """Read parameters."""
        return self.ask("ssm", f"AmazonSSM.{action}", **asked)

    def logs(self, action: str, folder: str, **asked: Any) -> str:
        """Do something with a log group."""
        group = f"/{NAME}/{folder}"
        return self.ask("logs", f"Logs_20140328.{action}", logGroupName=group, **asked)


@pytest.fixture(scope="module")
def host(role: Any, launch: Launch) -> Guest:
    assert role
    return launch(IamInstanceProfile={"Name": NAME}).ready()


@pytest.fixture(scope="module")
def keys(host: Guest) -> dict[str, str]:
    assert metadata(host, "iam/security-credentials/") == NAME
    found: dict[str, str] = json.loads(metadata(host, f"iam/security-credentials/{NAME}"))
    return found


@pytest.fixture(scope="module")
def caller(host: Guest, keys: dict[str, str]) -> Caller:
    return Caller(host, keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"])


def test_a_host_reads_the_object_that_its_role_may_read_and_no_other(caller: Caller) -> None:
    assert caller.read("mine/file") == "content of mine\n200"
    refused = caller.read("foreign/file")
    assert refused.endswith("\n403")
    assert "<Code>AccessDenied</Code>" in refused


@pytest.mark.parametrize(
    ("action", "allowed", "refused"),
    [
        ("GetParameter", {"Name": MINE}, {"Name": FOREIGN}),
        ("GetParameters", {"Names": [MINE]}, {"Names": [MINE, FOREIGN]}),
    ],
)
def test_a_host_reads_the_parameter_that_its_role_may_read_and_no_other(
    caller: Caller, action: str, allowed: dict[str, Any], refused: dict[str, Any]
) -> None:
    assert "secret of mine" in caller.parameters(action, **allowed)
    answer = caller.parameters(action, **refused)
    assert "AccessDeniedException" in answer
    assert "secret" not in answer


def test_a_host_writes_to_the_log_group_that_its_role_may_write_to_and_to_no_other(
    caller: Caller,
) -> None:
    events = [{"timestamp": int(time.time() * 1000), "message": "a line"}]
    stream: Any = {"logStreamName": caller.host.instance_id}
    assert caller.logs("CreateLogStream", "mine", **stream).endswith("\n200")
    assert caller.logs("PutLogEvents", "mine", logEvents=events, **stream).endswith("\n200")
    for refused in (
        caller.logs("CreateLogStream", "foreign", **stream),
        caller.logs("PutLogEvents", "foreign", logEvents=events, logStreamName="other"),
        caller.logs("FilterLogEvents", "mine"),
        caller.logs("DeleteLogGroup", "mine"),
    ):
        assert "AccessDeniedException" in refused
        assert refused.endswith("\n400")


def test_a_policy_for_log_groups_needs_what_stands_behind_their_name(
    role: Any, caller: Caller
) -> None:
    """As on AWS: an ARN without :* opens no stream."""
    short = policy("mine").replace(':*"', '"')
    role.put_role_policy(RoleName=NAME, PolicyName="read", PolicyDocument=short)
    refused = caller.logs("CreateLogStream", "mine", logStreamName="another")
    assert "AccessDeniedException" in refused
    role.put_role_policy(RoleName=NAME, PolicyName="read", PolicyDocument=policy("mine"))


def test_the_keys_are_checked_wherever_they_are_used(
    cloud: Cloud, host: Guest, keys: dict[str, str]
) -> None:
    given: Any = connection(cloud)
    given |= {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["Token"],
    }
    s3: Any = boto3.client("s3", **given)
    me = boto3.client("sts", **given).get_caller_identity()
    assert me["Arn"].endswith(f":assumed-role/{NAME}/{host.instance_id}")
    assert s3.get_object(Bucket=NAME, Key="mine/file")["Body"].read() == b"content of mine"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=NAME, Key="mine/file", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=NAME, Key="foreign/file")


def test_a_change_of_the_policy_takes_effect(role: Any, caller: Caller) -> None:
    role.put_role_policy(RoleName=NAME, PolicyName="read", PolicyDocument=policy("foreign"))
    assert caller.read("foreign/file") == "content of foreign\n200"
    assert caller.read("mine/file").endswith("\n403")
    role.put_role_policy(RoleName=NAME, PolicyName="read", PolicyDocument=policy("mine"))


def test_invented_keys_and_the_operators_open_nothing_on_a_host(host: Guest) -> None:
    for key in ("anything", "test", "000000000000"):
        assert Caller(host, key, key).read("mine/file").endswith("\n403")


def test_a_wrong_secret_opens_nothing(host: Guest, keys: dict[str, str]) -> None:
    forged = Caller(host, keys["AccessKeyId"], "wrong", keys["Token"])
    assert "SignatureDoesNotMatch" in forged.read("mine/file")


def test_the_emulators_own_calls_are_not_for_hosts(host: Guest) -> None:
    reset = "curl -s -o /dev/null -w %{http_code} -X POST $(cat /etc/localcloud-endpoint)"
    assert host.run(f"{reset}/_ministack/reset") == "403"


def test_a_host_without_a_profile_has_no_keys(launch: Launch) -> None:
    plain = launch().ready()
    assert "iam/" not in metadata(plain, "").split("\n")
    assert metadata(plain, "iam/security-credentials/") == ""


BUCKET_STACK = json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}})


class Deployer:
    """A user with a key, whose policy the operator changes."""

    def __init__(self, cloud: Cloud, iam: Any, key: dict[str, str]) -> None:
        self._given: Any = {
            **connection(cloud),
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }
        self._iam = iam

    def client(self, service: str) -> Any:
        session: Any = boto3.Session()
        return session.client(service, **self._given)

    def allow(self, *actions: str) -> None:
        allowed = {"Effect": "Allow", "Action": [*actions], "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        self._iam.put_user_policy(UserName=NAME, PolicyName="deploy", PolicyDocument=document)


@pytest.fixture(scope="module")
def deployer(cloud: Cloud) -> Iterator[Deployer]:
    iam: Any = boto3.client("iam", **connection(cloud))
    iam.create_user(UserName=NAME)
    key = iam.create_access_key(UserName=NAME)["AccessKey"]
    yield Deployer(cloud, iam, key)
    iam.delete_user_policy(UserName=NAME, PolicyName="deploy")
    iam.delete_access_key(UserName=NAME, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=NAME)


def test_a_role_is_given_to_a_host_only_by_who_may_pass_it(
    role: Any, deployer: Deployer, image: str
) -> None:
    assert role

    def launched() -> str:
        with pytest.raises(ClientError) as caught:
            deployer.client("ec2").run_instances(
                ImageId=image,
                InstanceType="t3.micro",
                IamInstanceProfile={"Name": NAME},
                MinCount=1,
                MaxCount=1,
                DryRun=True,
            )
        return str(caught.value.response["Error"]["Code"])

    deployer.allow("iam:PassRole")
    assert launched() == "UnauthorizedOperation"
    deployer.allow("ec2:RunInstances")
    assert launched() == "UnauthorizedOperation"
    deployer.allow("ec2:RunInstances", "iam:PassRole")
    assert launched() == "DryRunOperation"


def test_a_stack_does_only_what_its_caller_may_do(deployer: Deployer) -> None:
    cloudformation = deployer.client("cloudformation")

    def status() -> str:
        try:
            found: str = cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]["StackStatus"]
        except ClientError:
            return "gone"
        return found

    def outcome(*actions: str) -> str:
        deployer.allow(*actions)
        try:
            cloudformation.create_stack(StackName=NAME, TemplateBody=BUCKET_STACK)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        until(lambda: not status().endswith("IN_PROGRESS"), f"{NAME} has settled")
        settled = status()
        cloudformation.delete_stack(StackName=NAME)
        until(lambda: status() == "gone", f"{NAME} is gone")
        return settled

    stacks = "cloudformation:*"
    assert outcome("s3:*") == "AccessDenied"
    assert outcome(stacks) == "ROLLBACK_COMPLETE"
    assert outcome(stacks, "s3:CreateBucket", "s3:DeleteBucket") == "CREATE_COMPLETE"


MONITORING = (
    *("cloudwatch:PutDashboard", "cloudwatch:PutMetricAlarm", "logs:CreateLogGroup"),
    *("logs:PutMetricFilter", "logs:PutRetentionPolicy", "sns:CreateTopic", "sns:Subscribe"),
)
REMOVING = (*("cloudwatch:Delete*", "logs:Delete*", "sns:DeleteTopic", "sns:Unsubscribe"),)


@pytest.mark.parametrize("missing", MONITORING)
def test_monitoring_takes_the_permission_for_each_of_its_parts(
    deployer: Deployer, missing: str
) -> None:
    deployer.allow("cloudformation:*", *REMOVING, *(one for one in MONITORING if one != missing))
    template = (Path(__file__).parent / "monitoring.yaml").read_text()
    stack = Stack(deployer.client("cloudformation"), NAME, template)
    assert stack.create() == "ROLLBACK_COMPLETE"
    assert any(f"not authorized to perform: {missing}" in one for one in stack.reasons())
    stack.delete()


def test_monitoring_needs_no_further_permission(deployer: Deployer) -> None:
    deployer.allow("cloudformation:*", *REMOVING, *MONITORING)
    template = (Path(__file__).parent / "monitoring.yaml").read_text()
    stack = Stack(deployer.client("cloudformation"), NAME, template)
    assert stack.create() == "CREATE_COMPLETE", stack.reasons()
    stack.delete()


def test_keys_are_renewed_an_hour_before_they_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("localcloud.credentials.time", SimpleNamespace(time=lambda: now))
    sessions: dict[str, Any] = {}
    keys = iter(("first", "second"))
    emulator: Any = SimpleNamespace(
        iam=SimpleNamespace(
            _gen_secret=lambda: "secret",
            _gen_session_access_key=lambda: next(keys),
            _gen_session_token=lambda: "token",
            _roles={"role": {"RoleId": "AROA"}},
        ),
        responses=SimpleNamespace(request_scope=lambda *_: nullcontext()),
        sts=SimpleNamespace(register_session=sessions.__setitem__),
    )
    credentials = Credentials(Settings(), emulator)

    def shown() -> dict[str, str]:
        document = credentials.document(("000000000000", "us-east-1"), "i-1", "role")
        found: dict[str, str] = json.loads(document)
        return found

    given = shown()
    now += 5 * 3600
    assert shown() == given
    now += 1
    assert shown()["AccessKeyId"] == "second"
    assert sessions["second"]["Expiration"] == now + 6 * 3600
