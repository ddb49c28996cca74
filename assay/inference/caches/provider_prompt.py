"""The key for the provider's prompt cache, which routes requests with the same prefix to the same cache."""

from __future__ import annotations

from assay.guards.keys import keyed_hash

KEY_PURPOSE = "prompt_cache_key"
"""Purpose of the keyed hash; the dialect chooses the request parameter that contains the key."""
KEY_CHARACTERS = 32


def prompt_cache_key(hash_key: bytes, *, task: str, inference_version: str, tenant_id: str) -> str:
    """The prompt cache key: equal for requests of a tenant with the same prefix, different for each tenant.

    It is a keyed hash, so that the provider learns neither the name of the task nor the tenant.
    """
    return keyed_hash(hash_key, KEY_PURPOSE, task, inference_version, tenant_id)[:KEY_CHARACTERS]
