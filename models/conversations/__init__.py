"""Conversations: kept, forked, searched, told of, and left to expire."""

from models.conversations.conversation import (
    Branch,
    Change,
    Conversation,
    CostTracking,
    ModelRun,
    Owner,
    Place,
    Spent,
    is_id,
)
from models.conversations.embedding import EmbeddingWorker, Lag, PostgresEmbeddingQueue
from models.conversations.history import Histories, History
from models.conversations.meaning import PostgresMeaning
from models.conversations.memory import InMemoryConversations
from models.conversations.message import NewMessage, Producer, StoredMessage, searchable
from models.conversations.news import ConversationNews, connect_news
from models.conversations.planting import NewConversation, new_conversation
from models.conversations.postgres import PostgresConversations
from models.conversations.retention import Retention
from models.conversations.search import Fragment, Hit, Sought, Vector
from models.conversations.store import ConversationStore, Policy
from models.conversations.writing import Fork, Written

__all__ = [
    "Branch",
    "Change",
    "Conversation",
    "ConversationNews",
    "ConversationStore",
    "CostTracking",
    "EmbeddingWorker",
    "Fork",
    "Fragment",
    "Histories",
    "History",
    "Hit",
    "InMemoryConversations",
    "Lag",
    "ModelRun",
    "NewConversation",
    "NewMessage",
    "Owner",
    "Place",
    "Policy",
    "PostgresConversations",
    "PostgresEmbeddingQueue",
    "PostgresMeaning",
    "Producer",
    "Retention",
    "Sought",
    "Spent",
    "StoredMessage",
    "Vector",
    "Written",
    "connect_news",
    "is_id",
    "new_conversation",
    "searchable",
]
