"""Connects to a deployed server; for the greeter's client, the check, and clients of your own.

import saudacao.client as client
config = client.load()                   # .deploy/local/client.toml, or $SAUDACAO_CLIENT_CONFIG
with client.connect(config, robust=True) as channel:
    YourServiceStub(channel).YourMethod(request, timeout=client.DEADLINE)
"""

import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import grpc

from saudacao.connection import DEADLINE, MAX_MESSAGE_BYTES, REQUEST_ID, Options, keepalive
from saudacao.robustness import Robustness

__all__ = [
    "DEADLINE",
    "Config",
    "ConfigError",
    "connect",
    "default_path",
    "explain",
    "load",
    "read_credentials",
]

VARIABLE = "SAUDACAO_CLIENT_CONFIG"
TEXTS = ("endpoint", "server_name")
# Words of the TLS failures that gRPC reports as UNAVAILABLE.
TLS_WORDS = ("tls", "ssl", "certificate", "verification")
FILES = ("ca_file", "certificate_file", "key_file")


class ConfigError(ValueError):
    """The client's configuration cannot be used; the text says which key and why."""


@dataclass(frozen=True)
class Config:
    """Where the server is, who it must be, and who we are; without files, plaintext is spoken."""

    endpoint: str
    server_name: str
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    robustness: Robustness = field(default_factory=Robustness)


def default_path() -> Path:
    """Return $SAUDACAO_CLIENT_CONFIG, else the local deployment's file below this folder."""
    return Path(os.environ.get(VARIABLE) or ".deploy/local/client.toml")


def load(path: Path | None = None) -> Config:
    """Read a client.toml, by default that of default_path(); raises ConfigError.

    Its files are relative to the folder it is in.
    """
    path = path or default_path()
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration at {path}: deploy first (ansible-playbook site.yml), "
            f"or name another with --config or {VARIABLE}"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    endpoint, server_name = (_text(values, key, path) for key in TEXTS)
    ca, certificate, key = (path.parent / _text(values, key, path) for key in FILES)
    return Config(endpoint, server_name, ca, certificate, key, _robustness(values, path))


def read_credentials(config: Config) -> grpc.ChannelCredentials | None:
    """Read the certificates and the key; None for plaintext.

    Raises ConfigError when a file cannot be read.
    """
    if config.ca_file is None:
        return None
    key, certificate = _read(config.key_file), _read(config.certificate_file)
    return grpc.ssl_channel_credentials(_read(config.ca_file), key, certificate)


def connect(
    config: Config,
    *,
    own_connection: bool = False,
    robust: bool = False,
    credentials: grpc.ChannelCredentials | None = None,
) -> grpc.Channel:
    """Return a channel with the keepalive and limits of this project's servers.

    Channels of one process share connections to the same place; `own_connection` has one made
    for this channel alone. `robust` does what the configuration's robustness says; without it a
    failure is a failure. Without `credentials` the files are read; raises ConfigError when one
    cannot be.
    """
    options: Options = [
        *(config.robustness.options() if robust else keepalive()),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.use_local_subchannel_pool", int(own_connection)),
    ]
    chosen = credentials or read_credentials(config)
    if chosen is None:
        return grpc.insecure_channel(config.endpoint, options)
    options.append(("grpc.ssl_target_name_override", config.server_name))
    return grpc.secure_channel(config.endpoint, chosen, options)


def explain(error: grpc.RpcError, config: Config, request_id: str | None = None) -> str:
    """Say in one sentence what happened, why, and what to check, with the call's request id.

    The server's reply has it; a call that was not answered has the `request_id` that was sent.
    """
    code, details = error.code(), error.details() or "no reason given"
    happened = f"the call to {config.endpoint} ended with {code.name}: {details}"
    answered = (
        str(item.value) for item in error.trailing_metadata() or () if item.key == REQUEST_ID
    )
    identity = next(answered, request_id)
    under = f" (request id {identity})" if identity else ""
    return f"{happened}; {_advice(code, details, config)}{under}"


def _advice(code: grpc.StatusCode, details: str, config: Config) -> str:
    lower = details.lower()
    if code is grpc.StatusCode.UNAVAILABLE and any(word in lower for word in TLS_WORDS):
        return (
            f"check that the server's certificate is for {config.server_name}, that it and "
            f"{config.certificate_file} have not expired, and that {config.ca_file} signed both"
        )
    if code is grpc.StatusCode.UNAVAILABLE:
        return (
            "check that the server runs, that its firewall opens this port to your address, and "
            "that your certificate has not expired"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "check the server's load, and that its firewall opens this port to your address"
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return "check what was sent"
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return "send less or fewer at a time, or give the server more workers"
    return "check the server's log"


def _robustness(values: dict[str, Any], path: Path) -> Robustness:
    names = {option.name for option in fields(Robustness)}
    chosen = {name: value for name, value in values.items() if name in names}
    for name, value in chosen.items():
        wanted = type(getattr(Robustness, name))
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise ConfigError(
                f"{name}={value!r} in {path} is refused: it must be "
                f"{'true or false' if wanted is bool else 'a number'}"
            )
    try:
        return Robustness(**chosen)
    except ValueError as error:
        raise ConfigError(f"{error}; it is in {path}") from None


def _text(values: dict[str, object], key: str, path: Path) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key}={value!r} in {path} is refused: it must be a text")
    return value


def _read(path: Path | None) -> bytes:
    if path is None:
        raise ConfigError("a client certificate and its key are needed beside the CA")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
