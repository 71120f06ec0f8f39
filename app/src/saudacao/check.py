"""Asks a server whether it serves: `python -m saudacao.check --address HOST:PORT ...`.

With a release's settings in the environment (SERVER_RELEASE, SERVER_SERVICE), the service's own
check, its entry point in saudacao.checks, has to pass too, and that release has to answer it.
Exit code 0 when it does, 1 with the reason in one sentence when it does not, 2 for bad usage.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saudacao.client import Config

REFUSED = "--refused-without-certificate"


def main() -> None:
    """Check once and exit."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    options = _options()
    failure = _failure(options)
    if failure:
        sys.stderr.write(f"{options.address} does not pass: {failure}\n")
        sys.exit(1)
    passed = "refuses callers without a certificate" if options.refused else "is SERVING"
    sys.stdout.write(f"{options.address} {passed}\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="saudacao-check", description=__doc__)
    parser.add_argument("--address", required=True, help="HOST:PORT")
    parser.add_argument("--server-name", default="", help="name in the server's certificate")
    parser.add_argument("--ca-file", type=Path)
    parser.add_argument("--certificate-file", type=Path)
    parser.add_argument("--key-file", type=Path)
    parser.add_argument("--service", default="", help="service to ask about (default: all)")
    parser.add_argument("--plaintext", action="store_true", help="the server serves without TLS")
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="SECONDS", help="for each of the checks"
    )
    parser.add_argument(
        REFUSED,
        action="store_true",
        dest="refused",
        help="pass when the server refuses the same caller without its certificate",
    )
    options = parser.parse_args()
    needed = {"--ca-file", "--certificate-file", "--key-file"}
    given = {flag for flag in needed if getattr(options, flag[2:].replace("-", "_"))}
    if options.plaintext and (given or options.refused):
        parser.error(f"--plaintext goes with none of {', '.join(sorted(given | {REFUSED}))}")
    if not options.plaintext and given != needed:
        parser.error(f"TLS needs {', '.join(sorted(needed - given))} too, or give --plaintext")
    return options


def _failure(options: argparse.Namespace) -> str | None:
    from saudacao.client import Config
    from saudacao.refusal import why_not_refused

    config = Config(
        options.address,
        options.server_name,
        options.ca_file,
        options.certificate_file,
        options.key_file,
    )
    if options.refused:
        return why_not_refused(config, options.timeout)
    return _why_not_serving(config, options.service, options.timeout)


def _why_not_serving(config: "Config", service: str, timeout: float) -> str | None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from saudacao import own_check
    from saudacao.client import ConfigError, connect, explain

    try:
        with connect(config) as channel:
            request = health_pb2.HealthCheckRequest(service=service)
            reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout)
            status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
            if status != "SERVING":
                return f"its health is {status}: see its log"
            own_check.run(channel, timeout)
    except grpc.RpcError as error:
        return explain(error, config)
    except (ConfigError, own_check.OwnCheckError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    main()
