"""What can be chosen about a cloud."""

import pytest

from localcloud.errors import LocalCloudError
from localcloud.settings import read


def test_the_default_cloud_is_local_on_port_4566() -> None:
    settings = read({})
    assert (settings.name, settings.endpoint) == ("local", "http://127.0.0.1:4566")
    assert str(settings.network) == "10.42.0.0/16"


def test_all_addresses_follow_from_the_network() -> None:
    settings = read({"LOCALCLOUD_NETWORK": "10.77.0.0/16"})
    assert str(settings.private_range) == "10.77.0.0/17"
    assert str(settings.public_range) == "10.77.200.0/24"
    assert str(settings.operator_address) == "10.77.255.1"
    assert str(settings.outside_range) == "10.77.255.0/28"
    assert str(settings.api_address) == "10.77.255.254"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("LOCALCLOUD_NAME", "Not A Name"),
        ("LOCALCLOUD_NAME", "much-too-long-a-name"),
        ("LOCALCLOUD_PORT", "eighty"),
        ("LOCALCLOUD_PORT", "70000"),
        ("LOCALCLOUD_NETWORK", "10.42.0.0/24"),
        ("LOCALCLOUD_NETWORK", "8.8.0.0/16"),
        ("LOCALCLOUD_NETWORK", "10.42.1.0/16"),
    ],
)
def test_a_bad_value_is_an_error_that_names_key_and_value(key: str, value: str) -> None:
    with pytest.raises(LocalCloudError, match=f"{key} is '{value}'"):
        read({key: value})
