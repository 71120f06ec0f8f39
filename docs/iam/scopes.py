"""The statements of the deployer's policies: what each permission is limited to, and why not more.

A permission is limited to resources that have the deployment's name or its tag, as far as AWS's
Service Authorization Reference knows such a limit for it.
"""

from dataclasses import dataclass, field

Condition = dict[str, dict[str, str | list[str]]]

# The kinds of resource, as AWS's reference names them, that a resource type makes.
KINDS = {
    "AWS::AutoScaling::AutoScalingGroup": ("autoScalingGroup",),
    "AWS::EC2::EIP": ("elastic-ip",),
    "AWS::EC2::Instance": ("instance", "volume"),
    "AWS::EC2::InternetGateway": ("internet-gateway",),
    "AWS::EC2::KeyPair": ("key-pair",),
    "AWS::EC2::LaunchTemplate": ("launch-template", "volume"),
    "AWS::EC2::RouteTable": ("route-table",),
    "AWS::EC2::SecurityGroup": ("security-group",),
    "AWS::EC2::Subnet": ("subnet",),
    "AWS::EC2::VPC": ("vpc",),
    "AWS::ElasticLoadBalancingV2::Listener": ("listener/net",),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("loadbalancer/net/",),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("targetgroup",),
}
# Those that are there without a template, or belong to no resource type.
GIVEN = {
    *("alarm", "bucket", "dashboard", "image", "instance-profile", "key-pair", "log-group"),
    *("network-interface", "object", "parameter", "role", "security-group", "stack", "subnet"),
    *("topic", "volume", "vpc"),
}
# Permissions that are about every kind of resource: they go with the kinds that are made.
TAGGING = {
    *("ec2:CreateTags", "ec2:DeleteTags"),
    *("elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"),
}


@dataclass(frozen=True)
class Scope:
    """One statement: which permissions it takes, and what they are limited to.

    Attributes:
        sid: The statement's name.
        actions: Patterns of permissions; each permission goes to the first scope that has it.
        resources: Kinds of resource as AWS's reference names them -> patterns of ARNs. A kind is
            left out where none of the statement's permissions is about it.
        condition: The statement's condition.
        also: Whether the permission goes to a later scope too.
        documents: Those that have it; empty for all that need its permissions.
        open: Why the resources are neither the deployment's by name nor by a condition.
        unexercised: As of a Call, where no call of the tests needs the statement.

    """

    sid: str
    actions: tuple[str, ...]
    resources: dict[str, tuple[str, ...]]
    condition: Condition = field(default_factory=dict)
    also: bool = False
    documents: tuple[str, ...] = ()
    open: str = ""
    unexercised: str = ""


_TAG = "Deployment"
_HERE = "arn:<PARTITION>:{}:<REGION>:<ACCOUNT>"
_OWN: Condition = {"StringEquals": {f"aws:ResourceTag/{_TAG}": "<DEPLOYMENT>"}}
_FIRST_TAG: Condition = {
    "StringEquals": {f"aws:RequestTag/{_TAG}": "<DEPLOYMENT>"},
    "Null": {f"aws:ResourceTag/{_TAG}": "true"},
}


def _arns(service: str, *kinds: str) -> dict[str, tuple[str, ...]]:
    prefix = _HERE.format(service)
    return {kind: (f"{prefix}:{kind.rstrip('/')}/*",) for kind in kinds}


def _parameter(name: str, account: str = "<ACCOUNT>") -> dict[str, tuple[str, ...]]:
    return {"parameter": (f"arn:<PARTITION>:ssm:<REGION>:{account}:parameter/{name}",)}


_MADE = (
    *("elastic-ip", "instance", "internet-gateway", "launch-template", "route-table"),
    *("security-group", "subnet", "vpc"),
)
_GROUP_NAME = "autoScalingGroupName"
_BALANCING = ("listener/net", "loadbalancer/net/", "targetgroup")
_SERVICES = ("autoscaling.amazonaws.com", "elasticloadbalancing.amazonaws.com")

SCOPES = (
    Scope(
        "Look",
        (
            *("autoscaling:Describe*", "ec2:Describe*", "elasticloadbalancing:Describe*"),
            *("cloudformation:ValidateTemplate", "cloudwatch:DescribeAlarms", "logs:Describe*"),
        ),
        {},
    ),
    Scope(
        "Stack",
        ("cloudformation:*",),
        {
            "stack": (
                "arn:<PARTITION>:cloudformation:<REGION>:<ACCOUNT>:stack/<DEPLOYMENT>/*",
                "arn:<PARTITION>:cloudformation:<REGION>:<ACCOUNT>:stack/<DEPLOYMENT>-monitoring/*",
            )
        },
    ),
    Scope(
        "Image",
        ("ssm:GetParameter",),
        _parameter("aws/service/ami-amazon-linux-latest/*", account=""),
        also=True,
        open="they are Amazon's, for everybody to read",
    ),
    Scope(
        "PrivateKey",
        ("ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter", "ssm:DeleteParameter"),
        _parameter("ec2/keypair/*"),
        also=True,
        open="its name is the key pair's id, and CloudFormation promises it no tag",
    ),
    Scope(
        "Certificates",
        (
            *("ssm:GetParameters", "ssm:PutParameter", "ssm:AddTagsToResource"),
            *("ssm:DeleteParameters", "ssm:DeleteParameter", "ssm:ListTagsForResource"),
            "ssm:RemoveTagsFromResource",
        ),
        _parameter("<DEPLOYMENT>/*"),
        documents=("fleet",),
    ),
    Scope(
        "KeyPair",
        ("ec2:CreateKeyPair", "ec2:DeleteKeyPair"),
        {"key-pair": ("arn:<PARTITION>:ec2:<REGION>:<ACCOUNT>:key-pair/<DEPLOYMENT>",)},
    ),
    Scope(
        "Launch",
        ("ec2:RunInstances",),
        {
            "image": ("arn:<PARTITION>:ec2:<REGION>::image/*",),
            **_arns(
                *("ec2", "instance", "key-pair", "launch-template", "network-interface"),
                *("security-group", "subnet", "volume"),
            ),
        },
        open="a launch is asked for before there is anything with a tag: the preflight's dry run,"
        " and Auto Scaling's check of the launch template",
    ),
    Scope(
        "New",
        (
            *("ec2:AllocateAddress", "ec2:CreateInternetGateway", "ec2:CreateLaunchTemplate"),
            *("ec2:CreateSecurityGroup", "ec2:CreateVpc"),
            *("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateTargetGroup"),
        ),
        {
            **_arns(
                "ec2", "elastic-ip", "internet-gateway", "launch-template", "security-group", "vpc"
            ),
            **_arns("elasticloadbalancing", "loadbalancer/net/", "targetgroup"),
        },
        open="what is made has its tags only then, and nowhere is promised in which call",
    ),
    Scope(
        "NewInNetwork",
        ("ec2:CreateRouteTable", "ec2:CreateSubnet"),
        _arns("ec2", "route-table", "subnet"),
        also=True,
        open="as New; the network that they are made in is the deployment's own",
    ),
    Scope(
        "FirstTag",
        ("ec2:CreateTags", "elasticloadbalancing:AddTags"),
        {
            **_arns("ec2", *_MADE, "key-pair", "volume"),
            **_arns("elasticloadbalancing", *_BALANCING),
        },
        _FIRST_TAG,
        also=True,
    ),
    Scope(
        "Interfaces",
        ("ec2:AssociateAddress", "ec2:DisassociateAddress"),
        _arns("ec2", "network-interface"),
        also=True,
        open="CloudFormation gives a host's network interface no tag",
        unexercised="the local cloud has no network interfaces of their own; the Service"
        " Authorization Reference names them for both actions",
    ),
    Scope(
        "Own",
        ("ec2:*", "elasticloadbalancing:*"),
        {**_arns("ec2", *_MADE), **_arns("elasticloadbalancing", *_BALANCING)},
        _OWN,
    ),
    Scope(
        "Group",
        ("autoscaling:*",),
        {
            "autoScalingGroup": (
                f"{_HERE.format('autoscaling')}:autoScalingGroup:*:{_GROUP_NAME}/<DEPLOYMENT>-*",
            )
        },
    ),
    Scope(
        "PassRole",
        ("iam:PassRole",),
        {"role": ("arn:<PARTITION>:iam::<ACCOUNT>:role/<DEPLOYMENT>-*",)},
        {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        # A single host has a role of its own with monitoring only.
        documents=("fleet", "monitoring"),
    ),
    Scope(
        "ServiceRoles",
        ("iam:CreateServiceLinkedRole",),
        {
            "role": tuple(
                f"arn:<PARTITION>:iam::<ACCOUNT>:role/aws-service-role/{service}/*"
                for service in _SERVICES
            )
        },
        {"StringEquals": {"iam:AWSServiceName": [*_SERVICES]}},
        unexercised="as its permission, in needs.py",
    ),
    Scope(
        "Roles",
        ("iam:*",),
        {
            kind: (f"arn:<PARTITION>:iam::<ACCOUNT>:{kind}/<DEPLOYMENT>-*",)
            for kind in ("instance-profile", "role")
        },
    ),
    Scope(
        "Objects",
        ("s3:*Object", "s3:*ObjectVersion"),
        {"object": ("arn:<PARTITION>:s3:::<DEPLOYMENT>-releases-*/*",)},
    ),
    Scope(
        "Logs", ("logs:*",), {"log-group": (f"{_HERE.format('logs')}:log-group:/<DEPLOYMENT>/*",)}
    ),
    Scope(
        "Alarms",
        ("cloudwatch:*",),
        {
            "alarm": (f"{_HERE.format('cloudwatch')}:alarm:<DEPLOYMENT>-*",),
            "dashboard": ("arn:<PARTITION>:cloudwatch::<ACCOUNT>:dashboard/<DEPLOYMENT>*",),
        },
    ),
    Scope("Topics", ("sns:*",), {"topic": (f"{_HERE.format('sns')}:<DEPLOYMENT>-*",)}),
    Scope("Bucket", ("s3:*",), {"bucket": ("arn:<PARTITION>:s3:::<DEPLOYMENT>-releases-*",)}),
)
