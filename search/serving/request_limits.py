"""Bounds of a request to a served model, and the answer 400 to one that cannot be read.

MLflow's scoring server reads a body of any length, and answers JSON that is nested thousands of levels deep, numbers of
thousands of digits and a missing Content-Type with 500, as if the server were at fault.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...text import named_line

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 256 * 2**20  # bytes; a batch of 1024 photographs in base64
logger = logging.getLogger(__name__)


class _TooLargeError(Exception):
    """The body of a request is larger than allowed."""


class RequestLimits:
    """ASGI middleware that answers a body too large with 413, and one that cannot be read with 400."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.datastructures import Headers
        from starlette.responses import PlainTextResponse

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received, answered = 0, False

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise _TooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            if scope["method"] == "POST" and "content-type" not in Headers(scope=scope):
                reason = "the request lacks the header Content-Type; send JSON as application/json"
                await PlainTextResponse(reason, 400)(scope, receive, send)
                return
            await self.app(scope, bounded, noted)
        except _TooLargeError:
            reason = f"a request must be at most {LARGEST_BODY >> 20} MB; send the images in several requests"
            await PlainTextResponse(reason, 413)(scope, receive, send)
        # Json, NumPy, pandas and pyarrow raise many kinds of errors on hostile data, RecursionError among them; MLflow
        # itself takes every error of a model for one of its input.
        except Exception as error:
            if answered:
                raise
            logger.warning("a request cannot be read: %s", named_line(error))
            reason = f"the request cannot be read as images: {named_line(error)}"
            await PlainTextResponse(reason, 400)(scope, receive, send)
