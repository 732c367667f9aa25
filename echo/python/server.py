"""The echo backend for Python, on the library websockets (10.1 and later).

Every message is sent back, and nothing is sent unasked. docs/backends.md says what it
answers.

    python3 server.py --listen ADDR:PORT --max-message BYTES [--cert FILE --key FILE]
"""

import argparse
import asyncio
import http
import logging
import ssl
import sys

import websockets

try:  # from version 13 on
    from websockets.asyncio.server import serve

    NEWER = True
except ImportError:
    from websockets import serve

    NEWER = False

GREETING = "wsgauge echo\n"

# The kernel lowers it to net.core.somaxconn.
BACKLOG = 65535


async def echo(connection):
    try:
        async for message in connection:
            await connection.send(message)
    except websockets.exceptions.ConnectionClosed:
        pass  # the other side has ended it, or broken a rule


def is_plain(headers):
    """Tells a request that asks for no WebSocket, by what a proxy may have left of it."""
    upgrade = ",".join(headers.get_all("Upgrade")).lower()
    return "websocket" not in upgrade and "Sec-WebSocket-Key" not in headers


def answer_plain(connection, request):
    if is_plain(request.headers):
        return connection.respond(http.HTTPStatus.OK, GREETING)
    return None


async def answer_plain_before_13(path, headers):
    if is_plain(headers):
        kind = [("Content-Type", "text/plain; charset=utf-8")]
        return http.HTTPStatus.OK, kind, GREETING.encode()
    return None


def first_offered(connection, offered):
    return offered[0] if offered else None


def first_offered_before_13(offered, available):
    return offered[0]


def options():
    if NEWER:
        return {
            "process_request": answer_plain,
            "select_subprotocol": first_offered,
            "open_timeout": None,
        }
    return {
        "process_request": answer_plain_before_13,
        # It is asked only where some are available.
        "subprotocols": ["any"],
        "select_subprotocol": first_offered_before_13,
    }


def secure(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    return context


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--max-message", type=int, required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    flags = parser.parse_args()
    host, _, port = flags.listen.rpartition(":")

    # A client that breaks a rule is no error of the server's, and a file full of stack
    # traces helps nobody.
    quiet = logging.getLogger("wsgauge.echo")
    quiet.setLevel(logging.CRITICAL)
    server = serve(
        echo,
        host.strip("[]"),
        int(port),
        ssl=secure(flags.cert, flags.key) if flags.cert else None,
        backlog=BACKLOG,
        compression=None,
        max_size=flags.max_message,
        ping_interval=None,
        logger=quiet,
        **options(),
    )
    async with server:
        await asyncio.get_running_loop().create_future()  # until it is ended


try:
    asyncio.run(main())
except OSError as error:
    sys.exit(f"echo: {error}")
