"""What a setting may be beside a text or a number: a choice, or something for each lane."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Self

from carillon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


class DatabaseAuth(StrEnum):
    """How PostgreSQL knows us."""

    PASSWORD = "password"  # noqa: S105 - a way, no secret
    IAM = "iam"


class ValkeyAuth(StrEnum):
    """How Valkey knows us."""

    URL = "url"
    IAM = "iam"


class LaneUrls(str):
    """Queue URLs by lane, in the environment as `critical=URL high=URL normal=URL low=URL`."""

    __slots__ = ("_urls",)
    _urls: dict[str, str]

    def __new__(cls, text: str = "") -> Self:
        """Take the URLs apart; ValueError when a word is no `lane=URL`."""
        whole = super().__new__(cls, text)
        whole._urls = dict(_pair(word) for word in text.split())
        return whole

    @classmethod
    def of(cls, urls: Mapping[str, str]) -> Self:
        """From lane to URL."""
        return cls(" ".join(f"{lane}={url}" for lane, url in urls.items()))

    @property
    def lanes(self) -> list[str]:
        """The lanes that have one."""
        return list(self._urls)

    def url(self, lane: str) -> str:
        """A lane's queue.

        Raises:
            ConfigError: none is set.
        """
        if lane not in self._urls:
            raise ConfigError(f"no queue URL is set for the lane {lane}; docs/CONFIG.md says where")
        return self._urls[lane]

    def lane(self, queue_name: str) -> str | None:
        """The lane whose queue has that name, the last part of its URL; None when none has."""
        return next((lane for lane, url in self._urls.items() if url.rsplit("/", 1)[-1] == queue_name), None)


class LaneSizes(LaneUrls):
    """Numbers by lane, in the same form; a lane may be missing."""

    __slots__ = ()

    def __new__(cls, text: str = "") -> Self:
        """Take the numbers apart; ValueError when a word is no `lane=number`."""
        whole = super().__new__(cls, text)
        for size in whole._urls.values():
            int(size)
        return whole

    def size(self, lane: str) -> int | None:
        """A lane's number, or None."""
        return int(self._urls[lane]) if lane in self._urls else None


def _pair(word: str) -> tuple[str, str]:
    lane, sign, url = word.partition("=")
    if not (lane and sign and url):
        raise ValueError(word)
    return lane, url
