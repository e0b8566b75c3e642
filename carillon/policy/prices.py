"""What AWS charges for a unit, in USD: on demand, us-east-1, 2026-11, free tiers left out.

The cost report's list (stacks/cost/prices.json) has the same figures and more; a test holds the two equal.
"""

from __future__ import annotations

from typing import Final

FARGATE_CORE_H: Final = 0.03238
FARGATE_GB_H: Final = 0.00356
"""Both arm64."""
PROVISIONED_GB_S: Final = 0.0000033334
FUNCTION_GB_S: Final = 0.0000133334
"""Both arm64."""
FUNCTION_CALL: Final = 0.20e-6
AURORA_ACU_H: Final = 0.12
PROXY_ACU_H: Final = 0.015
AURORA_IO: Final = 0.20e-6
SOCKET_MESSAGE: Final = 1.00e-6
"""API Gateway, of up to 32 KB, either way."""
SOCKET_MINUTE: Final = 0.25e-6
"""That a connection is open."""
QUEUE_REQUEST: Final = 0.50e-6
"""SQS FIFO."""
LOG_GB: Final = 0.50

GB_PER_CORE: Final = 2
"""Memory of an API task (stacks/stage.py)."""
CONSUMER_GB: Final = 1_769 / 1024
"""Memory of a consumer (stacks/parts/consumer.py)."""

CORE_H: Final = FARGATE_CORE_H + GB_PER_CORE * FARGATE_GB_H
"""An API task's core with its memory."""
WARM_H: Final = 3600 * CONSUMER_GB * PROVISIONED_GB_S
"""A consumer kept warm."""
ACU_H: Final = AURORA_ACU_H + PROXY_ACU_H
"""Aurora Serverless v2 and the proxy before it."""
