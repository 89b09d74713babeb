"""A real S3 server that goes away, hangs and comes back: moto's, behind a proxy."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from hpotool.drill.proxy import CuttableProxy


@dataclass
class ObjectStore:
    """``url``: a bucket of the test's own. ``environment``: what s3fs needs to reach it."""

    url: str
    environment: Mapping[str, str]
    proxy: CuttableProxy
    _port: int
    _server: object | None = None

    def come_back(self) -> None:
        """Start the server, with everything that was stored before."""
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()

    def go_away(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self.proxy.drop_all()


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A running server, with an empty bucket."""
    import fsspec

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = CuttableProxy(port)
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    bucket = f"bucket-{uuid.uuid4().hex}"
    store = ObjectStore(f"s3://{bucket}/checkpoints", environment, proxy, port)
    store.come_back()
    try:
        direct = fsspec.filesystem(
            "s3", key="test", secret="test", endpoint_url=f"http://127.0.0.1:{port}", skip_instance_cache=True
        )
        direct.mkdir(bucket)
        yield store
    finally:
        store.go_away()
        proxy.close()
