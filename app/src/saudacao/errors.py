"""What a service raises to say that the caller, not the server, is wrong."""

# The exit code of a server that cannot have a port.
NO_PORT = 3


class InvalidRequestError(ValueError):
    """The request breaks a rule of the service.

    The caller gets INVALID_ARGUMENT with this error's text, so the text names the rule and
    repeats nothing of the request.
    """


class StartError(Exception):
    """The server cannot start; the text says why, and `exit_code` is the process's status."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
