"""The CloudFormation resource types that the emulator lacks."""

from collections.abc import Callable

from localcloud.addresses import Addresses
from localcloud.instances import Instances
from localcloud.keys import KeyPairs
from localcloud.seams import Emulator


def install(
    emulator: Emulator,
    instances: Instances,
    addresses: Addresses,
    keys: KeyPairs,
    kick: Callable[[], None],
) -> None:
    """Register the types."""
