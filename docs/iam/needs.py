"""What the deployer's policies are written from, beside the templates and cfn-lint's schemas.

A policy holds what CloudFormation calls in the deployer's name for each resource of a template, as
the resource types' schemas list it, and what the project's own plugins and playbooks call. This
file declares the latter, and what of the former is not needed; `scopes.py` to which resources each
is limited.
"""

from dataclasses import dataclass

# The documents: file name without ".json" -> the templates that it lets somebody deploy.
DOCUMENTS = {
    "single": ("stack.yaml",),
    "fleet": ("fleet.yaml",),
    "monitoring": ("monitoring.yaml",),
}


@dataclass(frozen=True)
class Call:
    """A permission that the project's own code needs, beside what CloudFormation does.

    Attributes:
        action: As policies name it.
        why: Who needs it, and what for.
        documents: Those that have it.
        unexercised: Why no test on the local cloud uses it, with the source that says that AWS
            asks for it; empty for what the tests use.

    """

    action: str
    why: str
    documents: tuple[str, ...] = ("single", "fleet")
    unexercised: str = ""


_FLEET = ("fleet",)
CALLS = (
    Call("cloudformation:DescribeStacks", "every playbook: the stack's outputs and state"),
    Call("cloudformation:ListStackResources", "the inventory: hosts and groups of the stack"),
    Call("cloudformation:DescribeStackEvents", "stack_deploy and stack_delete: progress, reasons"),
    Call("cloudformation:DescribeStackResources", "stack_delete: the receipt"),
    Call("cloudformation:GetTemplate", "stack_delete: words for the receipt; stack_drift"),
    Call("cloudformation:ValidateTemplate", "stack_deploy: before anything is created"),
    Call("cloudformation:CreateChangeSet", "stack_deploy, plan.yml: what would change"),
    Call("cloudformation:DescribeChangeSet", "stack_deploy, plan.yml: what would change"),
    Call("cloudformation:DeleteChangeSet", "stack_deploy, plan.yml: no change set is left behind"),
    Call("cloudformation:ExecuteChangeSet", "stack_deploy: the change"),
    Call("cloudformation:DeleteStack", "stack_delete; plan.yml: the shell of a stack"),
    Call(
        "cloudformation:ContinueUpdateRollback",
        "stack_deploy: mends a stack that was left in UPDATE_ROLLBACK_FAILED",
        unexercised="no update fails to be undone here; tests/stack uses the operator's own key",
    ),
    Call("ec2:DescribeInstances", "the inventory; stack_delete: what is left"),
    Call("ec2:DescribeSecurityGroups", "stack_drift in status.yml; stack_delete: what is left"),
    Call("ec2:DescribeAddresses", "stack_delete: what is left"),
    Call("ec2:DescribeKeyPairs", "stack_preflight; stack_delete: what is left"),
    Call("ec2:DescribeVpcs", "stack_preflight: is there a default network?", ("single",)),
    Call(
        "ec2:DescribeSubnets",
        "stack_preflight: the network of stack_subnet_id and stack_subnet_ids",
        unexercised="the tests name no subnet",
    ),
    Call("ec2:DescribeAvailabilityZones", "stack_preflight: two zones", _FLEET),
    Call("ec2:RunInstances", "stack_preflight: a dry run"),
    Call("ec2:StartInstances", "provision.yml: hosts that were stopped"),
    Call("ec2:GetConsoleOutput", "stack_host_keys, fleet_hosts: SSH keys, progress of new hosts"),
    Call("ssm:GetParameter", "stack_preflight: the newest image; stack_private_key"),
    Call("ssm:GetParameters", "stack_delete: what is left; release_publish: certificates"),
    Call("ssm:PutParameter", "release_publish: certificates", _FLEET),
    Call("ssm:AddTagsToResource", "release_publish: the deployment's tag on them", _FLEET),
    Call("ssm:DeleteParameters", "stack_delete: certificates", _FLEET),
    Call("autoscaling:DescribeAutoScalingGroups", "inventory, fleet_hosts, fleet_replace", _FLEET),
    Call("elasticloadbalancing:DescribeTargetHealth", "fleet_hosts: who takes calls", _FLEET),
    Call("autoscaling:StartInstanceRefresh", "replace_hosts.yml", _FLEET),
    Call("autoscaling:DescribeInstanceRefreshes", "replace_hosts.yml: progress", _FLEET),
    Call(
        "autoscaling:CancelInstanceRefresh",
        "replace_hosts.yml: calls failed meanwhile",
        _FLEET,
        unexercised="no replacement fails here",
    ),
    Call(
        "autoscaling:SetInstanceProtection",
        "replace_hosts.yml: hosts that are needed outlive a cancelled replacement",
        _FLEET,
        unexercised="no replacement fails here",
    ),
    Call(
        "autoscaling:ResumeProcesses",
        "release_publish: hosts are replaced again, after too many failed",
        _FLEET,
        unexercised="no host fails here",
    ),
    Call("s3:GetObject", "release_publish, rollback.yml, fleet_lock: what is there", _FLEET),
    Call("s3:PutObject", "release_publish: releases; fleet_lock: lease and journal", _FLEET),
    Call("s3:DeleteObject", "release_publish: old releases", _FLEET),
    Call("s3:ListBucket", "release_publish: old releases; stack_delete: is it there?", _FLEET),
    Call("s3:ListBucketVersions", "stack_delete: what is to be emptied", _FLEET),
    Call("s3:DeleteObjectVersion", "stack_delete: empties the bucket", _FLEET),
    Call("cloudwatch:DescribeAlarms", "cloud_status: status.yml", ("monitoring",)),
    Call("logs:FilterLogEvents", "cloud_logs: logs.yml", ("monitoring",)),
    Call(
        "iam:CreateServiceLinkedRole",
        "AWS, in the deployer's name: the first group and balancer of an account",
        _FLEET,
        unexercised="the local cloud's services need no role; the schema of"
        " AWS::AutoScaling::AutoScalingGroup lists it",
    ),
)

# What a resource type's handlers call for a property alone: {type: {property: permissions}}. It is
# left out while no resource of that type has the property.
ONLY_WITH: dict[str, dict[str, tuple[str, ...]]] = {
    "AWS::AutoScaling::AutoScalingGroup": {
        "LifecycleHookSpecificationList": (
            *("autoscaling:PutLifecycleHook", "autoscaling:DeleteLifecycleHook"),
        ),
        "LoadBalancerNames": (
            *("autoscaling:AttachLoadBalancers", "autoscaling:DetachLoadBalancers"),
        ),
        "MetricsCollection": (
            *("autoscaling:EnableMetricsCollection", "autoscaling:DisableMetricsCollection"),
        ),
        "MixedInstancesPolicy": ("ec2:Get*",),
        "NotificationConfigurations": (
            "autoscaling:PutNotificationConfiguration",
            "autoscaling:DeleteNotificationConfiguration",
        ),
        "TrafficSources": (
            *("autoscaling:AttachTrafficSources", "autoscaling:DetachTrafficSources"),
            "vpc-lattice:*",
        ),
    },
    "AWS::EC2::EIP": {
        "InstanceId": ("ec2:AssociateAddress", "ec2:DisassociateAddress"),
        "TransferAddress": ("ec2:AcceptAddressTransfer",),
    },
    "AWS::EC2::Instance": {
        "CreditSpecification": ("ec2:ModifyInstanceCreditSpecification",),
        "IamInstanceProfile": (
            *("iam:PassRole", "ec2:AssociateIamInstanceProfile"),
            *("ec2:DisassociateIamInstanceProfile", "ec2:ReplaceIamInstanceProfileAssociation"),
        ),
        "Monitoring": ("ec2:MonitorInstances", "ec2:UnmonitorInstances"),
        "PrivateDnsNameOptions": ("ec2:ModifyPrivateDnsNameOptions",),
        "SsmAssociations": ("ssm:*",),
        "Tenancy": ("ec2:ModifyInstancePlacement",),
        "Volumes": ("ec2:AttachVolume", "ec2:DetachVolume"),
    },
    "AWS::EC2::KeyPair": {"PublicKeyMaterial": ("ec2:ImportKeyPair",)},
    "AWS::EC2::SecurityGroup": {
        "SecurityGroupEgress": (
            *("ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress"),
            "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
        ),
    },
    "AWS::EC2::Subnet": {
        "Ipv6CidrBlock": ("ec2:AssociateSubnetCidrBlock", "ec2:DisassociateSubnetCidrBlock"),
    },
    "AWS::EC2::VPC": {
        "InstanceTenancy": ("ec2:ModifyVpcTenancy",),
        "VpcEncryptionControl": ("ec2:CreateVpcEncryptionControl",),
    },
    "AWS::EC2::VPCGatewayAttachment": {
        "VpnGatewayId": ("ec2:AttachVpnGateway", "ec2:DetachVpnGateway"),
    },
    "AWS::ElasticLoadBalancingV2::Listener": {
        "Certificates": ("cognito-idp:*",),
        "ListenerAttributes": ("elasticloadbalancing:ModifyListenerAttributes",),
    },
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
        "IpAddressType": ("elasticloadbalancing:SetIpAddressType",),
        "Ipv4IpamPoolId": ("elasticloadbalancing:ModifyIpPools",),
        "MinimumLoadBalancerCapacity": ("elasticloadbalancing:ModifyCapacityReservation",),
    },
    "AWS::ElasticLoadBalancingV2::TargetGroup": {
        "Targets": (
            "elasticloadbalancing:RegisterTargets",
            "elasticloadbalancing:DeregisterTargets",
        ),
    },
    "AWS::IAM::Role": {
        "ManagedPolicyArns": ("iam:AttachRolePolicy", "iam:DetachRolePolicy"),
        "MaxSessionDuration": ("iam:UpdateRole",),
        "Description": ("iam:UpdateRoleDescription",),
        "PermissionsBoundary": (
            *("iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"),
        ),
    },
    "AWS::Logs::LogGroup": {
        "BearerTokenAuthenticationEnabled": ("logs:PutBearerTokenAuthentication",),
        "DataProtectionPolicy": (
            *("logs:PutDataProtectionPolicy", "logs:DeleteDataProtectionPolicy"),
            *("logs:CreateLogDelivery", "firehose:TagDeliveryStream"),
        ),
        "DeletionProtectionEnabled": ("logs:PutLogGroupDeletionProtection",),
        "FieldIndexPolicies": ("logs:PutIndexPolicy", "logs:DeleteIndexPolicy"),
        "KmsKeyId": ("logs:AssociateKmsKey", "logs:DisassociateKmsKey"),
        "ResourcePolicyDocument": ("logs:PutResourcePolicy", "logs:DeleteResourcePolicy"),
    },
    "AWS::SNS::Subscription": {"SubscriptionRoleArn": ("iam:GetRole", "iam:PassRole")},
    "AWS::SNS::Topic": {
        "DataProtectionPolicy": ("sns:PutDataProtectionPolicy",),
        "DeliveryStatusLogging": ("iam:GetRole", "iam:PassRole"),
    },
    "AWS::S3::Bucket": {
        "AbacStatus": ("s3:PutBucketAbac",),
        "AccelerateConfiguration": ("s3:PutAccelerateConfiguration",),
        "AccessControl": ("s3:GetBucketAcl", "s3:PutBucketAcl", "s3:PutObjectAcl"),
        "AnalyticsConfigurations": ("s3:PutAnalyticsConfiguration",),
        "CorsConfiguration": ("s3:PutBucketCORS",),
        "IntelligentTieringConfigurations": ("s3:PutIntelligentTieringConfiguration",),
        "InventoryConfigurations": ("s3:PutInventoryConfiguration",),
        "LoggingConfiguration": ("s3:PutBucketLogging",),
        "MetadataTableConfiguration": ("s3:*BucketMetadata*", "s3tables:*"),
        "MetricsConfigurations": ("s3:PutMetricsConfiguration",),
        "NotificationConfiguration": ("s3:PutBucketNotification",),
        "ObjectLockConfiguration": ("s3:PutBucketObjectLockConfiguration",),
        "ReplicationConfiguration": ("iam:PassRole", "s3:PutReplicationConfiguration"),
        "WebsiteConfiguration": ("s3:PutBucketWebsite", "s3:DeleteBucketWebsite"),
    },
}

# What the handlers' lists name, and these templates never need: {(type, permission): why}.
NEVER = {
    ("AWS::AutoScaling::AutoScalingGroup", "cloudwatch:PutMetricAlarm"): (
        "an alarm is a resource of its own, and there is none"
    ),
    ("AWS::AutoScaling::AutoScalingGroup", "autoscaling:ResumeProcesses"): (
        "for rolling updates of an UpdatePolicy, and there is none"
    ),
    ("AWS::AutoScaling::AutoScalingGroup", "autoscaling:SuspendProcesses"): (
        "for rolling updates of an UpdatePolicy, and there is none"
    ),
    ("AWS::AutoScaling::AutoScalingGroup", "ssm:Get*"): (
        "for images that a launch template names by parameter: these are named by id"
    ),
    ("AWS::AutoScaling::ScalingPolicy", "cloudwatch:GetMetricData"): (
        "for policies that forecast, and there is none"
    ),
    ("AWS::S3::Bucket", "s3:DeleteObject"): "teardown.yml empties the bucket",
}
