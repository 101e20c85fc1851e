#!/bin/bash
# uvicorn with httptools: a request that offers another protocol loses its body.
#
# Expected: a server ignores an offer (`Upgrade: h2c`) of a protocol that it does not speak, and answers the request
# in HTTP/1.1 (RFC 9110, section 7.8). The HTTP client of Java makes this offer with each request.
# Seen: the parser ends the request after its head. The application gets an empty body, and what follows on the
# connection is not answered.
# lmctl: goes on behind the head with a new parser (lmctl/serve/upgrades.py).
#
# 2026-11-30, uvicorn 0.54.0, httptools 0.9.0, Python 3.11: bodies: [b'']. Known: Kludex/uvicorn#2722.
. "$(dirname "$0")/lib.sh"
environment venv uvicorn==0.54.0 httptools==0.9.0
venv/bin/python - <<'PY'
import asyncio
import socket

import uvicorn

bodies = []


async def app(scope, receive, send):
    bodies.append((await receive())["body"])
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", lifespan="off", log_level="critical"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        b"Content-Length: 3\r\n\r\nabc"
    )
    print((await reader.readline()).decode().strip())
    writer.close()
    server.should_exit = True
    await running


asyncio.run(main())
print("bodies:", bodies)
assert bodies == [b""]
PY
