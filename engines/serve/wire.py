"""What every exchange over HTTP needs: the body within its bounds, and a client that may leave."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from engines.serve.requests import BadRequest

CLIENT_GONE = 499
"""NGINX's code for a client that left; only for the log and the metrics."""

TRACE = re.compile("00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C traceparent."""

Result = TypeVar("Result")


async def read_body(request: Request, limit: int, seconds: float) -> bytes:
    """The body, which may neither be too large nor come too slowly."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise BadRequest(
                        f"the body may have {limit} bytes",
                        status=413,
                        headers={"connection": "close"},
                    )
                parts.append(part)
    except TimeoutError:
        raise BadRequest("the body came too slowly", status=408) from None
    return b"".join(parts)


async def unless_gone(work: Coroutine[Any, Any, Result], receive: Receive) -> Result:
    """What `work` returns.

    Raises:
        ClientDisconnect: the client left before; the work has been cancelled.
    """

    async def leave() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    doing, gone = asyncio.create_task(work), asyncio.create_task(leave())
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        doing.cancel()
        gone.cancel()


def trace(request: Request) -> str:
    """The id of the caller's trace, or nothing."""
    match = TRACE.fullmatch(request.headers.get("traceparent", ""))
    return match[1] if match else ""
