"""A fleet's bucket and parameters: what new hosts take, and what names it."""

from __future__ import annotations

import getpass
import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plugins.module_utils.aws_cloud import StackError, code_of
from plugins.module_utils.host_bundle import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from plugins.module_utils.aws_cloud import Cloud
    from plugins.module_utils.fleet_failures import Failures

CURRENT = "current.json"
_FOLDERS = ("releases/", "configure/")
MISSING = {"404", "NoSuchBucket", "NoSuchKey", "NotFound"}
_PARAMETERS_AT_ONCE = 10


@dataclass(frozen=True)
class Offer:
    """What is published: files on the control node.

    Attributes:
        release: Id of the release.
        archive: The release's archive.
        bundle: What a host configures itself with.

    """

    release: str
    archive: Path
    bundle: Path

    def named(self) -> dict[str, str]:
        """Return what `current.json` says of it."""
        bundle = sha256(self.bundle)
        return {
            "release": self.release,
            "archive": f"releases/{self.release}.tar",
            "archive_sha256": sha256(self.archive),
            "bundle": f"configure/{bundle}.tar.gz",
            "bundle_sha256": bundle,
        }


class ReleaseBucket:
    """The bucket of one deployment. In check mode it says what it would do, and does nothing."""

    def __init__(
        self, cloud: Cloud, bucket: str, deployment: str, *, check: bool, say: Callable[[str], None]
    ) -> None:
        self._cloud = cloud
        self._bucket = bucket
        self._deployment = deployment
        self._check = check
        self._say = say
        self.changes: list[str] = []

    def current(self) -> dict[str, Any]:
        """Return what `current.json` says; nothing when there is none."""
        try:
            answer = self._cloud.s3.get_object(Bucket=self._bucket, Key=CURRENT)
        except self._cloud.s3.exceptions.ClientError as error:
            if code_of(error) not in MISSING:
                raise
            return {}
        found: dict[str, Any] = json.loads(answer["Body"].read())
        return found

    def kept(self, release: str) -> dict[str, str]:
        """Return how `current.json` would name a release that the bucket has.

        What hosts configure themselves with stays as it is named now.
        """
        archive, current = f"releases/{release}.tar", self.current()
        digest = self._digest(archive)
        if not digest or not current:
            raise StackError(
                f"The bucket {self._bucket} has no release {release}: new hosts could not take it. "
                f"Those it has: aws s3 ls s3://{self._bucket}/releases/"
            )
        bundle = {key: str(current[key]) for key in ("bundle", "bundle_sha256")}
        return {"release": release, "archive": archive, "archive_sha256": digest, **bundle}

    def put_parameters(self, parameters: Mapping[str, Path]) -> None:
        """Bring the parameters up to date; what they hold is never shown."""
        there = self._parameters(list(parameters))
        for name, path in parameters.items():
            content = path.read_text() if path.exists() else ""
            if there.get(name) != content and self._begins(f"parameter {name}"):
                self._put_parameter(name, content, exists=name in there)

    def put_objects(self, offer: Offer, named: Mapping[str, str]) -> None:
        """Upload archive and bundle, unless they are there."""
        for key, digest, path in (
            (named["archive"], named["archive_sha256"], offer.archive),
            (named["bundle"], named["bundle_sha256"], offer.bundle),
        ):
            if self._digest(key) != digest and self._begins(key):
                with path.open("rb") as body:
                    self._cloud.s3.put_object(
                        Bucket=self._bucket, Key=key, Body=body, Metadata={"sha256": digest}
                    )

    def name(self, named: Mapping[str, str]) -> None:
        """Let new hosts take this: the last step, for what is proven or the first."""
        current = self.current()
        if {key: current.get(key) for key in named} != named and self._begins(
            f"{CURRENT}, which names {named['release']}"
        ):
            content = {
                **named,
                "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "by": f"{getpass.getuser()}@{socket.gethostname()}",
            }
            body = json.dumps(content, indent=2).encode() + b"\n"
            self._cloud.s3.put_object(
                Bucket=self._bucket, Key=CURRENT, Body=body, ContentType="application/json"
            )

    def try_again(self, failures: Failures) -> None:
        """Let the group replace hosts again, if some have failed to configure themselves."""
        failed = len(failures.instances())
        if failed and self._begins(f"that {failed} hosts failed is over: hosts are replaced again"):
            failures.forget()

    def remove_old(self, keep: int, *kept: Mapping[str, str]) -> None:
        """Delete all but the newest archives and bundles, and those that are named.

        The bucket keeps what was deleted for as long as the stack says.
        """
        stay = {names[key] for names in kept for key in ("archive", "bundle") if key in names}
        for folder in _FOLDERS:
            pages = self._cloud.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=folder
            )
            found = [item for page in pages for item in page.get("Contents", [])]
            found.sort(key=lambda item: item["LastModified"])
            for item in found[:-keep]:
                if item["Key"] not in stay and self._begins(f"{item['Key']} is deleted"):
                    self._cloud.s3.delete_object(Bucket=self._bucket, Key=item["Key"])

    def empty(self) -> list[str]:
        """Delete every version of every object; return the keys."""
        keys = self._every_version()
        # The run that does this renews its lease in the bucket until that is gone.
        while not self._check and (late := self._every_version()):
            keys |= late
        return sorted(keys)

    def _every_version(self) -> set[str]:
        keys: set[str] = set()
        pages = self._cloud.s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket)
        for page in pages:
            versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            keys.update(version["Key"] for version in versions)
            if versions and not self._check:
                self._cloud.s3.delete_objects(
                    Bucket=self._bucket,
                    Delete={
                        "Objects": [
                            {"Key": version["Key"], "VersionId": version["VersionId"]}
                            for version in versions
                        ],
                        "Quiet": True,
                    },
                )
        return keys

    def _begins(self, what: str) -> bool:
        """Note a change; say whether it is to be made."""
        self.changes.append(what)
        if not self._check:
            self._say(f"Publishing {what}")
        return not self._check

    def _digest(self, key: str) -> str:
        try:
            answer = self._cloud.s3.head_object(Bucket=self._bucket, Key=key)
        except self._cloud.s3.exceptions.ClientError as error:
            if code_of(error) not in MISSING:
                raise
            return ""
        return answer["Metadata"].get("sha256", "")

    def _parameters(self, names: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for first in range(0, len(names), _PARAMETERS_AT_ONCE):
            answer = self._cloud.ssm.get_parameters(
                Names=names[first : first + _PARAMETERS_AT_ONCE], WithDecryption=True
            )
            found |= {item["Name"]: item["Value"] for item in answer["Parameters"]}
        return found

    def _put_parameter(self, name: str, content: str, *, exists: bool) -> None:
        if exists:
            self._cloud.ssm.put_parameter(
                Name=name, Value=content, Type="SecureString", Overwrite=True
            )
        else:
            self._cloud.ssm.put_parameter(
                Name=name,
                Value=content,
                Type="SecureString",
                Tags=[{"Key": "Deployment", "Value": self._deployment}],
            )
