"""API Gateway's `@connections` API: signing and posting, without the AWS SDK (it alone costs a cold start 0.4 s)."""

from carillon.adapters.apigateway.poster import CallbackPoster

__all__ = ["CallbackPoster"]
