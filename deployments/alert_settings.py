"""What can be set of alerts, and the parts that are made from it."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.alerts import (
    AlertChannels,
    AlertDelivery,
    AlertScan,
    ChannelKind,
    MailSender,
    MailServer,
    OpsChannel,
    Outbox,
    PostgresChannelStore,
    PostgresEventLog,
    Sender,
    WebhookSender,
)
from models.alerts.channels import check_target
from models.alerts.mail import Security, check_email
from models.errors import InvalidRequest
from models.events import Severity
from models.net import Egress
from models.store import Database


class MailSettings(BaseModel):
    """The server that mail is handed to; its password is `POLYVOX_SMTP_PASSWORD` in the environment."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65_535)
    security: Security = "starttls"
    sender: str
    username: str | None = None
    timeout_s: PositiveFloat = Field(default=10.0, le=15.0)
    """For each answer of the server."""

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if self.username is not None and self.security == "none":
            raise ValueError("a password is not sent in the clear: set `security`")
        try:
            check_email(self.sender)
        except InvalidRequest as error:
            raise ValueError(f"sender: {error.message}") from None
        return self


class OpsChannelSettings(BaseModel):
    """Told of every tenant's events from `min_severity` on, and of those of the whole installation."""

    model_config = ConfigDict(extra="forbid")

    kind: ChannelKind
    target: str
    min_severity: Severity = "warning"


class AlertSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ops: tuple[OpsChannelSettings, ...] = Field(default=(), max_length=20)
    ops_tenant: str = "default"
    """The name of the tenant whose administrators see the events of the whole installation."""
    mail: MailSettings | None = None
    allow_http: bool = False
    """Webhooks without TLS."""
    allow_private: bool = False
    """Webhooks to this machine and to private networks."""
    connect_timeout_s: PositiveFloat = Field(default=5.0, le=15.0)
    total_timeout_s: PositiveFloat = Field(default=10.0, le=30.0)
    """For one webhook."""

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        for channel in self.ops:
            if channel.kind == "email" and self.mail is None:
                raise ValueError("ops: an e-mail channel takes `mail`")
            try:
                check_target(channel.kind, channel.target, self.egress())
            except InvalidRequest as error:
                raise ValueError(f"ops: {error.message}") from None
        return self

    def egress(self) -> Egress:
        return Egress(allow_http=self.allow_http, allow_private=self.allow_private)

    def event_log(self, database: Database) -> PostgresEventLog:
        return PostgresEventLog(database, ops=self._ops(), ops_tenant=self.ops_tenant)

    def channels(self, database: Database, *, pepper: bytes) -> AlertChannels:
        mail = self.mail is not None
        return AlertChannels(PostgresChannelStore(database), pepper=pepper, egress=self.egress(), mail=mail)

    def scan(self, database: Database) -> AlertScan:
        return AlertScan(database, ops=self._ops())

    def delivery(self, database: Database, *, pepper: bytes) -> AlertDelivery:
        """Reads the password of the mail server."""
        webhooks = WebhookSender(
            pepper,
            egress=self.egress(),
            connect_timeout_s=self.connect_timeout_s,
            total_timeout_s=self.total_timeout_s,
        )
        senders: dict[ChannelKind, Sender] = {"webhook": webhooks}
        if self.mail is not None:
            senders["email"] = MailSender(_server(self.mail, AlertEnvironment().smtp_password))
        return AlertDelivery(Outbox(database, ops=self._ops()), senders)

    def _ops(self) -> list[OpsChannel]:
        return [OpsChannel(kind=c.kind, target=c.target, min_severity=c.min_severity) for c in self.ops]


class AlertEnvironment(BaseSettings):
    """Read where it is needed, in a replica; never sent through Ray."""

    model_config = SettingsConfigDict(env_prefix="POLYVOX_", extra="ignore")

    smtp_password: SecretStr | None = None


def _server(mail: MailSettings, password: SecretStr | None) -> MailServer:
    return MailServer(
        host=mail.host,
        port=mail.port,
        security=mail.security,
        sender=mail.sender,
        username=mail.username,
        password=None if password is None else password.get_secret_value(),
        timeout_s=mail.timeout_s,
    )
