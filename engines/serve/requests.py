"""What clients send, parsed once: OpenAI's completions and chat completions.

A parameter that would change the answer and that we cannot honour is an error, not ignored.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from engines.serve.defaults import Defaults
from engines.tokenizer import Tokenizer
from landfall.errors import InvalidInput
from landfall.model.parsing import problems_of
from landfall.render import render_text

DEFAULT_COMPLETION_TOKENS = 16
"""OpenAI's default for completions; in a chat it is the model's, or what room there is."""

MAX_STOPS = 4
"""OpenAI's bound on stop words."""
MAX_LOGPROBS, MAX_CHAT_LOGPROBS = 5, 20
"""OpenAI's bounds on how many likely tokens are told, for completions and for chats."""

Body = TypeVar("Body", bound="CommonBody")


class BadRequest(Exception):
    """An answer with an error in OpenAI's form."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {"message": message, "type": kind, "param": param, "code": code}


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A request that can be carried out. `ids` and `max_tokens` fit the engine together.

    `top_logprobs` is how many likely tokens to tell with each; None for no chances at all.
    """

    ids: tuple[int, ...]
    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    seed: int | None
    stops: tuple[str, ...]
    top_logprobs: int | None
    cache_salt: str
    stream: bool
    include_usage: bool


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StreamOptions(_Strict):
    """How to stream."""

    include_usage: bool = False
    include_obfuscation: bool = False


class CommonBody(_Strict):
    """What both kinds of request have in common. Those of type Any have no influence."""

    model: str
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | list[str] | None = None
    n: Literal[1] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    cache_salt: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    prompt_cache_key: Any = None
    safety_identifier: Any = None
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None

    @field_validator("stop")
    @classmethod
    def _some(cls, value: str | list[str] | None) -> str | list[str] | None:
        words = [value] if isinstance(value, str) else value or []
        if len(words) > MAX_STOPS or not all(words):
            raise ValueError(f"at most {MAX_STOPS} stop words, none of them empty")
        return value

    @property
    def limit(self) -> int | None:
        """The longest answer that the client wants."""
        return self.max_tokens

    @property
    def chances(self) -> int | None:
        """How many likely tokens to tell with each token; None for no chances at all."""
        return None


class CompletionBody(CommonBody):
    """POST /v1/completions."""

    prompt: str | list[int]
    logprobs: Annotated[int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None

    @property
    def chances(self) -> int | None:
        """As asked for."""
        return self.logprobs


class TextFormat(_Strict):
    """The form of an answer; there is only text."""

    type: Literal["text"]


class TextPart(_Strict):
    """A part of a message; there is only text."""

    type: Literal["text"]
    text: str


class Message(_Strict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class ChatBody(CommonBody):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_CHAT_LOGPROBS)] | None = None
    response_format: TextFormat | None = None

    @field_validator("top_logprobs")
    @classmethod
    def _together(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and "logprobs" in info.data and not info.data["logprobs"]:
            raise ValueError("needs logprobs to be true")
        return value

    @property
    def chances(self) -> int | None:
        """As asked for."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def limit(self) -> int | None:
        """The longest answer that the client wants, by its newer name or its older one."""
        return self.max_completion_tokens or self.max_tokens


def parse(kind: type[Body], content: bytes, *, served: str) -> Body:
    """The body of a request.

    Raises:
        BadRequest: it is not JSON, has unknown or wrong parameters, or asks for another model.
    """
    try:
        body = kind.model_validate_json(content)
    except ValidationError as error:
        raise _wrong(error, kind) from error
    if body.model != served:
        raise BadRequest(
            f"the model {body.model!r} is not served here; {served!r} is",
            status=404,
            param="model",
            code="model_not_found",
        )
    return body


def prompt_ids(body: CommonBody, tokenizer: Tokenizer, template: str, vocabulary: int) -> list[int]:
    """The tokens of the prompt or of the conversation.

    Raises:
        BadRequest: there are none, or a token is not in the vocabulary.
    """
    if isinstance(body, ChatBody):
        return _chat_ids(body.messages, tokenizer, template)
    assert isinstance(body, CompletionBody)  # there are two kinds
    ids = body.prompt if isinstance(body.prompt, list) else tokenizer.encode(body.prompt)
    if not ids:
        raise BadRequest("the prompt is empty", param="prompt")
    if min(ids) < 0 or max(ids) >= vocabulary:
        raise BadRequest(f"token ids must be from 0 to {vocabulary - 1}", param="prompt")
    return ids


def generation(
    body: CommonBody, ids: Sequence[int], defaults: Defaults, *, room: int, longest: int
) -> Generation:
    """The request, where it fits: `room` tokens in all, answers of at most `longest`.

    Raises:
        BadRequest: it does not; says the numbers.
    """
    left = room - len(ids)
    usual = defaults.max_tokens or longest
    if isinstance(body, CompletionBody):
        usual = DEFAULT_COMPLETION_TOKENS
    wanted = body.limit or max(1, min(usual, left, longest))
    if wanted > left:
        raise BadRequest(
            f"the engine holds {room} tokens; the prompt has {len(ids)} and the answer may have"
            f" {wanted}, together {len(ids) + wanted}",
            param="messages" if isinstance(body, ChatBody) else "prompt",
            code="context_length_exceeded",
        )
    if wanted > longest:
        raise BadRequest(
            f"answers have at most {longest} tokens here, not {wanted}", param="max_tokens"
        )
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    options = body.stream_options or StreamOptions()
    return Generation(
        ids=tuple(ids),
        max_tokens=wanted,
        temperature=defaults.temperature if body.temperature is None else body.temperature,
        top_p=defaults.top_p if body.top_p is None else body.top_p,
        top_k=defaults.top_k if body.top_k is None else body.top_k,
        seed=None if body.seed is None else body.seed % 2**64,
        stops=tuple(stops),
        top_logprobs=body.chances,
        cache_salt=body.cache_salt or "",
        stream=body.stream,
        include_usage=options.include_usage,
    )


def _chat_ids(messages: Sequence[Message], tokenizer: Tokenizer, template: str) -> list[int]:
    guard = f"\ufdd0{secrets.token_hex(8)}\ufdd0"
    turns = [
        {"role": each.role, "content": tokenizer.shield(each.text, guard)} for each in messages
    ]
    try:
        text = render_text(template, {"messages": turns, "add_generation_prompt": True})
    except InvalidInput as error:
        raise BadRequest(
            "the model's chat template does not take this conversation", param="messages"
        ) from error
    ids = tokenizer.encode_marked(text, guard=guard)
    if not ids:
        raise BadRequest("the conversation is empty", param="messages")
    return ids


def _wrong(error: ValidationError, kind: type[BaseModel]) -> BadRequest:
    found = error.errors()
    said = []
    for each, problem in zip(found, problems_of(error, kind), strict=True):
        # Our usual words quote the input, and that may be a prompt.
        quotes = each["type"] not in {"extra_forbidden", "missing", "value_error"}
        message = each["msg"] if quotes else problem.message
        said.append(f"{problem.path}: {message}" if problem.path else message)
    param = ".".join(str(part) for part in found[0]["loc"]) or None
    return BadRequest("; ".join(said), param=param)
