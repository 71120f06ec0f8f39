"""The process behind a cloud: the emulator's API, the metadata service and the controller."""

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import Any
from xml.sax.saxutils import escape

from hypercorn.asyncio import serve
from hypercorn.config import Config

from localcloud import cloudformation, dashboards, network, seams
from localcloud.access import Access
from localcloud.addresses import Addresses
from localcloud.alarms import Alarms
from localcloud.autoscaling import AutoScaling
from localcloud.autoscaling_groups import Groups
from localcloud.autoscaling_hooks import Hooks
from localcloud.autoscaling_members import Members
from localcloud.autoscaling_metrics import Metrics as GroupMetrics
from localcloud.autoscaling_policies import Policies
from localcloud.autoscaling_reconciler import Reconciler
from localcloud.autoscaling_refresh import Refreshes
from localcloud.autoscaling_targets import Targets
from localcloud.balancer_api import BalancerApi
from localcloud.catalog import Catalog
from localcloud.commands import exclusive
from localcloud.controller import Controller
from localcloud.credentials import Credentials
from localcloud.faults import Faults
from localcloud.groups import SecurityGroups
from localcloud.instances import Instances
from localcloud.keys import KeyPairs
from localcloud.launcher import Launcher
from localcloud.logs import Logs
from localcloud.metadata import Metadata, MetadataServer
from localcloud.metrics import Metrics
from localcloud.permissions import Permissions
from localcloud.records import ApiError, Handler, Parameters, Response
from localcloud.resources import Resources
from localcloud.settings import METADATA_ADDRESS, Settings, read
from localcloud.templates import Templates

logger = logging.getLogger("localcloud")
_METADATA_PORT = 80


def _answering(service: Any, controller: Controller, handler: Handler) -> Handler:
    def answer(parameters: Parameters) -> Response:
        try:
            return handler(parameters)
        except ApiError as error:
            said = escape(error.message)
            response: Response = service._error(error.code, said, error.status)
            return response
        finally:
            controller.kick()

    return answer


def _install_groups(
    emulator: seams.Emulator, controller: Controller, launcher: Launcher, templates: Templates
) -> Groups:
    targets, hooks = Targets(emulator), Hooks(emulator)
    groups = Groups(emulator, launcher, templates, targets, hooks)
    members = Members(emulator, groups, targets, hooks)
    refreshes, policies = Refreshes(groups, members), Policies(emulator, groups)
    parts = (emulator, groups, members, targets, refreshes, policies, GroupMetrics(emulator))
    controller.add(Reconciler(*parts).compare)
    api = AutoScaling(emulator, groups, members, hooks, refreshes, policies)
    for action, handler in api.handlers().items():
        service = emulator.autoscaling
        service._ACTION_MAP[action] = _answering(service, controller, handler)
    return groups


def _install_monitoring(emulator: seams.Emulator) -> Alarms:
    metrics = Metrics(emulator)
    alarms = Alarms(emulator, metrics)
    for part in (Logs(emulator), metrics, alarms):
        part.install()
    dashboards.install(emulator)
    return alarms


def _install(
    settings: Settings, emulator: seams.Emulator, image: str, alarms: Alarms
) -> tuple[Controller, Groups]:
    addresses = Addresses(settings, emulator)
    balancing = BalancerApi(settings, emulator, addresses)
    controller = Controller(settings, emulator, addresses, image, balancing.targets.view)
    catalog = Catalog(settings, emulator)
    access = Access(settings, emulator)
    permissions = Permissions(emulator, access)
    launcher = Launcher(emulator, addresses, permissions)
    templates = Templates(emulator)
    instances = Instances(settings, emulator, launcher, templates)
    keys, groups = KeyPairs(emulator), SecurityGroups(emulator)
    access.install()
    catalog.install()
    launcher.install()
    instances.install()
    for part in (addresses, catalog, instances, keys, groups):
        for action, handler in part.handlers().items():
            emulator.ec2._ACTION_MAP[action] = _answering(emulator.ec2, controller, handler)
    balancing.install(controller.kick)
    scaling = _install_groups(emulator, controller, launcher, templates)
    cloudformation.install(
        *(emulator, launcher, templates, addresses, keys, scaling, balancing, alarms),
        controller.kick,
    )
    permissions.install()
    Resources(emulator, access, templates).install()
    return controller, scaling


def _configuration(settings: Settings) -> Config:
    guests = network.listen(settings, settings.api_address, settings.port)
    configuration = Config()
    configuration.bind = [f"127.0.0.1:{settings.port}", f"fd://{guests.detach()}"]
    configuration.loglevel = "WARNING"
    configuration.keep_alive_timeout = 75
    return configuration


def run(settings: Settings, image: str) -> None:
    """Serve until SIGTERM or SIGINT. The network must exist; hosts are left as they are.

    Raises:
        LocalCloudError: The emulator does not fit.

    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    emulator = seams.load(settings.port)
    alarms = _install_monitoring(emulator)
    controller, scaling = _install(settings, emulator, image, alarms)
    credentials = Credentials(settings, emulator)
    controller.apply_firewall()
    listening = network.listen(settings, METADATA_ADDRESS, _METADATA_PORT)
    metadata = Metadata(settings, emulator, credentials, scaling.target_state)
    server = MetadataServer(listening, metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    running = (controller, alarms)
    threads = [threading.Thread(target=one.run) for one in running]
    for thread in threads:
        thread.start()
    try:
        faults = Faults(controller.cut_off, credentials.is_host)
        application = credentials.checking(faults.before(emulator.app.app))
        asyncio.run(_serve(application, _configuration(settings)))
    finally:
        for one in running:
            one.stop()
        for thread in threads:
            thread.join()


async def _serve(application: Any, configuration: Config) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    logger.info("pid %d serves %s", os.getpid(), ", ".join(configuration.bind))
    await serve(application, configuration, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    chosen = read(os.environ)
    with exclusive(chosen.daemon_lock):
        run(chosen, sys.argv[1])
