"""The HTTP surface, as one ASGI application that knows nothing of Ray."""
