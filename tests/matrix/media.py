"""Features of pictures, documents and sound."""

from typing import Any

from tests.matrix.feature import Feature, Json, cells, refused

_PNG = "iVBORw0KGgo="
_PDF = "JVBERi0xLjQK"
_WAV = "UklGRg=="
_PICTURE_URL = "https://example.com/louvre.png"
_PDF_URL = "https://example.com/louvre.pdf"


def _chat(part: Json) -> Json:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]}


def _responses(part: Json) -> Json:
    return {"input": [{"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, part]}]}


_messages = _chat


def _gemini(part: Json) -> Json:
    return {"contents": [{"role": "user", "parts": [{"text": "What is it?"}, part]}]}


def _source(kind: str, **source: Any) -> Json:
    return _messages({"type": kind, "source": source})


def _url(url: str) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


_OPENAI_PDF = {"filename": "louvre.pdf", "file_data": f"data:application/pdf;base64,{_PDF}"}

PICTURE = Feature(
    name="picture, as data",
    asked={
        "chat": _chat(_url(f"data:image/png;base64,{_PNG}")),
        "responses": _responses({"type": "input_image", "image_url": f"data:image/png;base64,{_PNG}"}),
        "messages": _source("image", type="base64", media_type="image/png", data=_PNG),
        "gemini": _gemini({"inlineData": {"mimeType": "image/png", "data": _PNG}}),
    },
    sent={
        "openai": _chat(_url(f"data:image/png;base64,{_PNG}")),
        "anthropic": _source("image", type="base64", media_type="image/png", data=_PNG),
        "google": _gemini({"inlineData": {"mimeType": "image/png", "data": _PNG}}),
    },
)
PICTURE_URL = Feature(
    name="picture, by URL",
    asked={
        "chat": _chat(_url(_PICTURE_URL)),
        "responses": _responses({"type": "input_image", "image_url": _PICTURE_URL}),
        "messages": _source("image", type="url", url=_PICTURE_URL),
        "gemini": _gemini({"fileData": {"mimeType": "image/png", "fileUri": _PICTURE_URL}}),
    },
    sent={
        "openai": _chat(_url(_PICTURE_URL)),
        "anthropic": _source("image", type="url", url=_PICTURE_URL),
        "google": _gemini({"fileData": {"mimeType": "image/png", "fileUri": _PICTURE_URL}}),
    },
    remark="the provider fetches it",
)
PDF = Feature(
    name="PDF, as data",
    asked={
        "chat": _chat({"type": "file", "file": _OPENAI_PDF}),
        "responses": _responses({"type": "input_file", **_OPENAI_PDF}),
        "messages": _messages(
            {
                "type": "document",
                "title": "louvre.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": _PDF},
            }
        ),
        "gemini": _gemini(
            {"inlineData": {"mimeType": "application/pdf", "data": _PDF, "displayName": "louvre.pdf"}}
        ),
    },
    sent={
        "openai": _chat({"type": "file", "file": _OPENAI_PDF}),
        "anthropic": _messages(
            {
                "type": "document",
                "title": "louvre.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": _PDF},
            }
        ),
        "google": _gemini({"inlineData": {"mimeType": "application/pdf", "data": _PDF}}),
    },
)
PDF_URL = Feature(
    name="PDF, by URL",
    asked={
        "chat": _chat({"type": "file", "file": {"filename": "louvre.pdf", "file_data": _PDF_URL}}),
        "responses": _responses({"type": "input_file", "file_url": _PDF_URL}),
        "messages": _source("document", type="url", url=_PDF_URL),
        "gemini": _gemini({"fileData": {"mimeType": "application/pdf", "fileUri": _PDF_URL}}),
    },
    sent={
        "openai": _chat({"type": "file", "file": _OPENAI_PDF}),
        "anthropic": _source("document", type="url", url=_PDF_URL),
        "google": _gemini({"fileData": {"mimeType": "application/pdf", "fileUri": _PDF_URL}}),
    },
    remark="the provider fetches it; OpenAI's chat completions cannot: Polyvox does for them",
)
SOUND = Feature(
    name="sound, as data",
    asked={
        "chat": _chat({"type": "input_audio", "input_audio": {"format": "wav", "data": _WAV}}),
        "gemini": _gemini({"inlineData": {"mimeType": "audio/wav", "data": _WAV}}),
    },
    sent={
        "openai": _chat({"type": "input_audio", "input_audio": {"format": "wav", "data": _WAV}}),
        "google": _gemini({"inlineData": {"mimeType": "audio/wav", "data": _WAV}}),
    },
    refused=refused(cells("anthropic")),
)
FILE_ID = Feature(
    name="a file that lies at OpenAI",
    asked={
        "chat": _chat({"type": "file", "file": {"file_id": "file-1"}}),
        "responses": _responses({"type": "input_file", "file_id": "file-1"}),
    },
    sent={"openai": _chat({"type": "file", "file": {"file_id": "file-1"}})},
    refused=refused(cells("anthropic", "google")),
)

FEATURES = (PICTURE, PICTURE_URL, PDF, PDF_URL, SOUND, FILE_ID)
