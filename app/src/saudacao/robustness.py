"""What keeps a client's calls going when a server, a connection or a network does not.

gRPC does all of it by itself once it is told to. The load probe does not tell it: what it counts
are the failures that this hides.
"""

import json
from dataclasses import dataclass

from saudacao.connection import DEADLINE, KEEPALIVE_TIME, Options, keepalive

# A failed call takes one token, a good one gives a tenth back: with half of them gone nothing is
# retried, so that retries never multiply the load on servers that are in trouble.
RETRY_TOKENS = 10
TOKENS_A_CALL = 0.1
FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 1.0
# gRPC allows no more.
MOST_ATTEMPTS = 5
# Seconds until a connection that could not be made is tried anew: with gRPC's own second, all
# attempts of a call would be over before. A load balancer sends the next one to another host.
FIRST_RECONNECT = 0.1
# Seconds until a connection that is taken without an answer, as a server that hangs does, is given
# up. A balancer ends it only when something is sent, and gRPC's own 20 are longer than a DEADLINE.
LONGEST_CONNECT = 5.0


@dataclass(frozen=True)
class Robustness:
    """A client's own settings, each a key of its client.toml.

    `attempts` is how often a call is made while the server is UNAVAILABLE; `deadline` the seconds
    that a call may take in all, for a caller who names none; `health_checks` whether a server that
    says NOT_SERVING gets no calls; `round_robin` whether all addresses of the endpoint do;
    `keepalive` the seconds between questions whether a silent connection lives.
    """

    attempts: int = 4
    deadline: float = DEADLINE
    health_checks: bool = True
    round_robin: bool = True
    keepalive: int = KEEPALIVE_TIME

    def __post_init__(self) -> None:
        for name, good, rule in (
            ("attempts", 1 <= self.attempts <= MOST_ATTEMPTS, f"it must be 1 to {MOST_ATTEMPTS}"),
            ("deadline", self.deadline > 0, "it must be more than 0"),
            ("keepalive", self.keepalive >= KEEPALIVE_TIME // 2,
             f"servers close connections that ask oftener than every {KEEPALIVE_TIME // 2} s"),
        ):  # fmt: skip
            if not good:
                raise ValueError(f"{name}={getattr(self, name)!r} is refused: {rule}")

    def options(self) -> Options:
        """Return the channel options that do it."""
        return [
            *keepalive(self.keepalive),
            ("grpc.initial_reconnect_backoff_ms", round(FIRST_RECONNECT * 1000)),
            # In spite of its name it is the time for an attempt.
            ("grpc.min_reconnect_backoff_ms", round(LONGEST_CONNECT * 1000)),
            ("grpc.service_config", json.dumps(self._config())),
        ]

    def _config(self) -> dict[str, object]:
        method: dict[str, object] = {"name": [{}], "timeout": f"{self.deadline:.3f}s"}
        config: dict[str, object] = {"methodConfig": [method]}
        if self.attempts > 1:
            method["retryPolicy"] = {
                "maxAttempts": self.attempts,
                "initialBackoff": f"{FIRST_BACKOFF}s",
                "maxBackoff": f"{LONGEST_BACKOFF}s",
                "backoffMultiplier": 2,
                # The server did not have it, or said so: no other status means that.
                "retryableStatusCodes": ["UNAVAILABLE"],
            }
            config["retryThrottling"] = {"maxTokens": RETRY_TOKENS, "tokenRatio": TOKENS_A_CALL}
        if self.round_robin:
            config["loadBalancingConfig"] = [{"round_robin": {}}]
        if self.health_checks:
            config["healthCheckConfig"] = {"serviceName": ""}
        return config
