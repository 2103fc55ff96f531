"""Which fields the providers know and which models they list, as of November 2026.

Read from the types of the openai 3.54, anthropic 2.12 and google-genai 3.4 SDKs.
"""


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


OPENAI_MODELS = _list("""
    gpt-6.1-sol gpt-6-sol gpt-6-luna gpt-6-astra gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-5.5
    gpt-5.5-pro gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.1 gpt-5 gpt-5-mini gpt-5-nano gpt-4.1
    gpt-4.1-mini gpt-4.1-nano gpt-4o gpt-4o-mini o3 o4-mini text-embedding-3-small
    text-embedding-3-large
""")

CHAT_FIELDS = _names("""
    messages model audio frequency_penalty function_call functions logit_bias logprobs
    max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction
    presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort
    response_format safety_identifier seed service_tier stop store stream stream_options temperature
    tool_choice tools top_logprobs top_p user verbosity web_search_options
""")

CHAT_MESSAGE_FIELDS = _names("""
    role content name tool_calls tool_call_id refusal function_call audio annotations
""")

RESPONSES_FIELDS = _names("""
    access_programs background background_options context_management conversation image include
    input instructions max_output_tokens max_tool_calls metadata model moderation
    parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options
    temperature text tool_choice tools top_logprobs top_p truncation user
""")

ANTHROPIC_MODELS = _list("""
    claude-fable-5-2 claude-mythos-5-2 claude-opus-5-5 claude-sonnet-5-5 claude-haiku-5-5
    claude-fable-5-1 claude-opus-5 claude-sonnet-5 claude-opus-4-8 claude-opus-4-7 claude-opus-4-6
    claude-sonnet-4-6 claude-opus-4-5 claude-sonnet-4-5 claude-haiku-4-5
""")

MESSAGES_FIELDS = _names("""
    cache_control container context_management diagnostics inference_geo max_tokens mcp_servers
    messages metadata model output_config service_tier speed stop_sequences stream system
    temperature thinking tool_choice tools top_k top_p user_profile_id workspace_id
""")

MESSAGES_TOOL_FIELDS = _names("""
    type name description input_schema cache_control strict defer_loading allowed_callers
    input_examples eager_input_streaming
""")

GOOGLE_MODELS = _list("""
    gemini-3.8-flash gemini-3.7-flash gemini-3.6-flash gemini-3.5-flash gemini-3.5-flash-lite
    gemini-3.1-pro-preview gemini-3.1-flash-lite gemini-2.5-pro gemini-2.5-flash
    gemini-2.5-flash-lite gemini-embedding-001 gemini-embedding-2
""")

GENERATE_FIELDS = _names("""
    model contents systemInstruction tools toolConfig generationConfig safetySettings cachedContent
    labels serviceTier store generateContentRequest
""")

GENERATE_CONFIG_FIELDS = _names("""
    audioTimestamp candidateCount enableAffectiveDialog enableEnhancedCivicAnswers frequencyPenalty
    imageConfig logprobs maxOutputTokens mediaResolution modelSelectionConfig presencePenalty
    responseFormat responseJsonSchema responseLogprobs responseMimeType responseModalities
    responseSchema routingConfig seed speechConfig stopSequences temperature thinkingConfig topK
    topP translationConfig
""")

GENERATE_SCHEMA_FIELDS = _names("""
    type format title description nullable enum maxItems minItems properties required minProperties
    maxProperties minLength maxLength pattern example anyOf propertyOrdering default items minimum
    maximum additionalProperties ref defs
""")

PART_DATA_FIELDS = _names("""
    text inlineData fileData functionCall functionResponse executableCode codeExecutionResult
    toolCall toolResponse
""")
