"""The page in a real browser: at a phone's and a desktop's width, light and dark, and on paper.

The picture and the paper are kept in `.cache/report/`, or where REPORT_PICTURES says.
"""

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.report.sample import Deployment

PICTURES = Path(os.environ.get("REPORT_PICTURES", ROOT / ".cache/report"))
PHONE, DESKTOP = 360, 1280
PAPER = {"light": "rgb(253, 253, 251)", "dark": "rgb(18, 22, 28)"}
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--allow-file-access-from-files", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
# A page of ours shows the report in frames: a frame is as narrow as it is told to be, a browser's
# window is not. The dark ones take the style that a reader who asked for dark gets. It says what
# sticks out of each, what each has loaded, and how it looks there.
FRAMES = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; display: flex; align-items: flex-start; gap: 20px; background: #888 }}
iframe {{ border: 0; flex: none }} pre {{ display: none }}</style>{frames}<pre></pre><script>
const frames = [...document.querySelectorAll("iframe")];
const measure = (frame) => {{
  const view = frame.contentWindow, page = view.document, root = page.documentElement;
  for (const rule of page.styleSheets[0].cssRules)
    if (rule.media?.mediaText.includes("dark") && frame.className == "dark")
      rule.media.mediaText = "screen";
  for (const details of page.querySelectorAll("details")) details.open = true;
  frame.style.height = root.scrollHeight + "px";
  const wide = [...page.body.querySelectorAll("*")].filter((element) => {{
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.right > root.clientWidth + 1 || box.left < -1);
  }});
  const sizes = [...page.querySelectorAll("p, td, th, li, dd, figcaption")].map(
    (element) => parseFloat(view.getComputedStyle(element).fontSize));
  const boxes = [...page.querySelectorAll("svg")].map((one) => one.getBoundingClientRect());
  return {{
    width: root.clientWidth, scroll: root.scrollWidth, smallest: Math.min(...sizes),
    wide: wide.map((element) => element.outerHTML.slice(0, 120)),
    loaded: view.performance.getEntriesByType("resource").map((entry) => entry.name),
    paper: view.getComputedStyle(page.body).backgroundColor,
    pictures: boxes.map((box) => [box.width, box.height]),
  }};
}};
window.onload = () => {{
  document.querySelector("pre").textContent = JSON.stringify(frames.map(measure));
}};
</script>"""


class Browser:
    """A headless browser with a new profile, that finds no host."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("chromium")
        assert program, "there is no chromium; .config/test-packages has it: sudo make test"
        self._program = program
        self._folder = folder

    def run(self, page: Path, *options: str) -> str:
        """Open a file of ours, and return what the browser printed."""
        command = [self._program, *FLAGS, f"--user-data-dir={self._folder / 'profile'}", *options]
        result = subprocess.run(
            [*command, page.as_uri()], capture_output=True, text=True, check=True, timeout=120
        )
        return result.stdout


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


def frames(*kinds: tuple[int, str]) -> str:
    """Return the page that shows the report at some widths, light or dark."""
    shown = [f'<iframe src="report.html" width="{width}" class="{kind}"></iframe>'
             for width, kind in kinds]  # fmt: skip
    return FRAMES.format(frames="".join(shown))


@pytest.fixture
def report(deployment: Deployment, tmp_path: Path) -> Path:
    """Return the file of a page with long names that have no place to break."""
    deployment.history["runs"][0]["by"] = "a" * 90
    deployment.answer["drift"] = {**deployment.answer["drift"], "edited": ["/opt/" + "x" * 120]}
    PICTURES.mkdir(parents=True, exist_ok=True)
    (tmp_path / "report.html").write_text(deployment.html())
    return tmp_path / "report.html"


def test_it_fits_a_phone_and_a_desktop_and_loads_nothing(browser: Browser, report: Path) -> None:
    kinds = [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark")]
    (report.parent / "frames.html").write_text(frames(*kinds))
    picture = PICTURES / "report.png"
    picture.unlink(missing_ok=True)
    size = f"--window-size={sum(width + 20 for width, _ in kinds)},4800"
    dom = browser.run(report.parent / "frames.html", "--dump-dom", f"--screenshot={picture}", size)
    found = re.search(r"<pre>(.*?)</pre>", dom, re.DOTALL)
    assert found, dom[-2000:]
    for (width, kind), seen in zip(kinds, json.loads(unescape(found[1])), strict=True):
        assert seen["wide"] == []
        assert (seen["width"], seen["scroll"]) == (width, width)
        assert seen["loaded"] == []
        assert seen["smallest"] >= 12
        assert seen["paper"] == PAPER[kind]
        assert len(seen["pictures"]) == 4
        assert all(wide > 200 and high > 150 for wide, high in seen["pictures"])
    assert picture.stat().st_size > 100_000


def test_it_prints(browser: Browser, report: Path) -> None:
    paper = PICTURES / "report.pdf"
    paper.unlink(missing_ok=True)
    browser.run(report, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 2 <= pages <= 8
