"""Lets a client talk to a Docker engine that is older than itself.

    python3 relay.py version SOCKET         the newest API version of the engine behind a socket
    python3 relay.py serve SOCKET RELAY     a socket that asks it in that version, whatever the client says

testcontainers names the newest version of the API that it knows, and negotiates none; an engine refuses versions that
are newer than it. It sends one request on each connection, so that the first line of a connection is all there is to
change: without a version an engine answers in its newest.
"""

import asyncio
import http.client
import os
import re
import socket
import sys

LONGEST_LINE = 64 * 1024
AT_ONCE = 64 * 1024
VERSIONED = re.compile(rb"^([A-Z]+) /v[0-9.]+/")


class Engine(http.client.HTTPConnection):
    """HTTP by way of a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def version(path):
    """The newest API version, or None where nobody answers."""
    engine = Engine(path)
    try:
        engine.request("GET", "/_ping")
        return engine.getresponse().headers["Api-Version"]
    except OSError:
        return None
    finally:
        engine.close()


async def pump(reader, writer):
    """Passes on what comes until it ends. The other direction may go on."""
    try:
        while some := await reader.read(AT_ONCE):
            writer.write(some)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


async def serve(path, relay):
    async def connection(client, to_client):
        try:
            line = await client.readline()
            engine, to_engine = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
        except (OSError, ValueError):
            return to_client.close()
        to_engine.write(VERSIONED.sub(rb"\1 /", line))
        await asyncio.gather(pump(client, to_engine), pump(engine, to_client))
        to_engine.close()
        to_client.close()

    if os.path.exists(relay):
        os.remove(relay)
    os.umask(0o177)
    server = await asyncio.start_unix_server(connection, relay, limit=LONGEST_LINE)
    await server.serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["version", path]:
            found = version(path)
            print(found or "")
            sys.exit(0 if found else 1)
        case ["serve", path, relay]:
            asyncio.run(serve(path, relay))
        case _:
            sys.exit(__doc__)
