"""What a fleet has outside of its stack's resources: files in its bucket, and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.module_utils.aws_cloud import code_of
from plugins.module_utils.release_bucket import MISSING, ReleaseBucket

if TYPE_CHECKING:
    from plugins.module_utils.aws_cloud import Cloud

PARAMETERS = (
    *("tls/ca.crt", "tls/server.crt", "tls/server.key"),
    *("client-tls/ca.crt", "client-tls/client.crt", "client-tls/client.key"),
)


class FleetContents:
    """The contents of one deployment's bucket, and its parameters."""

    def __init__(self, cloud: Cloud, deployment: str, bucket: str) -> None:
        """Take the bucket's name; an empty one is that of a deployment without a bucket."""
        self._cloud = cloud
        self._bucket = bucket
        self._names = [f"/{deployment}/{name}" for name in PARAMETERS] if bucket else []

    def parameters(self) -> list[str]:
        """Return the names of the parameters that are there."""
        if not self._names:
            return []
        answer = self._cloud.ssm.get_parameters(Names=self._names, WithDecryption=False)
        return sorted(parameter["Name"] for parameter in answer["Parameters"])

    def files(self) -> list[str]:
        """Return the keys of the objects that are there, deleted ones included."""
        return self._emptied(check=True)

    def remove(self) -> None:
        """Delete every version of every object, and the parameters."""
        self._emptied(check=False)
        if names := self.parameters():
            self._cloud.ssm.delete_parameters(Names=names)

    def left(self) -> dict[str, str]:
        """Return what is left after a removal: {name: command that removes it}."""
        found = {name: f"aws ssm delete-parameter --name {name}" for name in self.parameters()}
        if self._bucket and self._exists():
            found[self._bucket] = f"aws s3 rb --force s3://{self._bucket}"
        return found

    def _emptied(self, *, check: bool) -> list[str]:
        if not self._bucket or not self._exists():
            return []
        return ReleaseBucket(self._cloud, self._bucket, "", check=check, say=lambda _: None).empty()

    def _exists(self) -> bool:
        try:
            self._cloud.s3.head_bucket(Bucket=self._bucket)
        except self._cloud.s3.exceptions.ClientError as error:
            if code_of(error) not in MISSING:
                raise
            return False
        return True
