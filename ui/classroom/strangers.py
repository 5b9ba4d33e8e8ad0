"""The connections of whom the pupils' server does not know yet: few at a time, and each for a short time.

Without this, whoever is in the network could hold idle connections until no phone gets in, or until this process, which
is the app's too, can open no file any more. Uvicorn's own limit counts all connections, and would turn pupils away too.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_STRANGERS = 250  # connections: a class that loads the page at the same moment has some 150
PATIENCE = 15  # seconds until a stranger has to be served, or to be somebody

Client = tuple[str, int]  # address and port at the other end


class Strangers:
    """Ends the oldest connection of a stranger when there is one too many, and each after `PATIENCE` seconds."""

    def __init__(self) -> None:
        self._transports: dict[Client, asyncio.Transport] = {}  # of all connections
        self._ends: dict[Client, asyncio.TimerHandle] = {}  # of strangers, oldest first

    def come(self, client: Client, transport: asyncio.Transport) -> None:
        """There is a new connection."""
        self._transports[client] = transport
        self.unknown(client)

    def gone(self, client: Client) -> None:
        """A connection has ended."""
        self.known(client)
        self._transports.pop(client, None)

    def known(self, client: Client) -> None:
        """The connection is a pupil's: it stays as long as the pupil does."""
        if end := self._ends.pop(client, None):
            end.cancel()

    def unknown(self, client: Client) -> None:
        """The connection is nobody's, or a pupil's no more."""
        self.known(client)
        if client in self._transports:
            self._ends[client] = asyncio.get_running_loop().call_later(PATIENCE, self._end, client)
            if len(self._ends) > MOST_STRANGERS:
                self._end(next(iter(self._ends)))

    def _end(self, client: Client) -> None:
        self.known(client)
        if transport := self._transports.get(client):
            transport.abort()


class Http(H11Protocol):
    """HTTP whose connections are strangers until they end, or until a pupil's WebSocket comes of them."""

    def __init__(self, strangers: Strangers, **options: Any) -> None:
        super().__init__(**options)
        self.strangers = strangers

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Begin."""
        super().connection_made(transport)
        if self.client:
            self.strangers.come(self.client, transport)
        else:  # it has left already
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        if self.client:
            self.strangers.gone(self.client)


class WebSocket(WebSocketsSansIOProtocol):
    """A WebSocket, which has begun as HTTP."""

    def __init__(self, strangers: Strangers, **options: Any) -> None:
        super().__init__(**options)
        self.strangers = strangers

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        if self.client:
            self.strangers.gone(self.client)
