"""The WebSocket API, its functions, and the lanes' consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk

from carillon.config import CallbackSettings, environment
from carillon.model import Lane
from stacks.parts.consumer import LaneConsumer, feed
from stacks.parts.function import ProductFunction
from stacks.parts.rollout import Rollout
from stacks.parts.socket_domain import SocketDomain
from stacks.parts.websocket import WebSocket
from stacks.queues import DEAD_LETTER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_iam as iam
    from constructs import Construct

    from stacks.data import DataStack
    from stacks.identity import IdentityStack
    from stacks.network import NetworkStack
    from stacks.queues import QueuesStack
    from stacks.stage import Stage

CONNECT_S: Final = 10
"""A database that is away is known after 5 s, the issuer's keys after as long; API Gateway waits 29 s at most."""
FRAME_S: Final = 15
"""A `switch` asks the database several times; the client gives up on a frame after 30 s."""
SOCKET_MB: Final = 1_024
"""Somebody waits for the answer, on a cold start as well: 0.6 of a core."""
QUIET_MB: Final = 512
"""Nobody waits."""
DEAD_LETTER_CONCURRENCY: Final = 2
"""Of each lane's dead letters: they may wait, and must not take the database from the living. 2 is Lambda's least."""


class RealtimeStack(cdk.Stack):
    """What holds the sockets and what posts to them, in one Region.

    Attributes:
        api: the WebSocket API.
        web_stage: its one stage.
        websocket_url: where clients connect.
        callback_endpoint: where `@connections` is.
        functions: behind the routes and the dead letters: `connect`, `disconnect`, `frame`, `dead_letter`.
        consumers: by lane.
        scaling: of the consumers' warm environments, by lane.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        data: DataStack,
        queues: QueuesStack,
        identity: IdentityStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._stage, self._network = stage, network
        self._socket = WebSocket(self, "Sockets", stage=stage)
        self.api, self.web_stage = self._socket.api, self._socket.web_stage
        self.websocket_url = stage.websocket_url or stage.socket_url or self.web_stage.url
        if stage.socket_domain:
            SocketDomain(self, "SocketDomain", stage=stage, web_stage=self.web_stage)
        cdk.CfnOutput(self, "WebSocketUrl", value=self.websocket_url, description="Where phones connect")
        self.callback_endpoint = stage.callback_endpoint or self.web_stage.callback_url
        stores = {**data.settings(), **queues.settings(), **self.settings()}
        self.functions: Mapping[str, ProductFunction] = self._functions(stores, {**stores, **identity.settings()})
        lanes = {lane: self._lane(lane, queues, stores) for lane in Lane}
        self.consumers: Mapping[Lane, ProductFunction] = {lane: made.function for lane, made in lanes.items()}
        self.scaling = {lane: made.scaling for lane, made in lanes.items()}
        self._route()
        self._grant(data, queues)
        self._feed_dead_letters(queues)
        self._roll_out(data)

    def settings(self) -> dict[str, str]:
        """What a door is told about reaching phones."""
        return environment(
            CallbackSettings,
            endpoint=self.callback_endpoint,
            rate=str(self._stage.callback_rps),
            burst=str(self._stage.callback_burst),
        )

    def grant_post(self, grantee: iam.IGrantable) -> None:
        """Let it send to this Region's sockets, and close them."""
        self._socket.grant_post(grantee)

    def _functions(self, stores: Mapping[str, str], checks_tokens: Mapping[str, str]) -> dict[str, ProductFunction]:
        def function(
            construct_id: str, handler: str, settings: Mapping[str, str], timeout_s: int, memory_mb: int
        ) -> ProductFunction:
            return ProductFunction(
                self,
                construct_id,
                stage=self._stage,
                handler=f"lambdas.{handler}.handler",
                environment=settings,
                network=self._network,
                timeout_s=timeout_s,
                memory_mb=memory_mb,
            )

        return {
            "connect": function("Connect", "connect", checks_tokens, CONNECT_S, SOCKET_MB),
            "disconnect": function("Disconnect", "disconnect", stores, CONNECT_S, QUIET_MB),
            "frame": function("Frame", "frame", checks_tokens, FRAME_S, SOCKET_MB),
            "dead_letter": function("DeadLetter", "dead_letter", stores, DEAD_LETTER_S, QUIET_MB),
        }

    def _lane(self, lane: Lane, queues: QueuesStack, settings: Mapping[str, str]) -> LaneConsumer:
        return LaneConsumer(
            self,
            lane.word.capitalize(),
            stage=self._stage,
            lane=lane,
            queue=queues.lanes[lane].queue,
            environment=settings,
            network=self._network,
        )

    def _route(self) -> None:
        self._socket.add_function("$connect", self.functions["connect"])
        self._socket.add_function("$disconnect", self.functions["disconnect"])
        self._socket.add_function("$default", self.functions["frame"], answers=True)

    def _grant(self, data: DataStack, queues: QueuesStack) -> None:
        for made in (*self.functions.values(), *self.consumers.values()):
            data.grant_stores(made.function)
        for lane, consumer in self.consumers.items():
            queues.grant_consume(lane, consumer.function)
            self.grant_post(consumer.function)
        queues.grant_dead_letters(self.functions["dead_letter"].function)

    def _feed_dead_letters(self, queues: QueuesStack) -> None:
        for lane, pair in queues.lanes.items():
            feed(
                self.functions["dead_letter"],
                f"{lane.word.capitalize()}DeadLetters",
                pair.dead_letters,
                max_concurrency=DEAD_LETTER_CONCURRENCY,
            )

    def _roll_out(self, data: DataStack) -> None:
        rollout = Rollout(self, "Rollout", stage=self._stage)
        for made in (*self.functions.values(), *self.consumers.values()):
            rollout.add(made)
            made.node.add_dependency(data.migrated)
