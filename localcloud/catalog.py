"""What AWS offers to everybody: images, instance types, the default network, public parameters."""

import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.records import ApiError, Handler, Parameters, Record, Response
from localcloud.seams import Emulator
from localcloud.settings import Settings

_AMAZON = "137112412989"
_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-"
_SIZES = {"nano": 0.5, "micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_VIRTUAL_CPUS = {"xlarge": 4, "2xlarge": 8}
# GiB of each family's "large"; the other sizes follow in proportion.
_FAMILIES = {"t2": 8, "t3": 8, "t3a": 8, "t4g": 8, "m1": 7.5}
_FAMILIES |= {f"m{kind}": 8 for kind in ("5", "6a", "6g", "6i", "7a", "7g", "7i")}
_FAMILIES |= {f"c{kind}": 4 for kind in ("5", "6a", "6g", "6i", "7a", "7g", "7i")}
_FAMILIES |= {f"r{kind}": 16 for kind in ("5", "6a", "6g", "6i", "7a", "7g", "7i")}


@dataclass(frozen=True)
class Image:
    """A machine image that instances can be launched from; all of them boot the same host.

    Attributes:
        name: Its name at AWS.
        architecture: x86_64 or arm64.

    """

    name: str
    architecture: str


def _image(version: str, architecture: str) -> Image:
    return Image(f"al2023-ami-2023.{version}-kernel-6.1-{architecture}", architecture)


# Two of each architecture, so that a replacement can be asked for.
IMAGES = {
    "ami-0a12c0c0a5e700001": _image("6.20241010.0", "x86_64"),
    "ami-0a12c0c0a5e700002": _image("7.20250428.1", "x86_64"),
    "ami-0a12c0c0a5e700003": _image("6.20241010.0", "arm64"),
    "ami-0a12c0c0a5e700004": _image("7.20250428.1", "arm64"),
}
NEWEST = {image.architecture: image_id for image_id, image in IMAGES.items()}


def machine_architecture() -> str:
    """Return this machine's architecture in AWS's words."""
    return {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


@dataclass(frozen=True)
class InstanceType:
    """What an instance type promises; the local cloud's hosts share the machine instead.

    Attributes:
        name: Family and size.
        architecture: x86_64 or arm64.
        cpus: Virtual CPUs.
        memory: MiB.

    """

    name: str
    architecture: str
    cpus: int
    memory: int


def instance_type(name: str) -> InstanceType | None:
    """Look an instance type up; None when AWS has none of this name (or nobody needs it)."""
    family, _, size = name.partition(".")
    if family not in _FAMILIES or size not in _SIZES:
        return None
    small = size not in ("large", *_VIRTUAL_CPUS)
    if small and family[0] != "t" and name not in ("m1.small", "m1.medium"):
        return None
    if family[0] != "t" and size == "medium":
        return None
    architecture = "arm64" if re.search(r"\dg$", family) else "x86_64"
    memory = int(1024 * _SIZES[size] / _SIZES["large"] * _FAMILIES[family])
    return InstanceType(name, architecture, _VIRTUAL_CPUS.get(size, 2), memory)


def check_launch(image_id: str, type_name: str) -> None:
    """Check that an instance of this image and type can exist here.

    Raises:
        ApiError: Unknown image or type, or architectures that do not match.

    """
    if not re.fullmatch(r"ami-[0-9a-f]{8,17}", image_id):
        raise ApiError("InvalidAMIID.Malformed", f'Invalid id: "{image_id}"')
    image, kind = IMAGES.get(image_id), instance_type(type_name)
    if image is None:
        raise ApiError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    if kind is None:
        raise ApiError("InvalidParameterValue", f"Invalid value '{type_name}' for InstanceType.")
    if kind.architecture != image.architecture:
        raise ApiError(
            "InvalidParameterValue",
            f"The architecture '{kind.architecture}' of the specified instance type does not match"
            f" the architecture '{image.architecture}' of the specified AMI. Specify an instance"
            " type and an AMI that have matching architectures, and try again.",
        )
    if image.architecture != machine_architecture():
        raise ApiError(
            "Unsupported",
            f"This local cloud runs on {machine_architecture()} and cannot boot a host for"
            f" {image.architecture}: choose an image and an instance type of the machine's own.",
        )


class Catalog:
    """Puts the offers into the emulator and answers the calls that show them."""

    def __init__(self, settings: Settings, emulator: Emulator) -> None:
        self._settings = settings
        self._emulator = emulator
        self._ec2 = emulator.ec2
        self._describe_original: Handler = self._ec2._describe_images
        self._view_original: Callable[..., Record] = self._ec2._stub_image_view
        self._defaults_original: Callable[[], None] = self._ec2._init_defaults

    def install(self) -> None:
        """Put images, parameters and the default network in the place of the emulator's."""
        self._ec2._STUB_AMIS[:] = [
            (image_id, image.name, "Amazon Linux 2023 AMI", "", "/dev/xvda", _AMAZON, "amazon")
            for image_id, image in IMAGES.items()
        ]
        self._ec2._stub_image_view = self._view
        self._ec2._init_defaults = self._defaults
        for account, region in list(self._ec2._default_initialized_scopes):
            with self._emulator.responses.request_scope(account, region):
                self._defaults()
        parameters = self._emulator.ssm._PUBLIC_AMI_PARAMETERS
        parameters.clear()
        parameters.update({f"{_PARAMETER}{kind}": image for kind, image in NEWEST.items()})

    def handlers(self) -> dict[str, Handler]:
        """Return the API calls that this module answers."""
        return {
            "DescribeAccountAttributes": self._account,
            "DescribeImages": self._images,
            "DescribeInstanceTypes": self._types,
        }

    def _view(self, image_id: str, *fields: Any) -> Record:
        view = self._view_original(image_id, *fields)
        return {**view, "Architecture": IMAGES[image_id].architecture}

    def _defaults(self) -> None:
        self._defaults_original()
        vpc, routes = self._ec2._DEFAULT_VPC_ID, self._ec2._DEFAULT_RTB_ID
        private = self._settings.private_range
        self._ec2._vpcs[vpc]["CidrBlock"] = str(private)
        self._ec2._route_tables[routes]["Routes"][0]["DestinationCidrBlock"] = str(private)
        zones = (
            self._ec2._DEFAULT_SUBNET_ID,
            self._ec2._DEFAULT_SUBNET_ID_B,
            self._ec2._DEFAULT_SUBNET_ID_C,
        )
        for subnet, network in zip(zones, private.subnets(new_prefix=20), strict=False):
            self._ec2._subnets[subnet]["CidrBlock"] = str(network)

    def _images(self, parameters: Parameters) -> Response:
        for image_id in self._ec2._parse_member_list(parameters, "ImageId"):
            if image_id not in IMAGES:
                raise ApiError(
                    "InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist"
                )
        return self._describe_original(parameters)

    def _types(self, parameters: Parameters) -> Response:
        every = [f"{family}.{size}" for family in _FAMILIES for size in _SIZES]
        asked = self._ec2._parse_member_list(parameters, "InstanceType")
        kinds = [(name, instance_type(name)) for name in asked or every]
        unknown = [name for name, kind in kinds if kind is None]
        if asked and unknown:
            raise ApiError(
                "InvalidInstanceType",
                f"The following supplied instance types do not exist: [{', '.join(unknown)}]",
            )
        items = "".join(_type_xml(kind) for _, kind in kinds if kind)
        return self._emulator.answer(
            "DescribeInstanceTypes", f"<instanceTypeSet>{items}</instanceTypeSet>"
        )

    def _account(self, parameters: Parameters) -> Response:
        values = {
            "supported-platforms": "VPC",
            "default-vpc": str(self._ec2._DEFAULT_VPC_ID),
            "max-instances": "20",
            "vpc-max-security-groups-per-interface": "5",
            "max-elastic-ips": "5",
            "vpc-max-elastic-ips": "5",
        }
        asked = self._ec2._parse_member_list(parameters, "AttributeName") or list(values)
        items = "".join(
            f"<item><attributeName>{name}</attributeName><attributeValueSet><item>"
            f"<attributeValue>{values[name]}</attributeValue></item></attributeValueSet></item>"
            for name in asked
            if name in values
        )
        inner = f"<accountAttributeSet>{items}</accountAttributeSet>"
        return self._emulator.answer("DescribeAccountAttributes", inner)


def _type_xml(kind: InstanceType) -> str:
    return (
        f"<item><instanceType>{kind.name}</instanceType><currentGeneration>true</currentGeneration>"
        "<hypervisor>nitro</hypervisor><supportedRootDeviceTypes><item>ebs</item>"
        "</supportedRootDeviceTypes><processorInfo><supportedArchitectures>"
        f"<item>{kind.architecture}</item></supportedArchitectures></processorInfo>"
        f"<vCpuInfo><defaultVCpus>{kind.cpus}</defaultVCpus></vCpuInfo>"
        f"<memoryInfo><sizeInMiB>{kind.memory}</sizeInMiB></memoryInfo></item>"
    )
