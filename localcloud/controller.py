"""Makes the records true: boots, stops and removes hosts, and notices what happens to them."""

import logging
import os
import select
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network

from localcloud import engine, network
from localcloud.addresses import Addresses
from localcloud.balancer_rules import Balancer
from localcloud.firewall import Host, compile_rules
from localcloud.nft import Group
from localcloud.records import Record, set_state, state
from localcloud.seams import Emulator
from localcloud.settings import Settings

logger = logging.getLogger("localcloud")
_WORKERS = 8
_PERIOD = 1.0
# How init ends when the host called reboot(2), inside a PID namespace of its own.
_REBOOTED = 128 + 1


class Controller:
    """Compares the emulator's instances with the hosts, once a second and after every change."""

    def __init__(
        self,
        settings: Settings,
        emulator: Emulator,
        addresses: Addresses,
        image: str,
        balancers: Callable[[], Sequence[Balancer]],
    ) -> None:
        self._settings = settings
        self._ec2 = emulator.ec2
        self._addresses = addresses
        self._image = image
        self._balancers = balancers
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="host")
        self._wakeup = os.eventfd(0)
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._busy: set[str] = set()
        # Running hosts by a handle on their init; None when it ended and was not yet explained.
        self._inits: dict[str, int | None] = {}
        self._rules = ""
        self._outage = False
        self._reconcilers: list[Callable[[], None]] = []

    def add(self, reconciler: Callable[[], None]) -> None:
        """Call something at the beginning of each comparison; it must not wait."""
        self._reconcilers.append(reconciler)

    def kick(self) -> None:
        """Ask for a comparison now."""
        os.eventfd_write(self._wakeup, 1)

    def stop(self) -> None:
        """End run(); hosts stay as they are."""
        self._stopping.set()
        self.kick()

    def run(self) -> None:
        """Compare until stop() is called."""
        while not self._stopping.is_set():
            try:
                self._compare()
            except Exception:
                logger.exception("comparing records and hosts")
            self._wait()
        self._pool.shutdown(cancel_futures=True)

    def cut_off(self, outage: bool) -> None:
        """Let hosts reach the API no more, or again."""
        self._outage = outage
        self.apply_firewall()

    def apply_firewall(self) -> None:
        """Bring the router's ruleset up to date with the records."""
        with self._guard:
            hosts, groups = self._firewall_records()
            balancers = self._balancers()
            rules = compile_rules(self._settings, hosts, groups, balancers, outage=self._outage)
            if rules != self._rules:
                network.apply_firewall(self._settings, rules)
                self._rules = rules

    def _firewall_records(self) -> tuple[list[Host], dict[str, Group]]:
        hosts = []
        for record in self._records().values():
            if state(record) in ("pending", "running", "stopping"):
                public = record["PublicIpAddress"]
                hosts.append(
                    Host(
                        record["InstanceId"],
                        IPv4Address(record["PrivateIpAddress"]),
                        tuple(group["GroupId"] for group in record["SecurityGroups"]),
                        IPv4Address(public) if public else None,
                    )
                )
        groups = {
            key[-1]: Group(tuple(group["IpPermissions"]), tuple(group["IpPermissionsEgress"]))
            for key, group in self._ec2._security_groups.all_items()
        }
        return hosts, groups

    def _records(self) -> dict[str, Record]:
        return {key[-1]: record for key, record in self._ec2._instances.all_items()}

    def _compare(self) -> None:
        for reconcile in self._reconcilers:
            reconcile()
        records = self._records()
        for instance_id, record in records.items():
            work = self._work(record)
            if work:
                self._submit(instance_id, work, record)
        for instance_id in set(self._inits) - set(records):
            self._submit(instance_id, self._sweep, {"InstanceId": instance_id})
        self.apply_firewall()

    def _work(self, record: Record) -> Callable[[Record], None] | None:
        instance_id, now = record["InstanceId"], state(record)
        if now == "running":
            if record.get("_reboot"):
                return self._reboot
            return self._explain if self._inits.get(instance_id, 0) is None else None
        if now == "stopped":
            # A host that is destroyed is seen as stopped for a moment.
            return None if engine.on_disk(record["_container"]) else self._vanish
        return {
            "pending": self._boot,
            "stopping": self._shut_down,
            "shutting-down": self._terminate,
        }.get(now)

    def _submit(self, instance_id: str, work: Callable[[Record], None], record: Record) -> None:
        with self._guard:
            if instance_id in self._busy:
                return
            self._busy.add(instance_id)
        self._pool.submit(self._do, instance_id, work, record)

    def _do(self, instance_id: str, work: Callable[[Record], None], record: Record) -> None:
        try:
            work(record)
        except Exception as error:
            logger.exception("%s: %s", instance_id, work.__name__)
            if work == self._boot:
                self._lose(record, f"Server.InternalError: {error}")
        finally:
            with self._guard:
                self._busy.discard(instance_id)
            self.kick()

    def _boot(self, record: Record) -> None:
        instance_id = record["InstanceId"]
        subnet = IPv4Network(self._subnet(record)["CidrBlock"])
        address = IPv4Address(record["PrivateIpAddress"])
        network.add_host(self._settings, instance_id, address, subnet)
        self._addresses.refresh(record)
        self.apply_firewall()
        if not record.get("_container"):
            name = f"ip-{str(address).replace('.', '-')}"
            record["_container"] = engine.create(self._settings, instance_id, name, self._image)
        engine.start(instance_id)
        self._watch(instance_id)
        if set_state(record, "running", expected="pending"):
            logger.info("%s runs: %s %s", instance_id, address, record["PublicIpAddress"])

    def _subnet(self, record: Record) -> Record:
        subnets = self._ec2._subnets.all_items()
        found: Record = next(one for key, one in subnets if key[-1] == record["SubnetId"])
        return found

    def _shut_down(self, record: Record) -> None:
        engine.stop(record["InstanceId"])
        self._unwatch(record["InstanceId"])
        if set_state(record, "stopped", record["StateReason"], expected="stopping"):
            self._addresses.refresh(record)
            logger.info("%s stopped", record["InstanceId"])

    def _reboot(self, record: Record) -> None:
        record["_reboot"] = False
        engine.stop(record["InstanceId"])
        self._start_again(record)

    def _start_again(self, record: Record) -> None:
        self._unwatch(record["InstanceId"])
        engine.start(record["InstanceId"])
        self._watch(record["InstanceId"])
        logger.info("%s rebooted", record["InstanceId"])

    def _terminate(self, record: Record) -> None:
        self._sweep(record)
        set_state(record, "terminated", record["StateReason"])
        self._addresses.forget(record)
        for mapping in record["BlockDeviceMappings"]:
            self._ec2._volumes.pop(mapping["Ebs"]["VolumeId"], None)
        logger.info("%s terminated", record["InstanceId"])

    def _vanish(self, record: Record) -> None:
        self._lose(record, "Server.InternalError: the host's container is gone")

    def _lose(self, record: Record, reason: str) -> None:
        record["StateReason"] = reason
        self._terminate(record)

    def _sweep(self, record: Record) -> None:
        self._unwatch(record["InstanceId"])
        engine.remove(record["InstanceId"])
        network.remove_host(self._settings, record["InstanceId"])

    def _explain(self, record: Record) -> None:
        """Find out why a running host's init is gone."""
        found = engine.inspect(record["InstanceId"])
        if found.status == "missing":
            self._vanish(record)
        elif found.status != "exited":
            return
        elif found.exit_code == _REBOOTED:
            self._start_again(record)
        elif set_state(
            record,
            "stopped",
            "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
            expected="running",
        ):
            self._unwatch(record["InstanceId"])
            self._addresses.refresh(record)
            logger.info("%s shut itself down, exit %d", record["InstanceId"], found.exit_code)

    def _watch(self, instance_id: str) -> None:
        pid = engine.inspect(instance_id).pid
        try:
            self._inits[instance_id] = os.pidfd_open(pid) if pid else None
        except ProcessLookupError:
            self._inits[instance_id] = None

    def _unwatch(self, instance_id: str) -> None:
        with self._guard:
            handle = self._inits.pop(instance_id, None)
            if handle is not None:
                os.close(handle)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        watched = {handle: one for one, handle in list(self._inits.items()) if handle is not None}
        for handle in watched:
            poll.register(handle, select.POLLIN)
        for handle, _ in poll.poll(_PERIOD * 1000):
            if handle == self._wakeup:
                os.eventfd_read(self._wakeup)
                continue
            with self._guard:
                if self._inits.get(watched[handle]) == handle:
                    self._inits[watched[handle]] = None
                    os.close(handle)
