"""Whether a request is signed the way AWS wants it: the shape of Signature Version 4, not the signature itself."""

import re

_AUTHORIZATION = re.compile(
    rb"AWS4-HMAC-SHA256 +"
    rb"Credential=[^/, ]+/(\d{8})/[a-z0-9-]+/execute-api/aws4_request, *"
    rb"SignedHeaders=([a-z0-9;-]+), *"
    rb"Signature=[0-9a-f]{64}"
)
_DATE = re.compile(rb"\d{8}T\d{6}Z")


def complaint(authorization: bytes | None, amz_date: bytes | None) -> str | None:
    """Return what is wrong with a request's signature headers, or None when they have the right form.

    Args:
        authorization: The `Authorization` header.
        amz_date: The `X-Amz-Date` header.
    """
    if authorization is None:
        return "Missing Authentication Token"
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        return (
            "Authorization header requires 'Credential' with the scope <date>/<region>/execute-api/aws4_request, "
            "'SignedHeaders' and 'Signature' of 64 hex digits"
        )
    if amz_date is None or _DATE.fullmatch(amz_date) is None:
        return "Authorization header requires existence of an 'X-Amz-Date' header such as 20260912T101500Z"
    if amz_date[:8] != match[1]:
        return "Date in Credential scope does not match YYYYMMDD from 'X-Amz-Date'"
    if b"host" not in match[2].split(b";"):
        return "'Host' must be a 'SignedHeader' in the AWS Authorization"
    return None
