"""Alerts: when a budget has reached something, who is to be told, and that they are told."""

from models.alerts.channels import (
    AlertChannels,
    Channel,
    ChannelKind,
    ChannelStore,
    InMemoryChannelStore,
    OpsChannel,
    PostgresChannelStore,
)
from models.alerts.delivery import AlertDelivery
from models.alerts.log import PostgresEventLog
from models.alerts.mail import MailSender, MailServer
from models.alerts.outbox import Outbox
from models.alerts.scan import AlertScan
from models.alerts.sending import Sender, Undelivered
from models.alerts.webhook import WebhookSender, signature, webhook_secret

__all__ = [
    "AlertChannels",
    "AlertDelivery",
    "AlertScan",
    "Channel",
    "ChannelKind",
    "ChannelStore",
    "InMemoryChannelStore",
    "MailSender",
    "MailServer",
    "OpsChannel",
    "Outbox",
    "PostgresChannelStore",
    "PostgresEventLog",
    "Sender",
    "Undelivered",
    "WebhookSender",
    "signature",
    "webhook_secret",
]
