"""Instance refresh: every host of a group is replaced, and enough of them serve all the time."""

import time
import uuid
from math import ceil

from localcloud.autoscaling_fields import Fields, invalid, now, truth
from localcloud.autoscaling_groups import Groups
from localcloud.autoscaling_members import Members
from localcloud.autoscaling_records import in_service, is_leaving, staying
from localcloud.records import ApiError, Record

_ACTIVE = ("Pending", "InProgress", "Cancelling")
_BOUNDS = {"MinHealthyPercentage": (0, 100), "MaxHealthyPercentage": (100, 200)}


class Refreshes:
    """Starts, shows, cancels and carries out refreshes."""

    def __init__(self, groups: Groups, members: Members) -> None:
        self._groups = groups
        self._members = members

    def start(self, fields: Fields) -> Fields:
        """Answer StartInstanceRefresh.

        Raises:
            ApiError: One is under way, or a value does not fit.

        """
        group = self._groups.find(fields.get("AutoScalingGroupName", ""))
        if _active(group):
            raise _error(
                "InstanceRefreshInProgress",
                "An Instance Refresh is already in progress and blocks the execution of this"
                " Instance Refresh.",
            )
        preferences = _preferences(group, fields.get("Preferences") or {})
        wanted = (fields.get("DesiredConfiguration") or {}).get("LaunchTemplate")
        previous = group["LaunchTemplate"]
        if wanted:
            self._groups.update(group, {"LaunchTemplate": wanted})
        matching = self._groups.template(group) if preferences["SkipMatching"] else None
        old = {
            member["InstanceId"]
            for member in staying(group)
            if not (matching and _launched_from(member, matching))
        }
        refresh: Record = {
            "InstanceRefreshId": str(uuid.uuid4()),
            "AutoScalingGroupName": group["AutoScalingGroupName"],
            "Status": "Pending",
            "StartTime": now(),
            "PercentageComplete": 0,
            "InstancesToUpdate": len(old),
            "Preferences": preferences,
            "_old": old,
            "_previous": previous,
        }
        group.setdefault("InstanceRefreshes", []).insert(0, refresh)
        return {"InstanceRefreshId": refresh["InstanceRefreshId"]}

    def describe(self, fields: Fields) -> Fields:
        """Answer DescribeInstanceRefreshes."""
        group = self._groups.find(fields.get("AutoScalingGroupName", ""))
        ids = fields.get("InstanceRefreshIds") or ()
        return {
            "InstanceRefreshes": [
                {key: value for key, value in refresh.items() if not key.startswith("_")}
                for refresh in group.get("InstanceRefreshes", ())
                if not ids or refresh["InstanceRefreshId"] in ids
            ]
        }

    def cancel(self, fields: Fields) -> Fields:
        """Answer CancelInstanceRefresh; who was replaced stays so.

        Raises:
            ApiError: None is under way.

        """
        group = self._groups.find(fields.get("AutoScalingGroupName", ""))
        refresh = _active(group)
        if refresh is None:
            raise _error(
                "ActiveInstanceRefreshNotFound",
                "No in progress or pending Instance Refresh found for Auto Scaling group"
                f" {group['AutoScalingGroupName']}",
            )
        group["LaunchTemplate"] = refresh["_previous"]
        refresh["Status"] = "Cancelling"
        return {"InstanceRefreshId": refresh["InstanceRefreshId"]}

    def step(self, group: Record, health: dict[str, dict[str, str]]) -> None:
        """End as many old members as can be missed, and say how many may be too many meanwhile.

        Args:
            group: The group.
            health: The states of targets by target group.

        """
        refresh = _active(group)
        group.update(_surge=0, _refreshing=refresh is not None)
        if refresh is None:
            return
        if refresh["Status"] == "Cancelling":
            _finish(refresh, "Cancelled")
            return
        refresh["Status"] = "InProgress"
        members, desired = staying(group), group["DesiredCapacity"]
        old = [member for member in members if member["InstanceId"] in refresh["_old"]]
        fit = [member for member in in_service(group) if _is_fit(group, refresh, member, health)]
        _count(refresh, len(old))
        if not old:
            if len(members) == len(fit) == desired:
                _finish(refresh, "Successful")
            return
        most = ceil(desired * refresh["Preferences"]["MaxHealthyPercentage"] / 100)
        least = ceil(desired * refresh["Preferences"]["MinHealthyPercentage"] / 100)
        room = most - desired
        # Without room above, one at a time has to make room below.
        spare = len(fit) - (least if room else min(least, desired - 1))
        for member in sorted(old, key=lambda one: one in fit):
            spare -= member in fit
            if spare < 0:
                break
            cause = f"At {now()} an instance was taken out of service in response to an instance"
            self._members.end(group, member, f"{cause} refresh.")
        left = [member for member in old if not is_leaving(member)]
        group["_surge"] = min(len(left), room)


def _active(group: Record) -> Record | None:
    refreshes = group.get("InstanceRefreshes", ())
    return next((one for one in refreshes if one["Status"] in _ACTIVE), None)


def _preferences(group: Record, given: Fields) -> Fields:
    warmups = (
        *(given.get("InstanceWarmup"), group.get("DefaultInstanceWarmup")),
        group["HealthCheckGracePeriod"],
    )
    chosen: Fields = {
        "InstanceWarmup": next(int(one) for one in warmups if one not in ("", None)),
        "MinHealthyPercentage": int(given.get("MinHealthyPercentage", 90)),
        "MaxHealthyPercentage": int(given.get("MaxHealthyPercentage", 100)),
        "SkipMatching": truth(given.get("SkipMatching")),
    }
    for name, (least, most) in _BOUNDS.items():
        if not least <= chosen[name] <= most:
            raise invalid(f"{name} must be between {least} and {most}.")
    if chosen["MaxHealthyPercentage"] - chosen["MinHealthyPercentage"] > 100:
        raise invalid(
            "The difference between MaxHealthyPercentage and MinHealthyPercentage cannot be"
            " greater than 100."
        )
    return chosen


def _launched_from(member: Record, version: Record) -> bool:
    used = member["LaunchTemplate"]
    return bool(
        used["LaunchTemplateId"] == version["LaunchTemplateId"]
        and used["Version"] == str(version["VersionNumber"])
    )


def _is_fit(
    group: Record, refresh: Record, member: Record, health: dict[str, dict[str, str]]
) -> bool:
    if member["InstanceId"] not in refresh["_old"]:
        warm = time.monotonic() - member["_served"] >= refresh["Preferences"]["InstanceWarmup"]
    else:
        warm = True
    states = {health[arn].get(member["InstanceId"]) for arn in group["TargetGroupARNs"]}
    # Unused: no listener sends anything to the target group.
    return warm and states <= {"healthy", "unused"}


def _count(refresh: Record, left: int) -> None:
    refresh["InstancesToUpdate"] = left
    every = len(refresh["_old"])
    refresh["PercentageComplete"] = 100 * (every - left) // every if every else 100


def _finish(refresh: Record, status: str) -> None:
    refresh.update(Status=status, EndTime=now())


def _error(code: str, message: str) -> ApiError:
    return ApiError(code, message, service="AutoScaling")
