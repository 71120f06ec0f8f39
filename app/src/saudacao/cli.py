"""The command `saudacao-client`: greets by name, or probes the server with many calls."""

import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from saudacao.interruption import Interruption

if TYPE_CHECKING:
    from saudacao.probe import Call
    from saudacao.tally import Tally

CONFIG_HELP = "client.toml of a deployment [default: $SAUDACAO_CLIENT_CONFIG, or .deploy/local/]"
BAD_USAGE = 2


class _PositiveNumber(click.FloatRange):
    """A finite number above zero; Python takes nan and inf for numbers too."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or fail as bad usage."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


_POSITIVE = _PositiveNumber(0, min_open=True)


def _text(_context: object, _option: object, names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse bytes that are no text: Python makes surrogates of them, which no call can send."""
    for name in names:
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise click.BadParameter(f"{name!r} is no UTF-8 text")
    return names


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="NOME...", nargs=-1, callback=_text)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help=CONFIG_HELP)
@click.option("--count", type=click.IntRange(1), help="Calls to make; names are made up.")
@click.option("--duration", type=_POSITIVE, help="Seconds to call for.")
@click.option("--concurrency", type=click.IntRange(1, 1000), default=1, help="Calls at a time.")
@click.option("--rate", type=_POSITIVE, help="Calls a second, in all.")
@click.option("--fresh", is_flag=True, help="Make a connection for each call.")
@click.option("--mixed", is_flag=True, help="Make one for every 5 calls, in half of the threads.")
@click.option("--stop-on-failure", is_flag=True, help="Begin no call after one that went wrong.")
@click.option("--timeout", type=_POSITIVE, default=10.0, show_default=True)
@click.option("--progress", type=_POSITIVE, help="Seconds between summaries on standard error.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and no replies.")
def main(
    names: tuple[str, ...],
    config: Path | None,
    as_json: bool,
    progress: float | None,
    **plan: Any,
) -> None:
    """Print the greeting of each NOME, one a line.

    With --count or --duration, call many times and print a summary instead; Ctrl-C ends it early,
    a second one at once.
    The exit code is 0 when every reply is right, 1 when one is not, 2 for bad usage.
    """
    probing = bool(plan["count"] or plan["duration"])
    if not (names or probing):
        raise click.UsageError("give at least one NOME, or --count or --duration")
    if plan["mixed"] and (plan["fresh"] or plan["concurrency"] == 1):
        raise click.UsageError("--mixed needs --concurrency 2 or more, and no --fresh")
    # Read when grpc is imported: the reasons for failures are in our own messages.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    interruption = Interruption()
    from saudacao import client
    from saudacao.names import varied
    from saudacao.probe import Plan, Probe
    from saudacao.progress import Progress
    from saudacao.tally import Tally

    # What a probe counts must not be hidden from it.
    plan["robust"] = not probing
    if not probing:
        plan["count"] = len(names)
    quiet = probing or as_json
    tally = Tally()
    lines = Progress(tally, progress) if progress else None

    def report(call: "Call") -> None:
        tally.add(call)
        if lines:
            lines.note()
        if not quiet:
            _print(call)

    try:
        probe = Probe(client.load(config), Plan(**plan), varied(names), report)
        seconds = interruption.run(probe.run, probe.stop)
    except client.ConfigError as error:
        _complain(str(error))
        sys.exit(BAD_USAGE)
    summary = tally.summary(seconds, interrupted=interruption.received)
    _conclude(tally, summary, quiet=quiet, as_json=as_json)


def _print(call: "Call") -> None:
    if call.problem:
        _complain(call.problem)
    else:
        click.echo(call.reply)


def _conclude(
    tally: "Tally", summary: dict[str, object], *, quiet: bool, as_json: bool
) -> NoReturn:
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))
    elif quiet:
        click.echo(_sentence(summary))
    if quiet and tally.first_failure:
        _complain(tally.first_failure["message"] or "")
    sys.exit(0 if tally.good else 1)


def _sentence(summary: dict[str, Any]) -> str:
    latency = summary["latency_ms"] or {}
    times = ", ".join(f"{name} {value} ms" for name, value in latency.items())
    counts = f"{summary['calls']} calls, {summary['failed']} failed, {summary['wrong']} wrong"
    end = "; interrupted" if summary["interrupted"] else ""
    statuses = ", ".join(f"{count} {status}" for status, count in summary["by_status"].items())
    return f"{counts} in {summary['seconds']} s ({statuses}); {times}{end}"


def _complain(problem: str) -> None:
    click.echo(f"saudacao-client: {problem}", err=True)


if __name__ == "__main__":
    main()
