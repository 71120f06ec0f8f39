"""What the server's settings and its check agree on; importing it takes no time.

The settings' own module costs as much as gRPC, and a check runs twice in each switch, beside a
server that is being called.
"""

PREFIX = "SERVER_"
READINESS_PORT = "READINESS_PORT"
DEFAULT_SERVICE = "saudacao"
