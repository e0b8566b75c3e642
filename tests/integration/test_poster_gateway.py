"""The poster and the gateway understand each other: frames arrive, ghosts are gone, sockets close."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed

from carillon.adapters.apigateway import CallbackPoster
from carillon.adapters.apigateway.credentials import Credentials
from carillon.config import CallbackSettings
from carillon.ports import Lease, Post, PostReport
from tests.integration.gateway.harness import UNKNOWN_ID, client, id_of, run, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.server import Gateway


class Open:
    def lease(self, want: int) -> Lease:
        return Lease(want, 0.0)


@asynccontextmanager
async def poster_to(gateway: Gateway) -> AsyncIterator[CallbackPoster]:
    poster = CallbackPoster(
        CallbackSettings(endpoint=f"http://127.0.0.1:{gateway.callback_port}/local"),
        region="us-east-1",
        credentials=lambda: Credentials("AKIDEXAMPLE", "secret"),
    )
    try:
        yield poster
    finally:
        poster.shutdown()


async def send(poster: CallbackPoster, posts: Sequence[Post]) -> PostReport:
    return await asyncio.to_thread(poster.post, posts, Open(), 10.0)


def test_frames_reach_their_sockets_and_ghosts_are_gone() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as one, client(gateway) as two, poster_to(gateway) as poster:
            ids = [await id_of(one), await id_of(two)]
            report = await send(
                poster, [Post(ids[0], "für dich".encode()), Post(UNKNOWN_ID, b"ghost"), Post(ids[1], b"second")]
            )
            assert sorted(report.sent) == sorted(ids)
            assert (report.gone, report.failed) == ((UNKNOWN_ID,), {})
            assert (await one.recv(), await two.recv()) == ("für dich", "second")

    run(scenario())


def test_a_frame_too_large_is_told_apart() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, poster_to(gateway) as poster:
            connection_id = await id_of(ws)
            report = await send(poster, [Post(connection_id, b"x" * (128 * 1024 + 1))])
            assert report.failed == {connection_id: "too_large"}

    run(scenario())


def test_closed_sockets_are_closed() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, poster_to(gateway) as poster:
            await asyncio.to_thread(poster.close, [await id_of(ws), UNKNOWN_ID])
            with pytest.raises(ConnectionClosed):
                await ws.recv()

    run(scenario())
