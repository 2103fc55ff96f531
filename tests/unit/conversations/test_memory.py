"""Conversations in memory do what those in PostgreSQL do."""

from uuid import uuid4

import pytest

from models.conversations import ConversationStore, InMemoryConversations, Owner
from tests.unit.conversations.specification import Specification


class TestInMemoryConversations(Specification):
    @pytest.fixture
    async def store(self) -> ConversationStore:
        return InMemoryConversations()

    @pytest.fixture
    async def people(self) -> dict[str, Owner]:
        acme, other = str(uuid4()), str(uuid4())
        return {
            "ann": Owner(acme, str(uuid4())),
            "bob": Owner(acme, str(uuid4())),
            "eve": Owner(other, str(uuid4())),
            "root": Owner(acme),
        }
