"""Follow what CloudFormation does with a stack: events in plain words, and the first failure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from plugins.module_utils.aws_cloud import StackError, code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef, StackTypeDef

_STACK = "AWS::CloudFormation::Stack"
_VERBS = {
    "CREATE_IN_PROGRESS": "creating",
    "CREATE_COMPLETE": "created",
    "CREATE_FAILED": "NOT CREATED",
    "UPDATE_IN_PROGRESS": "updating",
    "UPDATE_COMPLETE": "updated",
    "UPDATE_FAILED": "NOT UPDATED",
    "DELETE_IN_PROGRESS": "deleting",
    "DELETE_COMPLETE": "deleted",
    "DELETE_FAILED": "NOT DELETED",
    "DELETE_SKIPPED": "kept",
    "ROLLBACK_IN_PROGRESS": "undoing",
    "UPDATE_ROLLBACK_IN_PROGRESS": "undoing",
}


def describe(cloudformation: CloudFormationClient, name: str) -> StackTypeDef | None:
    """Return the stack of that name or id, or None when there is none."""
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        if code_of(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return stacks[0] if stacks else None


def is_busy(status: str) -> bool:
    """Say whether CloudFormation is at work on a stack of this status."""
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def pauses(timeout: float) -> Iterator[None]:
    """Yield at once and then about once a second, until `timeout` seconds have passed."""
    end = time.monotonic() + timeout
    pause = 0.1
    yield
    while time.monotonic() < end:
        time.sleep(pause)
        pause = min(1.0, pause * 2)
        yield


class Watch:
    """One operation on one stack, whose events are said as they happen."""

    def __init__(
        self,
        cloudformation: CloudFormationClient,
        stack_id: str,
        words: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        """Start watching: what happened before now is not said and does not count."""
        self._cloudformation = cloudformation
        self._stack_id = stack_id
        self._words = words
        self._say = say
        self._started = time.monotonic()
        self._seen: set[str] = set()
        self._said: set[tuple[str, str]] = set()
        self.events: list[StackEventTypeDef] = []
        self._new_events()
        self.events.clear()

    def wait(self, timeout: float) -> str:
        """Say events until the operation ends; return the stack's last status.

        Raises StackError when it has not ended after `timeout` seconds.
        """
        for _ in pauses(timeout):
            for event in self._new_events():
                self._say_event(event)
                status = str(event.get("ResourceStatus", ""))
                if self._is_stack(event) and not status.endswith("_IN_PROGRESS"):
                    return status
            if self._is_gone():
                return "DELETE_COMPLETE"
        raise self._too_slow(timeout)

    def settle(self, timeout: float) -> StackTypeDef | None:
        """Say events until an operation begun by others has ended; return the stack."""
        for _ in pauses(timeout):
            stack = describe(self._cloudformation, self._stack_id)
            for event in self._new_events():
                self._say_event(event)
            if stack is None or not is_busy(stack["StackStatus"]):
                return stack
        raise self._too_slow(timeout)

    def first_failure(self) -> tuple[str, str]:
        """Return the first resource that failed (in words, with its id) and AWS's reason."""
        for event in self.events:
            status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
            if status.endswith("_FAILED") and "cancelled" not in reason.lower():
                if self._is_stack(event):
                    continue
                name = event.get("LogicalResourceId", "")
                return f"{self._words.get(name, name)} ({name})", reason
        reasons = [event.get("ResourceStatusReason", "") for event in self.events]
        return "the stack itself", next(filter(None, reasons), "AWS gives no reason")

    def _is_gone(self) -> bool:
        stack = describe(self._cloudformation, self._stack_id)
        return stack is None or stack["StackStatus"] == "DELETE_COMPLETE"

    def _new_events(self) -> list[StackEventTypeDef]:
        new: list[StackEventTypeDef] = []
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(
            StackName=self._stack_id
        )
        for page in pages:
            fresh = [event for event in page["StackEvents"] if event["EventId"] not in self._seen]
            new += fresh
            if len(fresh) < len(page["StackEvents"]):
                break
        self._seen.update(event["EventId"] for event in new)
        new.reverse()
        self.events += new
        return new

    def _is_stack(self, event: StackEventTypeDef) -> bool:
        return (
            event.get("ResourceType") == _STACK
            and (event.get("PhysicalResourceId") or self._stack_id) == self._stack_id
        )

    def _say_event(self, event: StackEventTypeDef) -> None:
        name, status = event.get("LogicalResourceId", ""), event.get("ResourceStatus", "")
        verb = _VERBS.get(status)
        if verb is None or (name, status) in self._said:
            return
        self._said.add((name, status))
        what = "the stack" if self._is_stack(event) else self._words.get(name, name)
        reason = event.get("ResourceStatusReason", "") if status.endswith("_FAILED") else ""
        elapsed = time.monotonic() - self._started
        self._say(f"{elapsed:5.0f} s  {verb:<12} {what}" + (f": {reason}" if reason else ""))

    def _too_slow(self, timeout: float) -> StackError:
        return StackError(
            f"CloudFormation has not finished after {timeout:.0f} s: the last event is "
            f"{self.events[-1].get('ResourceStatus') if self.events else 'an older one'}. "
            "Nothing is lost; run the same command again and it waits on"
        )
