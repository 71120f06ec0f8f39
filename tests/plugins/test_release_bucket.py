"""What new hosts take is published once, and named last."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY

from plugins.module_utils.aws_cloud import Cloud, StackError
from plugins.module_utils.host_bundle import sha256
from plugins.module_utils.release_bucket import CURRENT, Offer, ReleaseBucket
from tests.plugins.stubs import WHEN, answers, new_cloud


@pytest.fixture
def offer(tmp_path: Path) -> Offer:
    for name in ("archive", "bundle"):
        (tmp_path / name).write_text(f"the {name}")
    return Offer("1.0-abc", tmp_path / "archive", tmp_path / "bundle")


def new_bucket(cloud: Cloud, said: list[str], *, check: bool = False) -> ReleaseBucket:
    return ReleaseBucket(cloud, "releases", "demo", check=check, say=said.append)


def holding(content: dict[str, Any]) -> tuple[str, Any]:
    body = json.dumps(content).encode()
    return "get_object", {"Body": StreamingBody(io.BytesIO(body), len(body))}


def head(digest: str) -> tuple[str, Any]:
    return "head_object", {"Metadata": {"sha256": digest}}


def test_what_is_missing_is_published(offer: Offer) -> None:
    cloud, said = new_cloud(), list[str]()
    puts: list[tuple[str, Any]] = [("head_object", "404"), ("put_object", {})]
    with answers(cloud.s3, *puts, *puts, ("get_object", "NoSuchKey"), ("put_object", {})):
        bucket = new_bucket(cloud, said)
        bucket.put_objects(offer, offer.named())
        bucket.name(offer.named())
    assert [change.partition(",")[0] for change in bucket.changes] == [
        "releases/1.0-abc.tar",
        f"configure/{sha256(offer.bundle)}.tar.gz",
        CURRENT,
    ]
    assert len(said) == 3


def test_what_is_there_is_left_alone(offer: Offer) -> None:
    cloud = new_cloud()
    named = offer.named()
    there = [head(named["archive_sha256"]), head(named["bundle_sha256"])]
    with answers(cloud.s3, *there, holding({**named, "at": "then", "by": "ana"})):
        bucket = new_bucket(cloud, [])
        bucket.put_objects(offer, named)
        bucket.name(named)
    assert bucket.changes == []


def test_check_mode_tells_and_writes_nothing(offer: Offer) -> None:
    cloud, said = new_cloud(), list[str]()
    missing = ("head_object", "404")
    with answers(cloud.s3, missing, missing, holding({"release": "0.9"})):
        bucket = new_bucket(cloud, said, check=True)
        bucket.put_objects(offer, offer.named())
        bucket.name(offer.named())
    assert len(bucket.changes) == 3
    assert said == []


def test_a_parameter_is_written_when_it_differs_and_its_content_is_never_said(
    tmp_path: Path,
) -> None:
    cloud, said = new_cloud(), list[str]()
    (tmp_path / "key").write_text("the key")
    for value, puts in (("the key", 0), ("another", 1)):
        held = {"Parameters": [{"Name": "/demo/tls/key", "Value": value}]}
        with answers(cloud.ssm, ("get_parameters", held), *[("put_parameter", {})] * puts):
            new_bucket(cloud, said).put_parameters({"/demo/tls/key": tmp_path / "key"})
    assert said == ["Publishing parameter /demo/tls/key"]


def test_old_archives_go_and_named_ones_stay() -> None:
    cloud = new_cloud()

    def listed(*keys: str) -> tuple[str, Any]:
        found = [{"Key": key, "LastModified": WHEN.replace(day=n)} for n, key in enumerate(keys, 1)]
        return "list_objects_v2", {"Contents": found, "IsTruncated": False}

    with answers(
        cloud.s3,
        listed("releases/1.tar", "releases/2.tar", "releases/3.tar"),
        ("delete_object", {}),
        listed(),
    ):
        bucket = new_bucket(cloud, [])
        bucket.remove_old(1, {"archive": "releases/1.tar"})
    assert bucket.changes == ["releases/2.tar is deleted"]


def test_emptying_takes_every_version() -> None:
    cloud = new_cloud()
    versions = {
        "Versions": [{"Key": "a", "VersionId": "1"}, {"Key": "a", "VersionId": "2"}],
        "DeleteMarkers": [{"Key": "b", "VersionId": "3"}],
        "IsTruncated": False,
    }
    with answers(cloud.s3, ("list_object_versions", versions)) as stub:
        stub.add_response(
            "delete_objects",
            {},
            {
                "Bucket": "releases",
                "Delete": {
                    "Objects": [
                        {"Key": "a", "VersionId": "1"},
                        {"Key": "a", "VersionId": "2"},
                        {"Key": "b", "VersionId": "3"},
                    ],
                    "Quiet": ANY,
                },
            },
        )
        stub.add_response("list_object_versions", {"IsTruncated": False})
        assert new_bucket(cloud, []).empty() == ["a", "b"]


def test_a_release_that_the_bucket_has_is_named_with_the_present_bundle() -> None:
    cloud = new_cloud()
    current = {"release": "2", "bundle": "configure/b.tar.gz", "bundle_sha256": "bb"}
    with answers(cloud.s3, holding(current), head("aa")):
        assert new_bucket(cloud, []).kept("1") == {
            "release": "1",
            "archive": "releases/1.tar",
            "archive_sha256": "aa",
            "bundle": "configure/b.tar.gz",
            "bundle_sha256": "bb",
        }


def test_a_release_that_the_bucket_has_not_is_refused() -> None:
    cloud = new_cloud()
    with (
        answers(cloud.s3, holding({"release": "2"}), ("head_object", "404")),
        pytest.raises(StackError, match="has no release 1"),
    ):
        new_bucket(cloud, []).kept("1")
