"""The server's settings, read once from the environment (SERVER_...)."""

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from saudacao.connection import DEADLINE, MAX_MESSAGE_BYTES
from saudacao.errors import StartError
from saudacao.variables import DEFAULT_SERVICE, PREFIX, READINESS_PORT

BAD_SETTING = 2


class Settings(BaseModel):
    """One release's settings; the names in the environment are these with SERVER_ in front.

    The one exception is READINESS_PORT.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=50051, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    release: str = Field(
        default="dev", pattern=r"^[A-Za-z0-9._+-]{1,128}$", description="Release's id."
    )
    service: str = Field(
        default=DEFAULT_SERVICE, min_length=1, description="Entry point in saudacao.services."
    )
    tls_directory: Path | None = Field(
        default=None, description="Folder with ca.crt, server.crt and server.key."
    )
    plaintext: bool = Field(
        default=False, description="Serve without TLS; never beside tls_directory."
    )
    max_workers: int = Field(default=64, ge=1, le=1024, description="Calls handled at a time.")
    max_queue: int = Field(
        default=64, ge=0, le=4096, description="Calls that may wait for a worker."
    )
    max_message_bytes: int = Field(default=MAX_MESSAGE_BYTES, ge=1024, le=64 * 1024 * 1024)
    max_connection_age: float = Field(
        default=30, gt=0, description="Seconds until a connection moves on."
    )
    max_connection_age_grace: float = Field(
        default=2 * DEADLINE, gt=0, description="Seconds that its open calls get then."
    )
    stop_grace: float = Field(
        default=5, ge=0, description="Seconds that open calls get at SIGTERM."
    )
    handshake_timeout: float = Field(
        default=10, gt=0, description="Seconds for TLS and HTTP/2 to begin."
    )
    # Hosts set it for every release, and those of before refuse a SERVER_... that they do not know.
    readiness_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="TCP port of HTTP GET /ready and /metrics; 0: any free one. Unset: none.",
    )
    max_stall: float = Field(
        default=DEADLINE,
        gt=0,
        description="Seconds without a free worker after which the server is not ready.",
    )
    watchdog: float = Field(
        default=3 * DEADLINE,
        ge=0,
        description="Seconds without an answer after which systemd restarts the server; 0: never.",
    )
    figures_seconds: float = Field(
        default=20, ge=0, description="Seconds between lines of figures in the log; 0: none."
    )
    reflection: bool = Field(default=False, description="Serve gRPC's server reflection.")

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: dict[str, object]) -> dict[str, object]:
        """Treat KEY= in a settings file as a key that is not set."""
        return {key: value for key, value in values.items() if value != ""}

    @model_validator(mode="after")
    def _decide_on_tls(self) -> Self:
        if self.plaintext == (self.tls_directory is not None):
            raise ValueError(
                "set SERVER_TLS_DIRECTORY to the folder of the certificates, or "
                "SERVER_PLAINTEXT=true to serve without TLS, and not both"
            )
        return self


def load() -> Settings:
    """Read the environment; raises StartError (exit code 2) naming each bad key and its value."""
    known = {_key(name): name for name in Settings.model_fields}
    _refuse_unknown_keys(set(known))
    given = {name: os.environ[key] for key, name in known.items() if key in os.environ}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        problems = [_describe(problem) for problem in error.errors()]
        raise StartError("; ".join(problems), BAD_SETTING) from None


def _describe(problem: ErrorDetails) -> str:
    reason = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return reason
    return f"{_key(str(problem['loc'][0]))}={problem['input']!r} is refused: {reason}"


def _key(name: str) -> str:
    """Return a setting's name in the environment."""
    return READINESS_PORT if name == "readiness_port" else PREFIX + name.upper()


def _refuse_unknown_keys(known: set[str]) -> None:
    for key in sorted(os.environ):
        if key.startswith(PREFIX) and key not in known:
            import difflib  # for this message only: a start without it is quicker

            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise StartError(
                f"{key}={os.environ[key]!r} is refused: there is no such setting; {hint}",
                BAD_SETTING,
            )
