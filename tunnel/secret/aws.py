"""Secrets in AWS Secrets Manager. boto3 is imported only here, and only when asked: it is no dependency."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from tunnel.errors import TunnelError


class Client(Protocol):
    """The one call of boto3's ``secretsmanager`` client that is used."""

    def get_secret_value(self, *, SecretId: str) -> Mapping[str, object]:
        """``SecretString`` or ``SecretBinary``."""
        ...


class AWSSecretsManager:
    """The secret of a name or ARN, its current version."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self, name: str) -> bytes:
        """The secret's text in UTF-8, or its octets. Raises TunnelError."""
        try:
            answer = self._client.get_secret_value(SecretId=name)
        except Exception as error:  # boto3 makes its errors' classes at run time
            raise TunnelError(f"Secrets Manager did not give {name!r}: {type(error).__name__}") from error
        match answer:
            case {"SecretString": str(text)}:
                return text.encode()
            case {"SecretBinary": bytes(octets)}:
                return octets
        raise TunnelError(f"the secret {name!r} is empty")


def secrets_manager(region: str | None) -> AWSSecretsManager:
    """With the task role's credentials, in ``region`` or the one configured. Raises TunnelError."""
    try:
        boto3 = import_module("boto3")
    except ImportError:
        raise TunnelError("secrets from aws: need boto3, which is not installed here") from None
    return AWSSecretsManager(cast(Client, boto3.client("secretsmanager", region_name=region)))
