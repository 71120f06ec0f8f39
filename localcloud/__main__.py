"""The command line: python -m localcloud up|down|status|console|fault|purge."""

import json
import os
from functools import partial

import click

from localcloud import cloud, engine, faults
from localcloud.errors import LocalCloudError
from localcloud.settings import Settings, read

_say = partial(click.echo, err=True)


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LocalCloudError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--name", help="Which cloud (LOCALCLOUD_NAME; default: local).")
@click.option("--port", help="Port of its API (LOCALCLOUD_PORT; default: 4566).")
@click.option("--network", help="Its /16 of addresses (LOCALCLOUD_NETWORK; 10.42.0.0/16).")
@click.option("--image", help="Image that hosts boot (LOCALCLOUD_IMAGE; default: our own).")
@click.pass_context
def main(context: click.Context, /, **flags: str | None) -> None:
    """Run a local AWS whose instances are real systemd hosts on this machine."""
    given = {f"LOCALCLOUD_{key.upper()}": value for key, value in flags.items() if value}
    context.obj = read({**os.environ, **given})


@main.command()
@click.pass_obj
def up(settings: Settings) -> None:
    """Start the cloud, or find it running; returns when the API answers."""
    cloud.up(settings, _say)


@main.command()
@click.pass_obj
def down(settings: Settings) -> None:
    """Stop the cloud and remove everything of it."""
    cloud.down(settings, _say)


@main.command()
@click.pass_obj
def status(settings: Settings) -> None:
    """Print what runs, as JSON; exit 0 only when the cloud does."""
    described = cloud.status(settings)
    click.echo(json.dumps(described, indent=2))
    if described["state"] != "running":
        raise SystemExit(1)


@main.command()
@click.argument("instance")
@click.pass_obj
def console(settings: Settings, instance: str) -> None:
    """Print what INSTANCE printed on its console."""
    printed = engine.console(settings, instance)
    if not printed:
        raise LocalCloudError(
            f"{instance} has no console output: no host of this id was started in the cloud"
            f" {settings.name!r}. Type: python -m localcloud status"
        )
    click.echo(printed, nl=False)


@main.command()
@click.argument("kind", type=click.Choice((*faults.KINDS, "outage", "none")))
@click.argument("calls", nargs=-1)
@click.pass_obj
def fault(settings: Settings, kind: str, calls: tuple[str, ...]) -> None:
    """Make trouble of a KIND, or none: what was made before ends.

    throttle and break refuse CALLS such as logs:PutLogEvents or ssm:*, of services that speak
    JSON; outage keeps hosts from the whole API, as when its endpoint is gone.
    """
    if bool(calls) is not (kind in faults.KINDS):
        takes = "needs calls such as logs:PutLogEvents" if not calls else "takes no calls"
        raise LocalCloudError(f"fault {kind} {takes}. Type: python -m localcloud fault --help")
    described = cloud.status(settings)
    if described["state"] != "running":
        raise LocalCloudError(
            f"The local cloud {settings.name!r} does not run. Type: sudo make local-up"
        )
    wanted = {"outage": kind == "outage", "calls": dict.fromkeys(calls, kind)}
    click.echo(json.dumps(faults.make(described["endpoint"], wanted)))


@main.command()
@click.pass_obj
def purge(settings: Settings) -> None:
    """Stop all clouds of this machine; remove their storage, image and cache."""
    cloud.purge(settings, _say)


main(prog_name="localcloud")
