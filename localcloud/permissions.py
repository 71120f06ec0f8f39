"""What is done in a caller's name is checked too: the calls behind a stack, the role of a host."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from localcloud.credentials import caller
from localcloud.records import ApiError
from localcloud.seams import Emulator

_ACTIONS = ("create", "update", "delete")
# The calls that AWS makes in the caller's name: to create, to update, to delete.
_CALLS: dict[str, tuple[str, str, str]] = {
    "AutoScaling::AutoScalingGroup": (
        "autoscaling:CreateAutoScalingGroup ec2:RunInstances",
        "autoscaling:UpdateAutoScalingGroup",
        "autoscaling:DeleteAutoScalingGroup autoscaling:UpdateAutoScalingGroup",
    ),
    "AutoScaling::LifecycleHook": (
        *("autoscaling:PutLifecycleHook", "autoscaling:PutLifecycleHook"),
        "autoscaling:DeleteLifecycleHook",
    ),
    "AutoScaling::ScalingPolicy": (
        *("autoscaling:PutScalingPolicy", "autoscaling:PutScalingPolicy"),
        "autoscaling:DeletePolicy",
    ),
    "CloudWatch::Alarm": (
        *("cloudwatch:PutMetricAlarm", "cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"),
    ),
    "CloudWatch::Dashboard": (
        *("cloudwatch:PutDashboard", "cloudwatch:PutDashboard", "cloudwatch:DeleteDashboards"),
    ),
    "EC2::EIP": ("ec2:AllocateAddress", "", "ec2:ReleaseAddress"),
    "EC2::EIPAssociation": ("ec2:AssociateAddress", "", "ec2:DisassociateAddress"),
    "EC2::Instance": ("ec2:RunInstances", "", "ec2:TerminateInstances"),
    "EC2::InternetGateway": ("ec2:CreateInternetGateway", "", "ec2:DeleteInternetGateway"),
    "EC2::LaunchTemplate": (
        *("ec2:CreateLaunchTemplate", "ec2:CreateLaunchTemplateVersion"),
        "ec2:DeleteLaunchTemplate",
    ),
    "EC2::Route": ("ec2:CreateRoute", "ec2:ReplaceRoute", "ec2:DeleteRoute"),
    "EC2::RouteTable": ("ec2:CreateRouteTable", "", "ec2:DeleteRouteTable"),
    "EC2::SecurityGroup": ("ec2:CreateSecurityGroup", "", "ec2:DeleteSecurityGroup"),
    "EC2::SecurityGroupIngress": (
        *("ec2:AuthorizeSecurityGroupIngress", "", "ec2:RevokeSecurityGroupIngress"),
    ),
    "EC2::Subnet": ("ec2:CreateSubnet", "", "ec2:DeleteSubnet"),
    "EC2::SubnetRouteTableAssociation": (
        *("ec2:AssociateRouteTable", "", "ec2:DisassociateRouteTable"),
    ),
    "EC2::VPC": ("ec2:CreateVpc", "ec2:ModifyVpcAttribute", "ec2:DeleteVpc"),
    "EC2::VPCGatewayAttachment": (*("ec2:AttachInternetGateway", "", "ec2:DetachInternetGateway"),),
    "ElasticLoadBalancingV2::Listener": (
        *("elasticloadbalancing:CreateListener", "elasticloadbalancing:ModifyListener"),
        "elasticloadbalancing:DeleteListener",
    ),
    "ElasticLoadBalancingV2::LoadBalancer": (
        *("elasticloadbalancing:CreateLoadBalancer", "", "elasticloadbalancing:DeleteLoadBalancer"),
    ),
    "ElasticLoadBalancingV2::TargetGroup": (
        *("elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:ModifyTargetGroup"),
        "elasticloadbalancing:DeleteTargetGroup",
    ),
    "IAM::InstanceProfile": (
        *("iam:CreateInstanceProfile iam:AddRoleToInstanceProfile", ""),
        "iam:RemoveRoleFromInstanceProfile iam:DeleteInstanceProfile",
    ),
    "IAM::Role": ("iam:CreateRole", "", "iam:DeleteRole"),
    "Logs::LogGroup": ("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"),
    "Logs::MetricFilter": (
        *("logs:PutMetricFilter", "logs:PutMetricFilter", "logs:DeleteMetricFilter"),
    ),
    "S3::Bucket": ("s3:CreateBucket", "", "s3:DeleteBucket"),
    "S3::BucketPolicy": ("s3:PutBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"),
    "SNS::Subscription": ("sns:Subscribe", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"),
    "SNS::Topic": ("sns:CreateTopic", "sns:SetTopicAttributes", "sns:DeleteTopic"),
    "SSM::Parameter": ("ssm:PutParameter", "ssm:PutParameter", "ssm:DeleteParameter"),
}
# Further calls that a property asks for, when a resource is made.
_PROPERTIES = {
    "EC2::Instance": {"Tags": "ec2:CreateTags"},
    "EC2::LaunchTemplate": {"TagSpecifications": "ec2:CreateTags"},
    "EC2::SecurityGroup": {"SecurityGroupIngress": "ec2:AuthorizeSecurityGroupIngress"},
    "IAM::Role": {"ManagedPolicyArns": "iam:AttachRolePolicy", "Policies": "iam:PutRolePolicy"},
    "CloudWatch::Alarm": {"Tags": "cloudwatch:TagResource"},
    "Logs::LogGroup": {"RetentionInDays": "logs:PutRetentionPolicy", "Tags": "logs:TagResource"},
    "SNS::Topic": {"Tags": "sns:TagResource"},
    "S3::Bucket": {
        "BucketEncryption": "s3:PutEncryptionConfiguration",
        "LifecycleConfiguration": "s3:PutLifecycleConfiguration",
        "PublicAccessBlockConfiguration": "s3:PutBucketPublicAccessBlock",
        "VersioningConfiguration": "s3:PutBucketVersioning",
    },
}


def needed(kind: str, action: str, properties: Mapping[str, Any]) -> list[str]:
    """Return the permissions that a resource type's action needs, none for an unknown type.

    Args:
        kind: The resource type.
        action: create, update or delete.
        properties: The resource's properties.

    """
    name = kind.removeprefix("AWS::")
    calls = _CALLS.get(name, ("", "", ""))[_ACTIONS.index(action)].split()
    if action == "create":
        further = _PROPERTIES.get(name, {})
        calls += [call for named, call in further.items() if _asks(named, properties.get(named))]
    return calls


def _asks(name: str, value: Any) -> bool:
    """Say whether a property asks for a call; CloudFormation's own tags need no permission."""
    if name == "Tags":
        return any(not str(tag.get("Key")).startswith("aws:") for tag in value or ())
    return bool(value)


class Permissions:
    """Asks the policies of callers whose keys are checked; others may do everything."""

    def __init__(self, emulator: Emulator) -> None:
        self._provisioners = emulator.provisioners
        self._evaluator = emulator.evaluator
        self._responses = emulator.responses

    def install(self) -> None:
        """Put the check before every handler that is registered now."""
        for kind, handlers in self._provisioners._RESOURCE_HANDLERS.items():
            for action in set(_ACTIONS) & set(handlers):
                handlers[action] = self._guarded(kind, action, handlers[action])

    def _guarded(self, kind: str, action: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def guarded(*arguments: Any, **named: Any) -> Any:
            calls = needed(kind, action, arguments[1])
            self.require(calls, "AccessDenied", kind.split("::")[1])
            return handler(*arguments, **named)

        return guarded

    def require(self, permissions: Iterable[str], code: str, service: str) -> None:
        """Make sure that the caller has permissions, on whatever resource.

        Args:
            permissions: As policies name them.
            code: The error's code.
            service: Who refuses.

        Raises:
            ApiError: One is missing.

        """
        if not caller.get():
            return
        account = self._responses.get_account_id()
        found = self._evaluator.resolve_principal(caller.get(), account)
        if isinstance(found, self._evaluator.AuthError):
            raise ApiError(found.code, found.message, 403, service)
        if found.policies is None:
            return
        statements = [one for policy in found.policies for one in policy]
        for permission in permissions:
            if not self._allows(statements, permission):
                raise ApiError(
                    code,
                    f"User: {found.arn} is not authorized to perform: {permission} because no"
                    f" identity-based policy allows the {permission} action",
                    *(403, service),
                )

    def _allows(self, statements: list[Any], permission: str) -> bool:
        """Say whether an action is allowed on anything at all: which one, only AWS knows here."""
        named = [
            one
            for one in statements
            if self._evaluator._action_matches(permission, one.actions, one.not_actions)
        ]
        denied = any(
            one.effect == "Deny" and "*" in one.resources and not one.conditions for one in named
        )
        return not denied and any(one.effect == "Allow" for one in named)
