"""The description of the whole HTTP surface, which `GET /openapi.json` answers."""

from deployments.api.openapi.document import completed

__all__ = ["completed"]
