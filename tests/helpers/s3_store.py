"""A store of S3 on the loopback interface: the server of moto, in a thread of this process."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BUCKET = "bucket"
# What s3fs and lmctl find of it in their environment.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    # No profile and no service of this machine is asked for others.
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@contextlib.contextmanager
def serving_s3(objects: Mapping[str, bytes]) -> Iterator[str]:
    """A server with a bucket of objects, by key; the value is its URL."""
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        system = S3FileSystem(
            key=CREDENTIALS["AWS_ACCESS_KEY_ID"], secret=CREDENTIALS["AWS_SECRET_ACCESS_KEY"], endpoint_url=url
        )
        system.mkdir(BUCKET)
        for key, content in objects.items():
            system.pipe_file(f"{BUCKET}/{key}", content)
        yield url
    finally:
        server.stop()
