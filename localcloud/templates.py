"""Launch templates: what they say, and how a launch combines it with its own wishes."""

import json
import re
from collections.abc import Mapping
from typing import Any

from localcloud.records import ApiError, Record
from localcloud.seams import Emulator

_KEYS = ("LaunchTemplateId", "LaunchTemplateName", "Version")
# Lists have other names in EC2's query parameters than in templates.
_NAMES = {
    "BlockDeviceMappings": "BlockDeviceMapping",
    "GroupSet": "SecurityGroupId",
    "Groups": "SecurityGroupId",
    "NetworkInterfaces": "NetworkInterface",
    "SecurityGroupIds": "SecurityGroupId",
    "SecurityGroups": "SecurityGroup",
    "TagSpecifications": "TagSpecification",
    "Tags": "Tag",
}
_LISTS = ("BlockDeviceMapping", "NetworkInterface", "SecurityGroup", "SecurityGroupId")
_INTERFACE = "NetworkInterface.1."
_TAG = re.compile(r"TagSpecification\.(\d+)\.Tag\.(\d+)\.Key")
_SSM = "resolve:ssm:"

Tags = dict[str, str]


def flattened(value: Any, prefix: str = "") -> dict[str, str]:
    """Write template data as the parameters of RunInstances."""
    if isinstance(value, Mapping):
        parts = [(_NAMES.get(str(key), str(key)), one) for key, one in value.items()]
    elif isinstance(value, list):
        parts = [(str(number), one) for number, one in enumerate(value, 1)]
    else:
        return {prefix: str(value).lower() if isinstance(value, bool) else str(value)}
    flat: dict[str, str] = {}
    for key, one in parts:
        flat |= flattened(one, f"{prefix}.{key}" if prefix else key)
    return flat


def tags_of(flat: Mapping[str, str], kind: str) -> Tags:
    """Return the tags that launch parameters hold for one kind of resource."""
    found: Tags = {}
    for key, value in flat.items():
        if named := _TAG.fullmatch(key):
            specification = f"TagSpecification.{named[1]}"
            if flat.get(f"{specification}.ResourceType") == kind:
                found[value] = flat.get(f"{specification}.Tag.{named[2]}.Value", "")
    return found


def tag_parameters(kinds: Mapping[str, Tags]) -> dict[str, str]:
    """Write tags by kind of resource as launch parameters."""
    specifications = [
        {
            "ResourceType": kind,
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        for kind, tags in kinds.items()
        if tags
    ]
    return flattened({"TagSpecifications": specifications})


class Templates:
    """Finds templates and what a launch from one asks for."""

    def __init__(self, emulator: Emulator) -> None:
        self._ec2 = emulator.ec2
        self._ssm = emulator.ssm

    def version(self, named: Mapping[str, str]) -> Record:
        """Find a version of a template.

        Args:
            named: LaunchTemplateId or LaunchTemplateName, and Version: a number, $Latest or
                $Default (which is the default).

        Raises:
            ApiError: There is no such template or version.

        """
        template = self._template(named.get(_KEYS[0], ""), named.get(_KEYS[1], ""))
        wanted = str(named.get("Version") or "$Default")
        aliases = {
            "$Default": template["DefaultVersionNumber"],
            "$Latest": template["LatestVersionNumber"],
        }
        number = str(aliases.get(wanted, wanted))
        for version in template["Versions"]:
            if str(version["VersionNumber"]) == number:
                found: Record = version
                return found
        raise ApiError(
            "InvalidLaunchTemplateId.VersionNotFound",
            f"Could not find the specified version {wanted} for the launch template with ID"
            f" {template['LaunchTemplateId']}.",
        )

    def _template(self, template_id: str, name: str) -> Record:
        for template in self._ec2._launch_templates.values():
            if template_id in ("", template["LaunchTemplateId"]) and (
                name in ("", template["LaunchTemplateName"])
            ):
                found: Record = template
                return found
        if template_id:
            raise ApiError(
                "InvalidLaunchTemplateId.NotFound",
                f"The specified launch template, with template ID {template_id}, does not exist.",
            )
        raise ApiError(
            "InvalidLaunchTemplateName.NotFoundException",
            f"The specified launch template, with template name {name}, does not exist.",
        )

    def merged(self, given: Mapping[str, str]) -> dict[str, str]:
        """Complete launch parameters by what their launch template says.

        What is given wins; lists replace the template's, tags are added to them. The first
        network interface's wishes become the instance's own.

        Args:
            given: Parameters of RunInstances.

        Raises:
            ApiError: It names a template or a parameter that does not exist.

        """
        flat = dict(given)
        named = {key: given.get(f"LaunchTemplate.{key}", "") for key in _KEYS}
        if named["LaunchTemplateId"] or named["LaunchTemplateName"]:
            flat = self._completed(flat, self.version(named))
        for key in [key for key in flat if key.startswith(_INTERFACE)]:
            flat.setdefault(key.removeprefix(_INTERFACE), flat[key])
        flat["ImageId"] = self._image(flat.get("ImageId", ""))
        return flat

    def _completed(self, given: dict[str, str], version: Record) -> dict[str, str]:
        said = flattened(version["LaunchTemplateData"])
        own = {
            "aws:ec2launchtemplate:id": str(version["LaunchTemplateId"]),
            "aws:ec2launchtemplate:version": str(version["VersionNumber"]),
        }
        kinds = {
            kind: {**tags_of(said, kind), **tags_of(given, kind)} for kind in ("instance", "volume")
        }
        kinds["instance"] |= own
        replaced = {key.partition(".")[0] for key in given} & set(_LISTS)
        kept = {key: value for key, value in said.items() if key.partition(".")[0] not in replaced}
        tagless = {
            key: value
            for key, value in {**kept, **given}.items()
            if not key.startswith("TagSpecification.")
        }
        return {**tagless, **tag_parameters(kinds)}

    def _image(self, image: str) -> str:
        if not image.startswith(_SSM):
            return image
        name = image.removeprefix(_SSM)
        status, _, body = self._ssm._get_parameter({"Name": name})
        if status >= 400:
            raise ApiError(
                "InvalidParameterValue",
                f"Invalid value for parameter imageId: the Systems Manager parameter {name} does"
                " not exist.",
            )
        return str(json.loads(body)["Parameter"]["Value"])
