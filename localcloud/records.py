"""The emulator's records: how their states change and how the API answers.

The state's name is the work queue: API handlers only write the transitional states, the
controller does the work and writes the final ones.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]
Parameters = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[Parameters], Response]

CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
_changes = threading.Condition()


class ApiError(ValueError):
    """An answer of the API that is an error.

    Attributes:
        code: AWS's error code.
        message: AWS's words.
        status: HTTP status.

    """

    def __init__(self, code: str, message: str, status: int = 400, service: str = "Ec2") -> None:
        super().__init__(
            f"{message} (Service: {service}, Status Code: {status}, Error Code: {code})"
        )
        self.code, self.message, self.status = code, message, status


def matches(record: Record, filters: dict[str, list[str]], fields: dict[str, str]) -> bool:
    """Compare a record with an API call's filters.

    Args:
        record: The record.
        filters: Accepted values by filter name; other names than in fields are left to others.
        fields: The record's field for each filter name.

    """
    return all(record[fields[name]] in values for name, values in filters.items() if name in fields)


def state(record: Record) -> str:
    """Return the name of an instance's state."""
    return str(record["State"]["Name"])


def set_state(record: Record, name: str, reason: str = "", expected: str = "") -> bool:
    """Change an instance's state.

    Args:
        record: The instance.
        name: The new state.
        reason: Why, as AWS's StateReason "Code: message".
        expected: Change only when the instance is still in this state; empty for always.

    Returns:
        Whether it was changed.

    """
    with _changes:
        if expected and state(record) != expected:
            return False
        record["State"] = {"Code": CODES[name], "Name": name}
        record["StateReason"] = reason
        if name == "terminated":
            record["_terminated_at"] = time.time()
        _changes.notify_all()
    return True


def wait_for_state(record: Record, wanted: str, timeout: float = 180) -> None:
    """Wait until an instance is in a state.

    Args:
        record: The instance.
        wanted: The state.
        timeout: Seconds to wait.

    Raises:
        ApiError: It was terminated instead, or the time is over.

    """
    with _changes:
        _changes.wait_for(lambda: state(record) in (wanted, "terminated"), timeout)
        if state(record) != wanted:
            why = record.get("StateReason") or f"it is {state(record)} after {timeout:.0f} s"
            raise ApiError(
                "NotStabilized", f"Instance {record['InstanceId']} is not {wanted}: {why}"
            )
