"""The CloudFormation types AWS::CloudWatch::Alarm and Dashboard; what else a LogGroup is asked."""

from typing import Any

from localcloud.alarms import Alarms
from localcloud.autoscaling_fields import truth
from localcloud.dashboards import check_body
from localcloud.log_batches import invalid
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]

REPLACING = {
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
}


class AlarmType:
    """AWS::CloudWatch::Alarm, of one metric or of an expression."""

    def __init__(self, emulator: Emulator, alarms: Alarms) -> None:
        self._emulator = emulator
        self._alarms = alarms

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Make the alarm."""
        name = properties.get("AlarmName") or (
            self._emulator.provisioners._physical_name(stack, logical_id, max_len=255)
        )
        if name in self._emulator.cloudwatch._alarms:
            raise _exists("AWS::CloudWatch::Alarm", name)
        return self._put(name, properties)

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change the alarm; its state and history stay."""
        del old, stack
        return self._put(physical_id, new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the alarm."""
        del properties
        cloudwatch = self._emulator.cloudwatch
        cloudwatch.cloudformation_delete_metric_alarm(physical_id, refuse_dependents=True)

    def _put(self, name: str, properties: Properties) -> Made:
        alarm = self._alarms.put({**_typed(properties), "AlarmName": name})
        tags = properties.get("Tags") or []
        self._emulator.cloudwatch.cloudformation_set_metric_alarm_tags(name, tags)
        return name, {"Arn": alarm["AlarmArn"]}


class DashboardType:
    """AWS::CloudWatch::Dashboard."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Make the dashboard."""
        name = properties.get("DashboardName") or (
            self._emulator.provisioners._physical_name(stack, logical_id, max_len=255)
        )
        if name in self._emulator.cloudwatch._dashboards:
            raise _exists("AWS::CloudWatch::Dashboard", name)
        return self.update(name, {}, properties, stack)

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change the dashboard."""
        del old, stack
        check_body(new["DashboardBody"])
        self._emulator.cloudwatch.cloudformation_put_dashboard(physical_id, new["DashboardBody"])
        return physical_id, {}

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the dashboard."""
        del properties
        self._emulator.cloudwatch.cloudformation_delete_dashboard(physical_id)


def _exists(kind: str, name: str) -> ApiError:
    message = f"Resource of type '{kind}' with identifier '{name}' already exists."
    return ApiError("AlreadyExists", message, service="CloudFormation")


def _typed(properties: Properties) -> Properties:
    """Return properties with the types of the API, where a parameter gave a text."""
    typed = {key: one for key, one in properties.items() if key != "Tags"}
    if "ActionsEnabled" in typed:
        typed["ActionsEnabled"] = truth(typed["ActionsEnabled"])
    if typed.get("Metrics"):
        typed["Metrics"] = [_typed_query(one) for one in typed["Metrics"]]
    return typed


def _typed_query(query: Record) -> Record:
    typed = {**query, "ReturnData": truth(query.get("ReturnData", True))}
    if "MetricStat" in typed:
        stat = typed["MetricStat"]
        typed["MetricStat"] = {**stat, "Period": int(stat["Period"])}
    return typed


def check_groups(emulator: Emulator) -> None:
    """Let AWS::Logs::LogGroup take no group that exists, and no retention that AWS has not."""
    handlers = emulator.provisioners._RESOURCE_HANDLERS["AWS::Logs::LogGroup"]
    create, update = handlers["create"], handlers["update"]

    def check(properties: Properties) -> None:
        days = properties.get("RetentionInDays")
        if days and int(days) not in emulator.logs._VALID_RETENTION_DAYS:
            raise invalid(f"Value '{days}' at 'retentionInDays' is none that is valid.")

    def checked_create(logical_id: str, properties: Properties, stack: str) -> Made:
        name = properties.get("LogGroupName") or (
            emulator.provisioners._physical_name(stack, logical_id, max_len=512)
        )
        if name in emulator.logs._log_groups:
            raise _exists("AWS::Logs::LogGroup", name)
        check(properties)
        made: Made = create(logical_id, {**properties, "LogGroupName": name}, stack)
        return made

    def checked_update(
        physical_id: str, old: Properties, new: Properties, stack: str, *logical_id: str
    ) -> Made:
        check(new)
        named = {"LogGroupName": new.get("LogGroupName") or physical_id}
        before = {"LogGroupName": old.get("LogGroupName") or physical_id}
        arguments = ({**old, **before}, {**new, **named}, stack, *logical_id)
        made: Made = update(physical_id, *arguments)
        return made

    handlers.update(create=checked_create, update=checked_update)


def types(emulator: Emulator, alarms: Alarms) -> dict[str, Any]:
    """Return the types by their names."""
    return {
        "AWS::CloudWatch::Alarm": AlarmType(emulator, alarms),
        "AWS::CloudWatch::Dashboard": DashboardType(emulator),
    }
