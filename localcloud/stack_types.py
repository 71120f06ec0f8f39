"""What AWS calls in a deployer's name to make, change and remove a resource of a stack.

The calls that change something, as the permissions in the resource types' schemas and the Service
Authorization Reference give them. AWS makes more to look at what it did: those are not asked for.
"""

from dataclasses import dataclass, field

# Launching takes permission for each of these; those that are not named are not there yet.
LAUNCH = (
    "ec2:RunInstances image/{ImageId} instance/* key-pair/{KeyName} network-interface/*"
    " security-group/{SecurityGroupIds} subnet/{SubnetId} volume/*"
)
_GROUP_LAUNCH = (
    "ec2:RunInstances image/* instance/* launch-template/{LaunchTemplate} network-interface/*"
    " security-group/* subnet/{VPCZoneIdentifier} volume/*"
)


@dataclass(frozen=True)
class Type:
    """The calls of a resource type, each written as "action resource resource ...".

    `{self}` stands for the resource: its id, or what its name begins with while it is made.
    `{Property}` stands for a property's value, or for each of several.

    Attributes:
        itself: The resource, as its ARN ends.
        create: Calls that make it.
        delete: Calls that remove it.
        update: Calls that every change makes.
        properties: Calls that a property makes, when it is set and when it changes.
        tags: What gives it tags, and what takes them, empty where another tag is another resource.
        name: The property that names it.

    """

    itself: str
    create: tuple[str, ...]
    delete: tuple[str, ...]
    update: tuple[str, ...] = ()
    properties: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tags: tuple[str, str] | None = None
    name: str = ""


_EC2_TAGS = ("ec2:CreateTags", "ec2:DeleteTags")
_BALANCER_TAGS = ("elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags")


def _of_ec2(
    noun: str,
    kind: str,
    parent: str = "",
    properties: dict[str, tuple[str, ...]] | None = None,
    update: tuple[str, ...] = (),
) -> Type:
    return Type(
        f"{kind}/{{self}}",
        (f"ec2:Create{noun} {kind}/{{self}} {parent}".strip(),),
        (f"ec2:Delete{noun} {kind}/{{self}}",),
        update,
        properties or {},
        _EC2_TAGS,
    )


def _of_group(put: str, remove: str) -> Type:
    group = "{AutoScalingGroupName}"
    putting = (f"autoscaling:{put} {group}",)
    return Type(group, putting, (f"autoscaling:{remove} {group}",), putting)


def _bucket(**properties: str) -> dict[str, tuple[str, ...]]:
    return {name: (f"s3:{action} {{self}}",) for name, action in properties.items()}


_INGRESS = "ec2:AuthorizeSecurityGroupIngress security-group/{self}"
_ROUTE = "route-table/{RouteTableId}"
_GATEWAY = "internet-gateway/{InternetGatewayId} vpc/{VpcId}"

TYPES: dict[str, Type] = {
    "AutoScaling::AutoScalingGroup": Type(
        "{self}",
        ("autoscaling:CreateAutoScalingGroup {self}",),
        ("autoscaling:UpdateAutoScalingGroup {self}", "autoscaling:DeleteAutoScalingGroup {self}"),
        ("autoscaling:UpdateAutoScalingGroup {self}",),
        {"LaunchTemplate": (_GROUP_LAUNCH,)},
        ("autoscaling:CreateOrUpdateTags", "autoscaling:DeleteTags"),
        "AutoScalingGroupName",
    ),
    "AutoScaling::LifecycleHook": _of_group("PutLifecycleHook", "DeleteLifecycleHook"),
    "AutoScaling::ScalingPolicy": _of_group("PutScalingPolicy", "DeletePolicy"),
    "CloudWatch::Alarm": Type(
        "alarm:{self}",
        ("cloudwatch:PutMetricAlarm alarm:{self}",),
        ("cloudwatch:DeleteAlarms alarm:{self}",),
        ("cloudwatch:PutMetricAlarm alarm:{self}",),
        tags=("cloudwatch:TagResource", "cloudwatch:UntagResource"),
        name="AlarmName",
    ),
    "CloudWatch::Dashboard": Type(
        "dashboard/{self}",
        ("cloudwatch:PutDashboard dashboard/{self}",),
        ("cloudwatch:DeleteDashboards dashboard/{self}",),
        ("cloudwatch:PutDashboard dashboard/{self}",),
        name="DashboardName",
    ),
    "EC2::EIP": Type(
        "elastic-ip/{self}",
        ("ec2:AllocateAddress elastic-ip/{self}",),
        ("ec2:ReleaseAddress elastic-ip/{self}",),
        properties={
            "InstanceId": ("ec2:AssociateAddress elastic-ip/{self} instance/{InstanceId}",)
        },
        tags=_EC2_TAGS,
    ),
    "EC2::EIPAssociation": Type(
        "elastic-ip/{AllocationId}",
        ("ec2:AssociateAddress elastic-ip/{AllocationId} instance/{InstanceId}",),
        ("ec2:DisassociateAddress elastic-ip/{AllocationId}",),
    ),
    "EC2::Instance": Type(
        "instance/{self}",
        (LAUNCH,),
        ("ec2:TerminateInstances instance/{self}",),
        properties={
            "InstanceType": (
                "ec2:StopInstances instance/{self}",
                "ec2:ModifyInstanceAttribute instance/{self}",
                "ec2:StartInstances instance/{self}",
            ),
            "SecurityGroupIds": ("ec2:ModifyInstanceAttribute instance/{self}",),
            "UserData": ("ec2:ModifyInstanceAttribute instance/{self}",),
        },
        tags=_EC2_TAGS,
    ),
    "EC2::InternetGateway": _of_ec2("InternetGateway", "internet-gateway"),
    "EC2::KeyPair": Type(
        "key-pair/{self}",
        ("ec2:CreateKeyPair key-pair/{self}", "ssm:PutParameter parameter/ec2/keypair/*"),
        ("ec2:DeleteKeyPair key-pair/{self}", "ssm:DeleteParameter parameter/ec2/keypair/*"),
        tags=("ec2:CreateTags", ""),
        name="KeyName",
    ),
    "EC2::LaunchTemplate": _of_ec2(
        "LaunchTemplate",
        "launch-template",
        update=("ec2:CreateLaunchTemplateVersion launch-template/{self}",),
    ),
    "EC2::Route": Type(
        _ROUTE,
        (f"ec2:CreateRoute {_ROUTE}",),
        (f"ec2:DeleteRoute {_ROUTE}",),
        (f"ec2:ReplaceRoute {_ROUTE}",),
    ),
    "EC2::RouteTable": _of_ec2("RouteTable", "route-table", "vpc/{VpcId}"),
    "EC2::SecurityGroup": _of_ec2(
        "SecurityGroup",
        "security-group",
        "vpc/{VpcId}",
        {"SecurityGroupIngress": (_INGRESS,)},
    ),
    "EC2::SecurityGroupIngress": Type(
        "security-group/{GroupId}",
        (_INGRESS.format(self="{GroupId}"),),
        ("ec2:RevokeSecurityGroupIngress security-group/{GroupId}",),
    ),
    "EC2::Subnet": _of_ec2(
        "Subnet",
        "subnet",
        "vpc/{VpcId}",
        {"MapPublicIpOnLaunch": ("ec2:ModifySubnetAttribute subnet/{self}",)},
    ),
    "EC2::SubnetRouteTableAssociation": Type(
        _ROUTE,
        (f"ec2:AssociateRouteTable {_ROUTE} subnet/{{SubnetId}}",),
        (f"ec2:DisassociateRouteTable {_ROUTE} subnet/{{SubnetId}}",),
    ),
    "EC2::VPC": _of_ec2(
        "Vpc",
        "vpc",
        properties={"EnableDnsHostnames": ("ec2:ModifyVpcAttribute vpc/{self}",)},
    ),
    "EC2::VPCGatewayAttachment": Type(
        _GATEWAY,
        (f"ec2:AttachInternetGateway {_GATEWAY}",),
        (f"ec2:DetachInternetGateway {_GATEWAY}",),
    ),
    "ElasticLoadBalancingV2::Listener": Type(
        "listener/net/{self}",
        ("elasticloadbalancing:CreateListener {LoadBalancerArn}",),
        ("elasticloadbalancing:DeleteListener listener/net/{self}",),
        ("elasticloadbalancing:ModifyListener listener/net/{self}",),
        tags=_BALANCER_TAGS,
    ),
    "ElasticLoadBalancingV2::LoadBalancer": Type(
        "loadbalancer/net/{self}",
        ("elasticloadbalancing:CreateLoadBalancer loadbalancer/net/{self}",),
        ("elasticloadbalancing:DeleteLoadBalancer loadbalancer/net/{self}",),
        properties={
            "LoadBalancerAttributes": (
                "elasticloadbalancing:ModifyLoadBalancerAttributes loadbalancer/net/{self}",
            )
        },
        tags=_BALANCER_TAGS,
    ),
    "ElasticLoadBalancingV2::TargetGroup": Type(
        "targetgroup/{self}",
        ("elasticloadbalancing:CreateTargetGroup targetgroup/{self}",),
        ("elasticloadbalancing:DeleteTargetGroup targetgroup/{self}",),
        ("elasticloadbalancing:ModifyTargetGroup targetgroup/{self}",),
        {
            "TargetGroupAttributes": (
                "elasticloadbalancing:ModifyTargetGroupAttributes targetgroup/{self}",
            )
        },
        _BALANCER_TAGS,
    ),
    "IAM::InstanceProfile": Type(
        "instance-profile/{self}",
        (
            "iam:CreateInstanceProfile instance-profile/{self}",
            "iam:AddRoleToInstanceProfile instance-profile/{self}",
            "iam:PassRole role/{Roles}",
        ),
        (
            "iam:RemoveRoleFromInstanceProfile instance-profile/{self}",
            "iam:DeleteInstanceProfile instance-profile/{self}",
        ),
        name="InstanceProfileName",
    ),
    "IAM::Role": Type(
        "role/{self}",
        ("iam:CreateRole role/{self}",),
        ("iam:DeleteRolePolicy role/{self}", "iam:DeleteRole role/{self}"),
        properties={
            "AssumeRolePolicyDocument": ("iam:UpdateAssumeRolePolicy role/{self}",),
            "ManagedPolicyArns": ("iam:AttachRolePolicy role/{self}",),
            "Policies": ("iam:PutRolePolicy role/{self}",),
        },
        tags=("iam:TagRole", "iam:UntagRole"),
        name="RoleName",
    ),
    "Logs::LogGroup": Type(
        "log-group:{self}",
        ("logs:CreateLogGroup log-group:{self}:*",),
        ("logs:DeleteLogGroup log-group:{self}:*",),
        properties={"RetentionInDays": ("logs:PutRetentionPolicy log-group:{self}:*",)},
        tags=("logs:TagResource", "logs:UntagResource"),
        name="LogGroupName",
    ),
    "Logs::MetricFilter": Type(
        "log-group:{LogGroupName}",
        ("logs:PutMetricFilter log-group:{LogGroupName}:*",),
        ("logs:DeleteMetricFilter log-group:{LogGroupName}:*",),
        ("logs:PutMetricFilter log-group:{LogGroupName}:*",),
    ),
    "S3::Bucket": Type(
        "{self}",
        ("s3:CreateBucket {self}",),
        ("s3:DeleteBucket {self}",),
        properties=_bucket(
            BucketEncryption="PutEncryptionConfiguration",
            LifecycleConfiguration="PutLifecycleConfiguration",
            OwnershipControls="PutBucketOwnershipControls",
            PublicAccessBlockConfiguration="PutBucketPublicAccessBlock",
            VersioningConfiguration="PutBucketVersioning",
        ),
        tags=("s3:PutBucketTagging", "s3:PutBucketTagging"),
        name="BucketName",
    ),
    "S3::BucketPolicy": Type(
        "{Bucket}",
        ("s3:PutBucketPolicy {Bucket}",),
        ("s3:DeleteBucketPolicy {Bucket}",),
        ("s3:PutBucketPolicy {Bucket}",),
    ),
    "SNS::Subscription": Type(
        "{TopicArn}",
        ("sns:Subscribe {TopicArn}",),
        ("sns:Unsubscribe {TopicArn}",),
        ("sns:SetSubscriptionAttributes {TopicArn}",),
    ),
    "SNS::Topic": Type(
        "{self}",
        ("sns:CreateTopic {self}",),
        ("sns:DeleteTopic {self}",),
        ("sns:SetTopicAttributes {self}",),
        tags=("sns:TagResource", "sns:UntagResource"),
        name="TopicName",
    ),
    "SSM::Parameter": Type(
        "parameter/{self}",
        ("ssm:PutParameter parameter/{self}",),
        ("ssm:DeleteParameter parameter/{self}",),
        ("ssm:PutParameter parameter/{self}",),
        tags=("ssm:AddTagsToResource", "ssm:RemoveTagsFromResource"),
        name="Name",
    ),
}
# What the call that makes a resource sets: it makes a call of its own only when it changes.
MADE_WITH = {
    "EC2::Instance": {"InstanceType", "SecurityGroupIds", "UserData"},
    "IAM::Role": {"AssumeRolePolicyDocument"},
}
# Those that have no such calls, or that nobody has looked up.
UNKNOWN = Type("", (), ())
