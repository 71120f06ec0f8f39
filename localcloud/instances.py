"""The EC2 calls about instances."""

import base64
from collections.abc import Callable
from ipaddress import IPv4Address
from xml.sax.saxutils import escape

from localcloud import engine, network
from localcloud.launcher import Launcher
from localcloud.records import (
    ApiError,
    Handler,
    Parameters,
    Record,
    Response,
    matches,
    set_state,
    state,
)
from localcloud.seams import Emulator
from localcloud.settings import Settings
from localcloud.templates import Templates

_FILTERS = {
    "instance-id": "InstanceId",
    "ip-address": "PublicIpAddress",
    "key-name": "KeyName",
    "private-ip-address": "PrivateIpAddress",
    "subnet-id": "SubnetId",
    "vpc-id": "VpcId",
}
_STOPPABLE = ("running", "stopping", "stopped")
_STARTABLE = ("stopped", "pending", "running")
_EVERY = (*_STOPPABLE, "pending", "shutting-down", "terminated")


class Instances:
    """Answers the API calls about instances."""

    def __init__(
        self, settings: Settings, emulator: Emulator, launcher: Launcher, templates: Templates
    ) -> None:
        self._settings = settings
        self._emulator = emulator
        self._ec2 = emulator.ec2
        self._launcher = launcher
        self._templates = templates
        self._xml_original: Callable[[Record], str] = self._ec2._instance_xml
        self._matches_original: Callable[..., bool] = self._ec2._matches_filters

    def install(self) -> None:
        """Put this in the place of the emulator's own functions."""
        self._ec2._instance_xml = self._xml
        self._ec2._matches_filters = self._matches

    def handlers(self) -> dict[str, Handler]:
        """Return the API calls that this module answers."""
        return {
            "GetConsoleOutput": self._console,
            "RebootInstances": self._reboot,
            "RunInstances": self._run,
            "StartInstances": self._transition("Start", "pending", "started", _STARTABLE),
            "StopInstances": self._transition("Stop", "stopping", "stopped", _STOPPABLE),
            "TerminateInstances": self._transition(
                "Terminate", "shutting-down", "terminated", _EVERY
            ),
        }

    def find(self, instance_id: str) -> Record:
        """Return an instance of the caller's account.

        Raises:
            ApiError: There is none with this id.

        """
        found: Record | None = self._ec2._instances.get(instance_id)
        if found is None:
            raise ApiError(
                "InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist"
            )
        return found

    def _run(self, parameters: Parameters) -> Response:
        given = {key: str(self._ec2._p(parameters, key)) for key in parameters}
        least, most = int(given.get("MinCount", 1)), int(given.get("MaxCount", 1))
        if not 1 <= least <= most:
            raise ApiError(
                "InvalidParameterCombination", "MinCount must be between 1 and MaxCount."
            )
        flat = self._templates.merged(given)
        self._launcher.dry_run(flat)
        if flat.get("DryRun", "").lower() == "true":
            message = "Request would have succeeded, but DryRun flag is set."
            raise ApiError("DryRunOperation", message, status=412)
        records = self._launcher.run(flat, most)
        reservation = records[0]["InstanceId"].replace("i-", "r-", 1)
        return self._emulator.answer(
            "RunInstances",
            f"<reservationId>{reservation}</reservationId>"
            f"<ownerId>{self._emulator.responses.get_account_id()}</ownerId><groupSet/>"
            f"<instancesSet>{''.join(map(self._xml, records))}</instancesSet>",
        )

    def _transition(self, verb: str, to: str, done: str, allowed: tuple[str, ...]) -> Handler:
        def handler(parameters: Parameters) -> Response:
            ids = self._ec2._parse_member_list(parameters, "InstanceId")
            records = [self.find(instance_id) for instance_id in ids]
            for record in records:
                if state(record) not in allowed:
                    raise ApiError(
                        "IncorrectInstanceState",
                        f"The instance '{record['InstanceId']}' is not in a state from which it"
                        f" can be {done}.",
                    )
            items = "".join(_changed(record, to) for record in records)
            return self._emulator.answer(
                f"{verb}Instances", f"<instancesSet>{items}</instancesSet>"
            )

        return handler

    def _reboot(self, parameters: Parameters) -> Response:
        for instance_id in self._ec2._parse_member_list(parameters, "InstanceId"):
            record = self.find(instance_id)
            if state(record) != "running":
                raise ApiError(
                    "IncorrectInstanceState",
                    f"The instance '{instance_id}' is not in the 'running' state.",
                )
            record["_reboot"] = True
        return self._emulator.answer("RebootInstances", "<return>true</return>")

    def _console(self, parameters: Parameters) -> Response:
        record = self.find(self._ec2._p(parameters, "InstanceId"))
        printed = engine.console(self._settings, record["InstanceId"])
        return self._emulator.answer(
            "GetConsoleOutput",
            f"<instanceId>{record['InstanceId']}</instanceId>"
            f"<timestamp>{self._ec2._now_ts()}</timestamp>"
            f"<output>{base64.b64encode(printed).decode()}</output>",
        )

    def _xml(self, record: Record) -> str:
        code, _, message = record.get("StateReason", "").partition(": ")
        address = IPv4Address(record["PrivateIpAddress"])
        reason = (
            f"<stateReason><code>{code}</code><message>{escape(message)}</message></stateReason>"
        )
        more = (
            f"{reason if code else ''}<reason>{escape(record.get('StateReason', ''))}</reason>"
            "<metadataOptions><state>applied</state><httpTokens>required</httpTokens>"
            f"<httpPutResponseHopLimit>{record['HopLimit']}</httpPutResponseHopLimit>"
            "<httpEndpoint>enabled</httpEndpoint></metadataOptions>"
            f"<networkInterfaceSet><item><macAddress>{network.mac(address)}</macAddress>"
            f"<subnetId>{record['SubnetId']}</subnetId><vpcId>{record['VpcId']}</vpcId>"
            f"<privateIpAddress>{address}</privateIpAddress><status>in-use</status>"
            "</item></networkInterfaceSet>"
        )
        head, _, tail = self._xml_original(record).rpartition("</item>")
        return f"{head}{more}</item>{tail}"

    def _matches(self, record: Record, filters: dict[str, list[str]]) -> bool:
        return matches(record, filters, _FILTERS) and self._matches_original(record, filters)


def _changed(record: Record, to: str) -> str:
    before = dict(record["State"])
    reached = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated"}[to]
    if before["Name"] not in (to, reached):
        by = {"stopping": "Shutdown", "shutting-down": "Terminate"}.get(to, "")
        set_state(record, to, f"Client.UserInitiated{by}: User initiated" if by else "")
    after = record["State"]
    return (
        f"<item><instanceId>{record['InstanceId']}</instanceId>"
        f"<previousState><code>{before['Code']}</code><name>{before['Name']}</name></previousState>"
        f"<currentState><code>{after['Code']}</code><name>{after['Name']}</name></currentState>"
        "</item>"
    )
