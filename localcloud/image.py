"""The image that hosts boot: built once from the machine's own APT sources, then cached."""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from localcloud import engine
from localcloud.commands import exclusive, run
from localcloud.errors import LocalCloudError
from localcloud.settings import CACHE_ROOT, RUN_ROOT, STORAGE_ROOT, Settings

Progress = Callable[[str], None]
_RECIPE = Path(__file__).parent / "image"
_INGREDIENTS = ("packages.txt", "cloud.cfg", "customize.sh", "aws")
_SUITE = "bookworm"
_SUITES = {_SUITE, f"{_SUITE}-updates", f"{_SUITE}-security"}
_APT = Path("/etc/apt")
_REPOSITORY = "localhost/localcloud-host"
# Documentation and translations are a third of the tree, and nobody reads them there.
_OPTIONS = (
    *("--variant=minbase", "--format=tar", "--mode=root", "--dpkgopt=force-unsafe-io"),
    *("--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Languages none"),
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("man", "doc", "info")),
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)


def name() -> str:
    """Return the image's name; its tag follows from the recipe."""
    digest = hashlib.sha256("\n".join((_SUITE, *_OPTIONS)).encode())
    for ingredient in _INGREDIENTS:
        digest.update((_RECIPE / ingredient).read_bytes())
    return f"{_REPOSITORY}:{digest.hexdigest()[:12]}"


def ensure(settings: Settings, progress: Progress) -> str:
    """Make the hosts' image available in our storage and return its name.

    Raises:
        LocalCloudError: It can neither be found nor built.

    """
    if settings.image and not engine.image_exists(settings.image):
        raise LocalCloudError(
            f"The image {settings.image} is not in the local cloud's storage. Load it:"
            f" {' '.join(engine.command('load', '--input', 'FILE'))}"
        )
    image = settings.image or name()
    if engine.image_exists(image):
        return image
    progress("Preparing the hosts' image (one at a time on this machine) ...")
    with exclusive(CACHE_ROOT / "lock"):
        if not engine.image_exists(image):
            _provide(image, progress)
    return image


def _provide(image: str, progress: Progress) -> None:
    archive = CACHE_ROOT / f"{image.rpartition(':')[2]}.tar"
    if not archive.exists():
        progress(f"Building the hosts' image (Debian {_SUITE}, about a minute, once) ...")
        _build(archive)
    progress("Loading the hosts' image ...")
    engine.podman("import", "--quiet", str(archive), image, timeout=300)


def _build(archive: Path) -> None:
    for outdated in CACHE_ROOT.glob("*.tar"):
        outdated.unlink()
    unfinished = archive.with_suffix(".unfinished.tar")
    packages = ",".join((_RECIPE / "packages.txt").read_text().split())
    run(
        *("mmdebstrap", "--quiet", *_OPTIONS, f"--include={packages}"),
        f"--customize-hook={_RECIPE / 'customize.sh'}",
        *(_SUITE, str(unfinished), *_sources()),
        timeout=1800,
    )
    unfinished.replace(archive)


def _sources() -> list[str]:
    """Return the machine's own Debian mirrors; none on a machine of another release."""
    files = (_APT / "sources.list", *sorted((_APT / "sources.list.d").glob("*")))
    return [line for file in files if file.is_file() for line in _entries(file)]


def _entries(file: Path) -> Iterator[str]:
    text = file.read_text()
    if file.suffix == ".sources":
        for stanza in re.split(r"\n\s*\n", text):
            yield from _stanza(stanza)
        return
    for line in text.splitlines():
        entry = re.match(r"deb\s+(\[.*?]\s+)?(\S+)\s+(\S+)\s+.*\bmain\b", line)
        if entry and entry[3] in _SUITES:
            yield line


def _stanza(stanza: str) -> Iterator[str]:
    fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
    components = fields.get("Components", "").split()
    if "deb" not in fields.get("Types", "").split() or "main" not in components:
        return
    key = fields.get("Signed-By", "")
    option = f"[signed-by={key}] " if key else ""
    for uri in fields.get("URIs", "").split():
        for suite in fields.get("Suites", "").split():
            if suite in _SUITES:
                yield f"deb {option}{uri} {suite} main"


def purge() -> None:
    """Remove the storage and the cached archives. No cloud may run.

    Not by podman's own reset, which also removes the machine's podman networks.
    """
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        mounted = Path(line.split()[1])
        if STORAGE_ROOT in mounted.parents and mounted.is_mount():
            run("umount", str(mounted))
    for folder in (STORAGE_ROOT, CACHE_ROOT, RUN_ROOT):
        if folder.exists():
            shutil.rmtree(folder)
