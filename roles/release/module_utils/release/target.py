"""The hosts that a release is built for."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.requirements import Requirement

_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
_OLDEST_GLIBC, _NEWEST_GLIBC = 5, 34


@dataclass(frozen=True)
class Target:
    """CPython `python` ("3.11") on Linux, on an EC2 `architecture` (x86_64 or arm64).

    Wheels for glibc up to 2.34 are taken, which is what Amazon Linux 2023 has.
    """

    python: str
    architecture: str

    @property
    def machine(self) -> str:
        """The machine's name as `uname -m` prints it."""
        return _MACHINES[self.architecture]

    @property
    def folder(self) -> str:
        """A name for what is only good for this target."""
        return f"cp{self.python.replace('.', '')}-{self.machine}"

    @property
    def pip_arguments(self) -> list[str]:
        """The options with which `pip download` takes wheels for this target."""
        glibc = range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)
        platforms = [f"manylinux_2_{minor}_{self.machine}" for minor in glibc]
        platforms += [f"manylinux2014_{self.machine}", f"linux_{self.machine}"]
        version = ["--implementation", "cp", "--python-version", self.python]
        return version + [f"--platform={platform}" for platform in platforms]

    def needs(self, requirement: Requirement) -> bool:
        """Tell whether a requirement's marker holds here."""
        return requirement.marker is None or requirement.marker.evaluate(self._environment())

    def _environment(self) -> dict[str, str | set[str] | frozenset[str]]:
        return {
            "extra": "",
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }
