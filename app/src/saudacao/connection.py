"""Connection settings on which the server and its clients have to agree."""

# Seconds between a client's keepalive pings; the server accepts them down to the half of it.
KEEPALIVE_TIME = 20
KEEPALIVE_TIMEOUT = 10

# Seconds that a client waits for a reply. A server lets open calls run at least this long
# on a connection that has reached its age.
DEADLINE = 10.0

# Bytes of a call's headers, and of a message unless the server is set otherwise.
MAX_METADATA_BYTES = 16 * 1024
MAX_MESSAGE_BYTES = 1024 * 1024

# The metadata that names a call: what the caller sends, or else what the server makes up.
REQUEST_ID = "x-request-id"

Options = list[tuple[str, int | str]]


def keepalive(seconds: int = KEEPALIVE_TIME) -> Options:
    """Return the channel options that server and client share."""
    return [
        ("grpc.keepalive_time_ms", seconds * 1000),
        # The one is for data that nobody acknowledges; the other for a ping, which gRPC else gives
        # a minute.
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT * 1000),
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
