"""Installing releases on a real host, also when the disk is full or the power goes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.grpc_server import archives
from tests.grpc_server.conftest import Deployment
from tests.grpc_server.host import Host

RELEASES = "/opt/saudacao/releases"


def test_an_installed_release_is_not_installed_again(deployment: Deployment, second: str) -> None:
    archive = deployment.archive.with_name(f"{second}.tar")
    deployment.host.copy(archive)
    answer = deployment.host.ask("install", f"/opt/saudacao/incoming/{archive.name}")
    assert answer == {"changed": False, "release": second}
    assert deployment.host.run("ls /opt/saudacao/incoming").stdout == ""


def test_an_archive_that_another_run_has_installed_changes_nothing(
    deployment: Deployment, second: str
) -> None:
    """Two runs at once copy to the same place, and the first to install takes the archive."""
    answer = deployment.host.ask("install", f"/opt/saudacao/incoming/{second}.tar")
    assert answer == {"changed": False, "release": second}


def test_a_half_installed_release_is_finished_by_the_next_run(deployment: Deployment) -> None:
    archive = archives.broken(deployment.archive, "0.4.0-half", archives.EXITS)
    deployment.host.run(f"mkdir -p {RELEASES}/0.4.0-half/venv; touch {RELEASES}/0.4.0-half/venv/x")
    deployment.host.run("touch /opt/saudacao/incoming/0.4.0-half.tar.4711")
    assert "0.4.0-half" not in deployment.host.ask("status")["releases"]
    assert deployment.host.install(archive) == "0.4.0-half"
    assert deployment.host.run(f"ls {RELEASES}/0.4.0-half/venv/x", check=False).stdout == ""
    assert deployment.host.run("ls /opt/saudacao/incoming").stdout == ""


def test_a_full_disk_leaves_no_trace_of_the_release(deployment: Deployment) -> None:
    archive = archives.broken(deployment.archive, "0.4.0-full", archives.EXITS)
    deployment.host.copy(archive)
    small = f"mount -t tmpfs -o size=512k tmpfs {RELEASES}"
    deployment.host.run(small)
    try:
        refusal = deployment.host.refusal("install", f"/opt/saudacao/incoming/{archive.name}")
        assert "not enough room" in refusal
    finally:
        deployment.host.run(f"umount {RELEASES}")
    assert deployment.host.run(f"ls -d {RELEASES}/0.4.0-full", check=False).stdout == ""
    assert deployment.host.install(archive) == "0.4.0-full"


def test_wheels_that_are_not_what_the_release_names_are_refused(deployment: Deployment) -> None:
    files = archives.contents(archives.broken(deployment.archive, "0.4.0-forged", archives.EXITS))
    files["requirements.txt"] = b"saudacao==0.0.1 --hash=sha256:" + b"0" * 64
    archive = archives.write(deployment.archive.with_name("0.4.0-forged.tar"), files)
    deployment.host.copy(archive)
    refusal = deployment.host.refusal("install", f"/opt/saudacao/incoming/{archive.name}")
    assert "DO NOT MATCH THE HASHES" in refusal
    assert deployment.host.run(f"ls -d {RELEASES}/0.4.0-forged", check=False).stdout == ""


def venv(release: str) -> str:
    return f"{RELEASES}/{release}/venv"


def test_a_release_with_the_same_packages_has_an_environment_of_its_own(
    deployment: Deployment,
) -> None:
    """It is copied, without pip; nothing in it leads to the release that it was copied from."""
    host, release = deployment.host, "0.4.0-alike"
    archive = archives.with_wheels(archives.variant(deployment.archive, release, {}))
    assert host.install(archive) == release
    named = f"cd {venv(release)} && grep -hoI '{RELEASES}/[^/]*' bin/* pyvenv.cfg | sort -u"
    assert host.run(named).stdout.split() == [f"{RELEASES}/{release}"]
    differing = f"diff -rq {venv(deployment.release)}/lib {venv(release)}/lib"
    assert host.run(differing).stdout == ""
    first = host.run(f"head -1 {venv(release)}/bin/saudacao-client").stdout.strip()
    assert first == f"#!{venv(release)}/bin/python"
    assert host.ask("status", "--compare", release)["edited"] == []
    host.ask("switch", release)
    assert host.ask("confirm", release)["release"] == release


@contextmanager
def edited_everywhere(host: Host) -> Iterator[str]:
    """Have somebody edit a file of every release; yield its path, with * for the release."""
    edited = f"{RELEASES}/*/venv/lib/python3.11/site-packages/click/utils.py"
    host.run(f"for file in {edited}; do cp -a $file $file.before; echo '# x' >> $file; done")
    try:
        yield edited
    finally:
        host.run(f"for file in {edited}; do test ! -e $file.before || mv $file.before $file; done")


def test_an_edited_environment_is_not_copied(deployment: Deployment, second: str) -> None:
    """Nor that of a release which somebody took its requirements from."""
    host, release = deployment.host, "0.4.0-clean"
    taken = f"{RELEASES}/{second}/requirements.txt"
    with edited_everywhere(host) as edited:
        host.run(f"mv {taken} {taken}.before")
        try:
            archive = archives.variant(deployment.archive, release, {})
            assert host.install(archive) == release
        finally:
            host.run(f"mv {taken}.before {taken}")
        assert host.run(f"grep '# x' {edited}").stdout.count("# x") > 0
        assert host.run(f"grep '# x' {edited.replace('*', release)}", check=False).stdout == ""


def test_a_release_with_other_code_gets_what_has_not_changed_from_another_one(
    deployment: Deployment,
) -> None:
    """pip installs the service alone, and what results is what pip makes of all the wheels."""
    host, changed, anew = deployment.host, "0.4.1-changed", "0.4.1-anew"
    before = {"saudacao/gone.py": "GONE = True\n"}
    now = {"saudacao/came.py": "CAME = True\n"}
    for release, modules in (("0.4.0-before", before), (changed, now)):
        archive = archives.changed(deployment.archive, release, modules)
        assert host.install(archives.with_wheels(archive, "pip", "saudacao")) == release
    with edited_everywhere(host):
        assert host.install(archives.changed(deployment.archive, anew, now)) == anew
    # Bytecode tells when its source was written, and RECORD what is in programs, such as paths.
    same = f"diff -r --exclude=__pycache__ --exclude=RECORD {venv(changed)}/lib {venv(anew)}/lib"
    assert host.run(same).stdout == ""
    names = [host.run(f"cd {venv(release)} && find . | sort").stdout for release in (changed, anew)]
    assert names[0] == names[1]
    assert "/came.py" in names[0]
    assert "/gone.py" not in names[0]
    host.ask("switch", changed)
    assert host.ask("confirm", changed)["release"] == changed


def test_packages_that_a_release_does_not_name_are_not_copied_into_it(
    deployment: Deployment,
) -> None:
    host, release = deployment.host, "0.4.2-fewer"
    archive = archives.variant(deployment.archive, release, {})
    files = archives.contents(archive)
    lines = files["requirements.txt"].splitlines(keepends=True)
    files["requirements.txt"] = b"".join(line for line in lines if not line.startswith(b"orjson"))
    assert host.install(archives.write(archive, files)) == release
    found = f"ls -d {venv(release)}/lib/python3.11/site-packages/"
    assert host.run(f"{found}pydantic", check=False).stdout
    assert host.run(f"{found}orjson", check=False).stdout == ""


def test_old_releases_go_and_those_in_use_stay(deployment: Deployment, second: str) -> None:
    host = deployment.host
    for number in range(6):
        host.install(archives.broken(deployment.archive, f"0.5.{number}-old", archives.EXITS))
    host.ask("switch", second)
    removed = host.ask("confirm", second)["removed"]
    kept = host.ask("status")["releases"]
    assert len(kept) == 5
    assert {second, deployment.release} <= set(kept)
    assert removed


@pytest.mark.parametrize("name", ["../0.4.0-evil", "0.4.0/evil"])
def test_a_release_cannot_name_a_folder_outside(deployment: Deployment, name: str) -> None:
    assert "is not a release" in deployment.host.refusal("switch", f"'{name}'")
