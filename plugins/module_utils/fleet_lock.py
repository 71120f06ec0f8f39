"""The lease and the journal of a fleet: in its bucket, with the meaning of those on a host.

Several control nodes may write them. Each write takes effect only on the version that was read, and
what counts of a lease is its age by the bucket's own clock.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from grpc_switch import journal, lease

from plugins.module_utils.aws_cloud import AwsError, StackError, code_of
from plugins.module_utils.release_bucket import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

LEASE, JOURNAL = "lease.json", "journal.jsonl"
# Somebody else has written since it was read: another version is there, none any more, or two
# write at once.
_OVERTAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_TRIES = 20


@dataclass(frozen=True)
class Version:
    """An object as it was read.

    Attributes:
        text: Its content; empty when there is none.
        tag: What names this version; empty when there is no object.
        age: Seconds since it was written, by the bucket's clock.
        now: The bucket's clock, in seconds since 1970.

    """

    text: str
    tag: str
    age: float
    now: float


class SharedObject:
    """One object that several may write at once, and no write is lost."""

    def __init__(self, s3: S3Client, bucket: str, key: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key

    def read(self) -> Version:
        """Return the present version."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key)
        except self._s3.exceptions.ClientError as error:
            if code_of(error) not in MISSING:
                raise
            return Version("", "", 0, _clock(error.response).timestamp())
        now, written = _clock(answer), answer["LastModified"]
        text = answer["Body"].read().decode(errors="replace")
        age = max(0.0, (now - written).total_seconds())
        return Version(text, answer["ETag"], age, now.timestamp())

    def change(self, edit: Callable[[Version], str | None]) -> None:
        """Write what `edit` makes of the present version; None leaves it.

        Whoever was overtaken by another reads again. An object that was deleted meanwhile is not
        made anew by who had read it.
        """
        for _ in range(_TRIES):
            found = self.read()
            text = edit(found)
            if text is None or self._write(text, found):
                return
        raise StackError(
            f"{self._key} in the bucket {self._bucket} could not be written: others wrote it"
            f" {_TRIES} times meanwhile. Run the same command again"
        )

    def _write(self, text: str, found: Version) -> bool:
        put = partial(self._s3.put_object, Bucket=self._bucket, Key=self._key, Body=text.encode())
        try:
            _ = put(IfMatch=found.tag) if found.tag else put(IfNoneMatch="*")
        except AwsError as error:
            if code_of(error) in _OVERTAKEN or (found.tag and code_of(error) in MISSING):
                return False
            raise
        return True


class FleetLock:
    """Who may change a fleet now, and what was done. StackError names the holder, if another."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._lease = SharedObject(s3, bucket, LEASE)
        self._journal = SharedObject(s3, bucket, JOURNAL)

    def holder(self) -> dict[str, Any] | None:
        """Return the run that holds it, as a host's lease does; None when nobody does.

        `seconds_left` says how long that lasts, `until` until when by this machine's clock.
        """
        return _held(self._lease.read())

    def runs(self) -> list[dict[str, Any]]:
        """Return every run, the oldest first: its intent, and its outcome beside it."""
        return journal.joined(self._journal.read().text.splitlines())

    def begin(self, run: str, intent: dict[str, Any], seconds: float) -> None:
        """Take the lease for `seconds`, from nobody or from the same run, and journal the intent.

        Args:
            run: The run's id.
            intent: `action`, `release`, `by`, `from`, `commit`.
            seconds: How long it is held unless it is renewed.

        """

        def taken(found: Version) -> str:
            _refuse_others(found, run)
            held = _held(found)
            who = {key: intent.get(key) for key in ("action", "by", "from")}
            since = held["since"] if held else found.now
            return json.dumps({"id": run, **who, "since": since, "seconds": seconds}) + "\n"

        self._lease.change(taken)
        self._note(journal.line_of(journal.BEGIN, run, intent))

    def require(self, run: str) -> None:
        """Make sure that no other run has the lease, or has had it since.

        One that has lapsed will do, as on a host.
        """
        _required(self._lease.read(), run)

    def renew(self, run: str) -> None:
        """Begin the run's lease anew; one whose bucket is gone, with its deployment, stays so."""

        def renewed(found: Version) -> str | None:
            return json.dumps(_required(found, run)) + "\n" if found.tag else None

        self._lease.change(renewed)

    def end(self, run: str, outcome: dict[str, Any] | None) -> None:
        """Journal how a run ended, if that is known, and give its lease back."""
        if outcome is not None and self._journal.read().tag:
            self._note(journal.line_of(journal.END, run, outcome))

        def given_back(found: Version) -> str | None:
            held = _held(found)
            if held is None or held["id"] != run:
                return None
            return json.dumps({**_last(found), "seconds": 0}) + "\n"

        self._lease.change(given_back)

    def _note(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)

        def noted(found: Version) -> str | None:
            # An answer that was lost on its way makes the same request come twice.
            return None if text in found.text.splitlines() else f"{found.text}{text}\n"

        self._journal.change(noted)


def _held(found: Version) -> dict[str, Any] | None:
    last = _last(found)
    left = last["seconds"] - found.age if last else 0.0
    return {**last, "until": time.time() + left, "seconds_left": left} if left > 0 else None


def _last(found: Version) -> dict[str, Any]:
    """Return the lease that was taken last, whether or not it still runs."""
    try:
        last = json.loads(found.text)
        return dict(last) if {"id", "seconds", "since"} <= last.keys() else {}
    except (ValueError, AttributeError):
        return {}


def _required(found: Version, run: str) -> dict[str, Any]:
    _refuse_others(found, run)
    last = _last(found)
    if last.get("id") != run:
        raise StackError(_of_fleet(lease.LOST))
    return last


def _refuse_others(found: Version, run: str) -> None:
    held = _held(found)
    if held is not None and held["id"] != run:
        raise StackError(_of_fleet(lease.refusal(held)))


def _of_fleet(words: str) -> str:
    return words.replace("the lock", "the fleet's lock").replace("the lease", "The fleet's lease")


def _clock(answer: Any) -> datetime:
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(said) if said else datetime.now(UTC)
