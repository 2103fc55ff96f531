"""A mail server in this process: takes what it is given, with or without TLS and a password."""

import asyncio
import base64
import ssl
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from types import TracebackType
from typing import Self, cast


class MailDrop:
    """`mails` are sender, recipients and message. `refuse` answers a command with another code."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        password: str | None = None,
        refuse: dict[str, str] | None = None,
        mute: bool = False,
    ) -> None:
        self.mails: list[tuple[str, list[str], EmailMessage]] = []
        self.raw: list[bytes] = []
        self.logins: list[str] = []
        self._tls = tls
        self._implicit = implicit
        self._password = password
        self._refuse = refuse or {}
        self._mute = mute
        self._server: asyncio.Server | None = None
        self._left = asyncio.Event()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        tls = self._tls if self._implicit else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._left.set()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._mute:
                await self._left.wait()
            else:
                await self._talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, recipients = "", list[str]()
        writer.write(b"220 drop\r\n")
        while line := (await reader.readline()).decode().strip():
            command, _, rest = line.partition(" ")
            answer = self._refuse.get(command.upper(), "250 ok")
            match command.upper():
                case "EHLO":
                    offers = ["drop", "AUTH PLAIN", *(["STARTTLS"] if self._tls else [])]
                    *others, last = offers
                    answer = "".join(f"250-{offer}\r\n" for offer in others) + f"250 {last}"
                case "STARTTLS":
                    writer.write(b"220 go on\r\n")
                    await writer.start_tls(cast("ssl.SSLContext", self._tls))
                    continue
                case "AUTH":
                    given = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
                    self.logins.append(given[1])
                    answer = "235 ok" if given[2] == self._password else "535 no"
                case "MAIL":
                    sender, recipients = rest.partition(":")[2].split()[0].strip("<>"), []
                case "RCPT":
                    recipients.append(rest.partition(":")[2].strip("<> "))
                case "DATA" if command.upper() not in self._refuse:
                    writer.write(b"354 go on\r\n")
                    raw = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                    self.raw.append(raw)
                    message = BytesParser(EmailMessage, policy=default).parsebytes(raw)
                    self.mails.append((sender, recipients, message))
                case "QUIT":
                    writer.write(b"221 bye\r\n")
                    return
            writer.write(f"{answer}\r\n".encode())
