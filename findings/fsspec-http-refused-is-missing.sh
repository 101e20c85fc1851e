#!/bin/bash
# fsspec: a web server that refuses connections, or answers 503 or 403, has "no such file" for `info` and `exists`.
#
# Expected: info() of an address whose server does not answer raises an error of the connection, and a server's answer
#   503 (try again later) is not taken for 404 (not there).
# Seen: FileNotFoundError for all of them; the true error is its __cause__ alone. exists() is False. A program that looks
#   whether its input is there skips it while the server is down.
# lmctl: looks at the cause. A refused connection and 503 are exit code 69 (unavailable), 403 is 74, and 404 is 66.
#
# 2026-11-29, fsspec 2026.9.0, aiohttp 3.14.5, Python 3.11:
#   404: FileNotFoundError, caused by ClientResponseError 404; exists: False
#   403: FileNotFoundError, caused by ClientResponseError 403; exists: False
#   503: FileNotFoundError, caused by ClientResponseError 503; exists: False
#   refused: FileNotFoundError, caused by ClientConnectorError; exists: False
. "$(dirname "$0")/lib.sh"
environment venv fsspec==2026.9.0 aiohttp==3.14.5
cat >answers.py <<'PY'
import http.server
import threading

import fsspec


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def look(name, address):
    system = fsspec.filesystem("http", skip_instance_cache=True)
    try:
        found = system.info(address)
    except Exception as error:
        cause = error.__cause__
        found = f"{type(error).__name__}, caused by {type(cause).__name__} {getattr(cause, 'status', '')}".rstrip()
    print(f"{name}: {found}; exists: {system.exists(address)}")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
place = f"http://127.0.0.1:{server.server_address[1]}"
for status in ("404", "403", "503"):
    look(status, f"{place}/{status}")
server.shutdown()
server.server_close()
look("refused", f"{place}/text")
PY
venv/bin/python answers.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
404: FileNotFoundError, caused by ClientResponseError 404; exists: False
403: FileNotFoundError, caused by ClientResponseError 403; exists: False
503: FileNotFoundError, caused by ClientResponseError 503; exists: False
refused: FileNotFoundError, caused by ClientConnectorError; exists: False
TXT
