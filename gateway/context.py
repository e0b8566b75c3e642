"""The context object a handler is called with, with the attributes AWS Lambda documents for Python."""

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class LambdaContext:
    """What a handler may ask about its own invocation.

    Attributes:
        function_name: The module that holds the handler, such as `connect`.
        aws_request_id: The id of this invocation.
        timeout_s: Seconds the invocation was given.
    """

    function_name: str
    aws_request_id: str
    timeout_s: float
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 512
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None
    _started_s: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        """Return an ARN of the documented form, in an account that cannot exist."""
        return f"arn:aws:lambda:us-east-1:000000000000:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        """Return the log group Lambda would write to."""
        return f"/aws/lambda/{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before the invocation is cut off, never below 0."""
        spent_s = time.monotonic() - self._started_s
        return max(0, int((self.timeout_s - spent_s) * 1000))
