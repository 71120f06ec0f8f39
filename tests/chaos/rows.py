"""The table: which fault strikes at which stage, and what must hold then beyond what always must.

Always: the host comes to rest by itself, one release serves and only that one runs, the service
answers, and the next deployment succeeds. No call fails, but in the rows that say `outage`.
"""

from dataclasses import dataclass

from tests.chaos import faults
from tests.chaos.scene import Fault
from tests.chaos.stages import STAGES

OLD, NEW = "old", "new"
# Why calls fail.
RESTARTED = "until systemd has started it again"
LAST_CALLS = "its last calls end with it"
GOES_BACK = "until the host has gone back"
DOWN = "the host is down"
CUT = "the network is cut"


@dataclass(frozen=True)
class Row:
    """One fault at one stage.

    `serves` is the release at the end, before the next deployment. `outage` are the seconds for
    which calls may fail, because the fault takes the host, the network or a server from its
    clients: `why`. `worst` rows are part of every test run.
    """

    fault: Fault
    stage: str
    serves: str
    outage: float = 0
    why: str = ""
    worst: bool = False

    @property
    def name(self) -> str:
        """Name the row."""
        assert self.stage in STAGES
        return f"{self.fault.name}, {self.stage}"


ROWS = (
    Row(faults.ANSIBLE, "after the map changed", OLD, worst=True),
    Row(faults.SSH_CUT, "during the proof", OLD, worst=True),
    Row(faults.REBOOT, "after the map changed", OLD, 60, DOWN, worst=True),
    Row(faults.ANSIBLE, "before the install", OLD),
    Row(faults.ANSIBLE, "while installing", OLD),
    Row(faults.ANSIBLE, "after the new release started", OLD),
    Row(faults.ANSIBLE, "during the proof", OLD),
    Row(faults.ANSIBLE, "while confirming", NEW),
    Row(faults.ANSIBLE, "while the old one drains", NEW),
    Row(faults.PROGRAM, "while installing", OLD),
    Row(faults.PROGRAM, "after the new release started", OLD),
    Row(faults.PROGRAM, "after the map changed", OLD),
    Row(faults.PROGRAM, "while confirming", NEW),
    Row(faults.UNITS, "during the proof", NEW),
    Row(faults.OLD_SERVER, "while installing", NEW, 5, RESTARTED),
    Row(faults.OLD_SERVER, "after the new release started", OLD, 5, RESTARTED),
    Row(faults.OLD_SERVER, "after the map changed", OLD, 5, RESTARTED),
    Row(faults.OLD_SERVER, "while the old one drains", NEW, 5, LAST_CALLS),
    Row(faults.NEW_SERVER, "after the new release started", OLD),
    Row(faults.NEW_SERVER, "during the proof", OLD, 5, GOES_BACK),
    Row(faults.NEW_SERVER, "while the old one drains", NEW, 5, RESTARTED),
    Row(faults.HUNG_SERVER, "after the new release started", OLD),
    Row(faults.HUNG_SERVER, "during the proof", OLD, 20, GOES_BACK),
    Row(faults.HUNG_HANDLER_BEFORE, "before the install", NEW),
    Row(faults.HUNG_HANDLER, "during the proof", NEW),
    Row(faults.HUNG_HANDLERS, "during the proof", OLD, 20, GOES_BACK),
    Row(faults.MEMORY, "during the proof", OLD, 20, GOES_BACK),
    Row(faults.SESSION, "while installing", OLD),
    Row(faults.SESSION, "after the map changed", OLD),
    Row(faults.SESSION, "while the old one drains", NEW),
    Row(faults.REBOOT, "while installing", OLD, 60, DOWN),
    Row(faults.REBOOT, "after the new release started", OLD, 60, DOWN),
    Row(faults.REBOOT, "while the old one drains", NEW, 60, DOWN),
    Row(faults.STOP, "while installing", OLD, 120, DOWN),
    Row(faults.STOP, "after the map changed", OLD, 120, DOWN),
    # The connection outlives the cut: what the host has said meanwhile comes when it is over.
    Row(faults.SSH_CUT, "while installing", NEW),
    Row(faults.SSH_CUT, "while the old one drains", NEW),
    Row(faults.CLIENT_CUT, "during the proof", OLD, 40, CUT),
    Row(faults.HOST_CUT, "while installing", NEW, 40, CUT),
    Row(faults.HOST_CUT, "during the proof", OLD, 40, CUT),
    Row(faults.OPT_FULL, "while installing", OLD),
    Row(faults.OPT_FULL, "during the proof", NEW),
    Row(faults.VAR_FULL, "before the install", OLD),
    Row(faults.VAR_FULL, "during the proof", NEW),
    # An installation writes below /opt alone.
    Row(faults.TMP_FULL, "while installing", NEW),
    Row(faults.TMP_FULL, "during the proof", NEW),
    Row(faults.DISK_FULL, "during the proof", OLD),
    Row(faults.DAY_LATER, "during the proof", NEW),
    Row(faults.DAY_EARLIER, "during the proof", OLD, 20, GOES_BACK),
)
