"""The provider's prompt cache: the key that routes requests with the same prefix to the same cache."""

from __future__ import annotations

from assay.guards.keys import keyed_hash

KEY_PURPOSE = "prompt_cache_key"
"""What the keyed hash is for; the parameter that carries it is the dialect's."""
KEY_CHARACTERS = 32


def prompt_cache_key(hash_key: bytes, *, task: str, inference_version: str, tenant_id: str) -> str:
    """The value of `prompt_cache_key`: equal for requests with the same prefix, different between tenants.

    A keyed hash, so that the provider learns neither the task's name nor the tenant's.
    """
    return keyed_hash(hash_key, KEY_PURPOSE, task, inference_version, tenant_id)[:KEY_CHARACTERS]
