"""The project that docs/your-own-service.md builds, taken from its pages as a reader does."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "your-own-service.md"
FILE = re.compile(r"^`sums/([^`]+)`:\n\n```\w+\n(.*?)\n```", re.DOTALL | re.MULTILINE)


def write_project(folder: Path) -> Path:
    """Write the guide's files into `folder`/sums, and return that folder."""
    project = folder / "sums"
    for name, content in FILE.findall(GUIDE.read_text("utf-8")):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n", encoding="utf-8")
    shutil.copy(ROOT / "app" / "hatch_build.py", project)
    return project


def inventory_variables() -> str:
    """Return the lines that the guide adds to an inventory's group_vars/all.yml."""
    (block, *_) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    return str(block)
