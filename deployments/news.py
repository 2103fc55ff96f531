"""How replicas hear of conversations that others have changed."""

from deployments.settings import Environment
from models.conversations import ConversationNews, connect_news


def conversation_news(environment: Environment) -> ConversationNews | None:
    """None without Redis: nobody is told then, and reads ask PostgreSQL in any case."""
    url = environment.redis_url
    return None if url is None else ConversationNews(connect_news(url.get_secret_value()))


def not_told(conversation_id: str, version: int) -> None:
    del conversation_id, version
