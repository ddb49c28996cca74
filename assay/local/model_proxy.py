"""The HTTP port of the model server: checks each request and passes it to llama.cpp on a private Unix socket.

The HTTP server of llama.cpp checks neither Host, Origin nor content type, and answers some paths without a key.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from assay.request_guard import RequestGuard

if TYPE_CHECKING:
    import httpx2

PASSED_ON = ("content-type", "accept")
PASSED_BACK = ("content-type", "content-length")
CLIENT_LEFT = 499


def model_proxy(socket_path: str, *, token: str) -> RequestGuard:
    """Returns the web application that answers with the responses of the server at `socket_path`."""
    import httpx2

    # A request waits for a slot of llama.cpp, not for a connection; llama.cpp may close a kept one at any time.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    transport = httpx2.AsyncHTTPTransport(uds=socket_path, limits=limits)
    client = httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=None)

    async def forward(request: Request) -> Response:
        return await _forwarded(request, client)

    app = Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST"])])
    return RequestGuard(app, token)


async def _forwarded(request: Request, client: httpx2.AsyncClient) -> Response:
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    body = await request.body()
    query = f"?{request.url.query}" if request.url.query else ""
    sent = client.build_request(request.method, f"{request.url.path}{query}", content=body, headers=headers)
    answering = asyncio.create_task(client.send(sent, stream=True))
    leaving = asyncio.create_task(_left(request))
    await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if not answering.done():
        answering.cancel()  # closes the connection, so that llama.cpp stops generating and frees the slot
        return Response(status_code=CLIENT_LEFT)
    leaving.cancel()
    answer = answering.result()
    kept = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
    return StreamingResponse(answer.aiter_raw(), answer.status_code, kept, background=BackgroundTask(answer.aclose))


async def _left(request: Request) -> None:
    """Returns when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
