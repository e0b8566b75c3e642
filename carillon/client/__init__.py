"""The Python client: the session of `carillon.protocol` on an asyncio loop and a picows socket."""

from carillon.client.inbox_client import InboxClient, TokenProvider
from carillon.client.state_file import StateFile

__all__ = ["InboxClient", "StateFile", "TokenProvider"]
