"""The table: which fault strikes at which stage, and what must hold then beyond what always must.

Always: the host comes to rest by itself, one release serves and only that one runs, the service
answers, and the next deployment succeeds. No call fails, but in the rows that say `outage`.
"""

from dataclasses import dataclass

from tests.chaos import faults
from tests.chaos.faults import Fault
from tests.chaos.stages import STAGES

OLD, NEW = "old", "new"


@dataclass(frozen=True)
class Row:
    """One fault at one stage.

    `serves` is the release at the end, before the next deployment. `outage` are the seconds for
    which calls may fail, because the fault takes the host, the network or a server from its
    clients. `worst` rows are part of every test run.
    """

    fault: Fault
    stage: str
    serves: str
    outage: float = 0
    worst: bool = False

    @property
    def name(self) -> str:
        """Name the row."""
        assert self.stage in STAGES
        return f"{self.fault.name}, {self.stage}"


ROWS = (
    Row(faults.ANSIBLE, "after the map changed", OLD, worst=True),
    Row(faults.SSH_CUT, "during the proof", OLD, worst=True),
    Row(faults.OPT_FULL, "while installing", OLD),
    Row(faults.NEW_SERVER, "during the proof", OLD, outage=5),
    Row(faults.REBOOT, "after the map changed", OLD, outage=60, worst=True),
    Row(faults.ANSIBLE, "before the install", OLD),
    Row(faults.ANSIBLE, "while installing", OLD),
    Row(faults.ANSIBLE, "after the new release started", OLD),
    Row(faults.ANSIBLE, "while the old one drains", NEW),
    Row(faults.PROGRAM, "while installing", OLD),
    Row(faults.PROGRAM, "after the new release started", OLD),
    Row(faults.PROGRAM, "while confirming", NEW),
    Row(faults.OLD_SERVER, "after the new release started", OLD, outage=5),
    Row(faults.OLD_SERVER, "while the old one drains", NEW, outage=5),
    Row(faults.NEW_SERVER, "after the new release started", OLD),
    Row(faults.HUNG_SERVER, "during the proof", OLD, outage=20),
    Row(faults.MEMORY, "during the proof", OLD, outage=20),
    Row(faults.SESSION, "while installing", OLD),
    Row(faults.SESSION, "after the map changed", OLD),
    Row(faults.SESSION, "while the old one drains", NEW),
    Row(faults.REBOOT, "while installing", OLD, outage=60),
    Row(faults.REBOOT, "after the new release started", OLD, outage=60),
    Row(faults.REBOOT, "while the old one drains", NEW, outage=60),
    Row(faults.STOP, "after the map changed", OLD, outage=120),
    Row(faults.SSH_CUT, "while installing", OLD),
    Row(faults.SSH_CUT, "while the old one drains", NEW),
    Row(faults.CLIENT_CUT, "during the proof", OLD, outage=40),
    Row(faults.STATE_FULL, "before the install", OLD),
    Row(faults.STATE_FULL, "during the proof", NEW),
    Row(faults.TMP_FULL, "while installing", OLD),
    Row(faults.DAY_LATER, "during the proof", NEW),
    Row(faults.DAY_EARLIER, "during the proof", OLD, outage=20),
)
