"""The metadata service as a host sees it."""

import json

import pytest

from localcloud.settings import Settings
from tests.conftest import Cloud
from tests.localcloud.conftest import Key, Launch
from tests.localcloud.guests import Guest, leaves_by, output

URL = "http://169.254.169.254/latest"
LIFETIME = "X-aws-ec2-metadata-token-ttl-seconds"


@pytest.fixture(scope="module")
def host(launch: Launch) -> Guest:
    return launch(UserData="#cloud-config\n").ready()


def status(host: Guest, *arguments: str) -> str:
    return host.run(f"curl -s -o /dev/null -w %{{http_code}} {' '.join(arguments)}")


def token(host: Guest) -> str:
    return host.run(f"curl -sf -X PUT {URL}/api/token -H '{LIFETIME}: 60'")


def read(host: Guest, path: str) -> str:
    return host.run(f"curl -sf -H 'X-aws-ec2-metadata-token: {token(host)}' {URL}/{path}")


def test_a_request_without_a_token_is_refused(host: Guest) -> None:
    assert status(host, f"{URL}/meta-data/instance-id") == "401"


def test_a_wrong_token_is_refused(host: Guest) -> None:
    assert status(host, "-H 'X-aws-ec2-metadata-token: x'", f"{URL}/meta-data/") == "401"


def test_a_token_without_a_lifetime_is_a_bad_request(host: Guest) -> None:
    assert status(host, "-X PUT", f"{URL}/api/token") == "400"


def test_a_token_shows_who_the_host_is(host: Guest, key: Key) -> None:
    public = output("ssh-keygen", "-y", "-f", str(key.file)).strip()
    assert read(host, "meta-data/instance-id") == host.instance_id
    assert read(host, "meta-data/local-ipv4") == host.private
    assert read(host, "meta-data/public-ipv4") == host.public
    assert read(host, "meta-data/placement/region") == "us-east-1"
    assert read(host, "meta-data/public-keys/0/openssh-key") == public
    assert read(host, "user-data") == "#cloud-config"


def test_the_identity_document_names_the_instance(host: Guest) -> None:
    document = json.loads(read(host, "dynamic/instance-identity/document"))
    assert document["instanceId"] == host.instance_id


def test_an_unknown_path_is_not_found(host: Guest) -> None:
    header = f"-H 'X-aws-ec2-metadata-token: {token(host)}'"
    assert status(host, header, f"{URL}/meta-data/nothing") == "404"


def test_a_token_of_one_host_is_worth_nothing_on_another(host: Guest, launch: Launch) -> None:
    other = launch().ready()
    header = f"-H 'X-aws-ec2-metadata-token: {token(host)}'"
    assert status(other, header, f"{URL}/meta-data/instance-id") == "401"


def test_a_token_travels_one_hop_only(cloud: Cloud, host: Guest) -> None:
    """A container on the host, one hop further, gets no token.

    A host of the local cloud cannot set kernel parameters; forwarding is set from outside.
    """
    namespace = Settings(name=cloud.name).namespace(host.instance_id)
    output("ip", "netns", "exec", namespace, "sysctl", "-w", "net.ipv4.ip_forward=1")
    host.run(
        "sudo sh -ec 'ip netns add inner; ip link add o type veth peer name i netns inner;"
        " ip address add 172.30.0.1/24 dev o; ip link set o up;"
        " ip -n inner address add 172.30.0.2/24 dev i; ip -n inner link set i up;"
        " ip -n inner route add default via 172.30.0.1;"
        " nft add table ip inner; nft add chain ip inner post"
        ' "{ type nat hook postrouting priority 100; }";'
        " nft add rule ip inner post ip saddr 172.30.0.2 masquerade'"
    )
    inner = "sudo ip netns exec inner curl -s -m 2 -o /dev/null -w %{http_code}"
    assert host.run(f"{inner} {URL}/meta-data/instance-id") == "401"
    refused = host.ssh(f"{inner} -X PUT {URL}/api/token -H '{LIFETIME}: 60'")
    assert refused.stdout == "000"


def test_a_host_reaches_the_api_at_its_own_address(cloud: Cloud, host: Guest) -> None:
    endpoint = f"http://{cloud.octets}.255.254:{cloud.port}"
    assert host.run("cat /etc/localcloud-endpoint") == endpoint
    assert status(host, f"{endpoint}/_ministack/health") == "200"


def test_the_api_address_of_the_hosts_has_no_route_from_this_machine(cloud: Cloud) -> None:
    assert leaves_by(f"{cloud.octets}.255.254") == ""
