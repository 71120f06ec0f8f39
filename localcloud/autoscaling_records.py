"""The records of Auto Scaling groups, their members and activities."""

import uuid

from localcloud.autoscaling_fields import now
from localcloud.records import Record

_HISTORY = 200


def new(name: str, account: str, region: str) -> Record:
    """Make the record of a group that nothing was asked of yet."""
    arn = f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup"
    return {
        "AutoScalingGroupName": name,
        "AutoScalingGroupARN": f"{arn}:{uuid.uuid4()}:autoScalingGroupName/{name}",
        "CreatedTime": now(),
        "Instances": [],
        "LaunchConfigurationName": "",
        "Status": "",
        "SuspendedProcesses": [],
        "Tags": [],
        "_activities": [],
        "_failures": 0,
        "_launch_after": 0.0,
        "_refreshing": False,
        "_replacing": 0,
        "_surge": 0,
    }


def is_leaving(member: Record) -> bool:
    """Say whether a member is on its way out, and counts no more."""
    return str(member["LifecycleState"]).startswith("Terminating")


def staying(group: Record) -> list[Record]:
    """Return the members that count towards the group's capacity."""
    return [member for member in group["Instances"] if not is_leaving(member)]


def in_service(group: Record) -> list[Record]:
    """Return the members that serve."""
    return [member for member in group["Instances"] if member["LifecycleState"] == "InService"]


def note(group: Record, activity: Record) -> Record:
    """Begin an activity."""
    activity = {
        "ActivityId": str(uuid.uuid4()),
        "AutoScalingGroupName": group["AutoScalingGroupName"],
        "AutoScalingGroupARN": group["AutoScalingGroupARN"],
        "StartTime": now(),
        "StatusCode": "InProgress",
        "Progress": 50,
        **activity,
    }
    group["_activities"].insert(0, activity)
    del group["_activities"][_HISTORY:]
    return activity
