"""The calls that AWS makes in a deployer's name, for one resource of a stack."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.access import Call, Tags
from localcloud.stack_types import MADE_WITH, TYPES, UNKNOWN

Properties = Mapping[str, Any]

# Who takes the role that is passed.
CONTEXT = {"iam:PassRole": {"iam:PassedToService": "ec2.amazonaws.com"}}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NAMED = ("autoscaling", "cloudwatch", "iam", "logs", "s3", "sns")


@dataclass(frozen=True)
class Place:
    """Whose resources they are: the account and the region of a stack."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource, which may be given as ARN already."""
        found = resource.find("arn:")
        if found >= 0:
            return resource[found:]
        region, account = self.region, self.account
        if service in ("iam", "s3"):
            region = ""
        if service == "s3" or resource.startswith("image/"):
            account = ""
        if service == "autoscaling":
            resource = f"autoScalingGroup:*:autoScalingGroupName/{resource}"
        if resource.startswith("dashboard/"):
            region = ""
        if service == "ssm":
            resource = resource.replace("//", "/")
            # AWS's own parameters belong to nobody.
            account = "" if resource.startswith("parameter/aws/") else account
        return f"arn:aws:{service}:{region}:{account}:{resource}"


class StackCalls:
    """The calls for one resource of a stack."""

    def __init__(self, place: Place, kind: str) -> None:
        self._place = place
        self._name = kind.removeprefix("AWS::")
        self._type = TYPES.get(self._name, UNKNOWN)
        self._service = next(iter(self._type.create), "").partition(":")[0]

    def create(self, logical_id: str, properties: Properties, stack: str) -> list[Call]:
        """Return the calls that make the resource, none for an unknown type."""
        itself = self._name_of(logical_id, properties, stack)
        tags = _tags(properties)
        made = {"request_tags": tags, "resource_tags": {}}
        calls = self._calls(self._type.create, itself, properties, made)
        if tags and self._type.tags:
            tagging = [f"{self._type.tags[0]} {self._type.itself}"]
            if properties.get("PropagateTagsToVolumeOnCreation"):
                tagging.append(f"{self._type.tags[0]} volume/*")
            calls += self._calls(tagging, itself, properties, made)
        further = [
            call
            for name, needed in self._type.properties.items()
            if properties.get(name) and name not in MADE_WITH.get(self._name, ())
            for call in needed
        ]
        return calls + self._calls(further, itself, properties, {"resource_tags": tags})

    def update(self, itself: str, old: Properties, new: Properties) -> list[Call]:
        """Return the calls that change the resource."""
        changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
        calls = self._calls(self._type.update, itself, new)
        before, after = _tags(old), _tags(new)
        if self._type.tags and before != after:
            give, take = self._type.tags
            calls += self._calls(
                [f"{give} {self._type.itself}"], itself, new, {"request_tags": after}
            )
            if take and set(before) - set(after):
                calls += self._calls([f"{take} {self._type.itself}"], itself, new)
        further = [
            call
            for name, needed in self._type.properties.items()
            if name in changed
            for call in needed
        ]
        if "SecurityGroupIngress" in changed:
            further.append("ec2:RevokeSecurityGroupIngress security-group/{self}")
        return calls + self._calls(further, itself, new)

    def delete(self, itself: str, properties: Properties) -> list[Call]:
        """Return the calls that remove the resource."""
        return self._calls(self._type.delete, itself, properties)

    def _calls(
        self,
        written: Iterable[str],
        itself: str,
        properties: Properties,
        tags: Mapping[str, Tags] | None = None,
    ) -> list[Call]:
        own = self._own(itself)
        return [
            Call(
                action,
                arn,
                context=CONTEXT.get(action, {}),
                **(tags or {} if arn in own or arn.endswith("/*") else {}),
            )
            for text in written
            for action, *resources in [text.split()]
            for resource in resources
            for one in filled(resource, {**properties, "self": itself})
            for arn in [self._place.arn(action.partition(":")[0], one)]
        ]

    def _own(self, itself: str) -> set[str]:
        return {
            self._place.arn(self._service, one)
            for resource in self._type.itself.split()
            for one in filled(resource, {"self": itself})
        }

    def _name_of(self, logical_id: str, properties: Properties, stack: str) -> str:
        """Return a new resource's name, or what it begins with; "*" for what gets an id."""
        if given := properties.get(self._type.name):
            return str(given)
        if self._service not in _NAMED:
            return "*"
        name = f"{stack}-{logical_id}-*"
        return name.lower() if self._service == "s3" else name


def filled(resource: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the resource with values in the place of {names}; "*" for those that are not set."""
    found = _PLACEHOLDER.search(resource)
    if found is None:
        yield resource
        return
    value = values.get(found[1]) or "*"
    if isinstance(value, Mapping):
        value = value.get("LaunchTemplateId") or "*"
    for one in value if isinstance(value, list) else [value]:
        yield resource.replace(found[0], str(one))


def _tags(properties: Properties) -> Tags:
    """Return the tags that properties give the resource; CloudFormation's own need no right."""
    tags = properties.get("Tags") or ()
    if isinstance(tags, Mapping):  # as AWS::SSM::Parameter has them
        tags = [{"Key": key, "Value": value} for key, value in tags.items()]
    given = list(tags)
    for specification in properties.get("TagSpecifications") or ():
        given += specification.get("Tags") or ()
    own = (tag for tag in given if not str(tag["Key"]).startswith("aws:"))
    return {tag["Key"]: str(tag["Value"]) for tag in own}
