"""The module `host_files`: what differs is written whole, and nothing else is touched."""

import json
from pathlib import Path

from tests.release.playing import play


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    one, two, link = (tmp_path / name for name in ("one", "two", "link"))
    one.write_text("old")
    link.symlink_to(one)
    runs = {
        "checked": ({one: "á\n", two: ""}, True),
        "first": ({one: "á\n", two: ""}, False),
        "again": ({one: "á\n", two: ""}, False),
        "changed": ({one: "á\n", two: "new", link: "á\n"}, False),
    }
    tasks = [
        {
            "host_files": {"contents": {str(path): text for path, text in contents.items()}},
            "check_mode": check,
            "register": name,
        }
        for name, (contents, check) in runs.items()
    ]
    told = f"{{{{ [{', '.join(runs)}] | map(attribute='changes') }}}}"
    tasks.append({"ansible.builtin.assert": {"that": "false", "fail_msg": f"told: {told}"}})
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    output = play(playbook, {}, folder=tmp_path, expect=2)
    assert f"told: [['{one}', '{two}'], ['{one}', '{two}'], [], ['{two}', '{link}']]" in output
    assert (one.read_text("utf-8"), two.read_text(), link.is_symlink()) == ("á\n", "new", False)
    assert {path.stat().st_mode & 0o777 for path in (one, two, link)} == {0o644}
