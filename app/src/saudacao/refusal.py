"""Proves that a server refuses a caller for having no certificate, and for nothing else.

gRPC closes such a connection without a word, as a dying server would. So this speaks TLS itself,
twice: the server must show its own certificate both times, answer the caller with a certificate,
and not the one without.
"""

import socket
import ssl

from saudacao.client import Config

# What an HTTP/2 client says first; a server that accepts it answers with its own settings.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


def why_not_refused(config: Config, timeout: float) -> str | None:
    """Return None when only the caller without a certificate is refused, else what happened."""
    try:
        if not _answers(config, _context(config, certificate=True), timeout):
            return "it refuses callers with this certificate too, so nothing is proven"
        if _answers(config, _context(config, certificate=False), timeout):
            return "it accepts callers without a certificate"
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not to be trusted ({error.verify_message})"
    except (OSError, ValueError) as error:
        return f"the server was not reached ({error})"
    return None


def _context(config: Config, *, certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.ca_file)
    context.set_alpn_protocols(["h2"])
    if certificate and config.certificate_file:
        context.load_cert_chain(config.certificate_file, config.key_file)
    return context


def _answers(config: Config, context: ssl.SSLContext, timeout: float) -> bool:
    """Tell whether the server, once it has shown who it is, speaks HTTP/2 with this caller."""
    host, _, port = config.endpoint.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout) as plain:
        # TLS 1.3: the client learns who the server is before the server decides about the client.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with context.wrap_socket(plain, server_hostname=config.server_name or host) as secure:
            try:
                secure.sendall(GREETING)
                return bool(secure.recv(9))
            except (ssl.SSLError, ConnectionError):
                return False
