//! Usage in the words of each dialect, and read out of a node.

use super::build::Build;
use super::node::Node;
use crate::dialect::Endpoint;
use crate::scan::Lenient;
use crate::usage::{self, Usage};

/// The usage in a node; what cannot be believed is none, for metering has its own eyes on it.
pub(super) fn read(endpoint: Endpoint, node: Node<'_>) -> Option<Usage> {
    let mut scanner = Lenient::new(node.raw().as_bytes());
    usage::read(endpoint, &mut scanner).ok()?.ok()?
}

/// `usage` of chat completions.
pub(super) fn chat(usage: &Usage, json: &mut Build) {
    json.begin_object().counted("prompt_tokens", usage.input).counted("completion_tokens", usage.output);
    json.counted("total_tokens", usage.input + usage.output);
    json.key("prompt_tokens_details").begin_object().counted("cached_tokens", usage.cached_input);
    if usage.cache_write > 0 {
        json.counted("cache_write_tokens", usage.cache_write);
    }
    json.counted("audio_tokens", usage.audio_input).end_object();
    json.key("completion_tokens_details").begin_object().counted("reasoning_tokens", usage.reasoning);
    json.counted("audio_tokens", usage.audio_output);
    json.counted("accepted_prediction_tokens", usage.accepted_prediction);
    json.counted("rejected_prediction_tokens", usage.rejected_prediction).end_object();
    json.end_object();
}

/// `usage` of responses.
pub(super) fn responses(usage: &Usage, json: &mut Build) {
    json.begin_object().counted("input_tokens", usage.input);
    json.key("input_tokens_details").begin_object().counted("cached_tokens", usage.cached_input);
    if usage.cache_write > 0 {
        json.counted("cache_write_tokens", usage.cache_write);
    }
    json.end_object().counted("output_tokens", usage.output);
    json.key("output_tokens_details").begin_object().counted("reasoning_tokens", usage.reasoning).end_object();
    json.counted("total_tokens", usage.input + usage.output).end_object();
}

/// `usage` of messages, whose classes of input exclude each other.
pub(super) fn messages(usage: &Usage, json: &mut Build) {
    let cached = usage.cached_input + usage.cached_audio;
    let plain = usage.input.saturating_sub(cached).saturating_sub(usage.cache_write);
    json.begin_object().counted("input_tokens", plain).counted("cache_read_input_tokens", cached);
    json.counted("cache_creation_input_tokens", usage.cache_write);
    if usage.cache_write > 0 {
        json.key("cache_creation").begin_object();
        json.counted("ephemeral_5m_input_tokens", usage.cache_write.saturating_sub(usage.cache_write_1h));
        json.counted("ephemeral_1h_input_tokens", usage.cache_write_1h).end_object();
    }
    json.counted("output_tokens", usage.output);
    if usage.reasoning > 0 {
        json.key("output_tokens_details").begin_object().counted("thinking_tokens", usage.reasoning).end_object();
    }
    if usage.web_searches > 0 {
        json.key("server_tool_use").begin_object().counted("web_search_requests", usage.web_searches).end_object();
    }
    json.end_object();
}

/// `usageMetadata` of Gemini's.
pub(super) fn gemini(usage: &Usage, json: &mut Build) {
    let cached = usage.cached_input + usage.cached_audio;
    json.begin_object().counted("promptTokenCount", usage.input);
    if cached > 0 {
        json.counted("cachedContentTokenCount", cached);
    }
    json.counted("candidatesTokenCount", usage.output.saturating_sub(usage.reasoning));
    if usage.reasoning > 0 {
        json.counted("thoughtsTokenCount", usage.reasoning);
    }
    if usage.audio_input > 0 {
        json.key("promptTokensDetails").begin_array().begin_object().texted("modality", "AUDIO");
        json.counted("tokenCount", usage.audio_input).end_object().end_array();
    }
    json.counted("totalTokenCount", usage.input + usage.output).end_object();
}

/// `usage` of Converse, whose classes of input exclude each other.
pub(super) fn bedrock(usage: &Usage, json: &mut Build) {
    let cached = usage.cached_input + usage.cached_audio;
    let plain = usage.input.saturating_sub(cached).saturating_sub(usage.cache_write);
    json.begin_object().counted("inputTokens", plain).counted("outputTokens", usage.output);
    json.counted("totalTokens", usage.input + usage.output).counted("cacheReadInputTokens", cached);
    json.counted("cacheWriteInputTokens", usage.cache_write);
    if usage.cache_write_1h > 0 {
        json.key("cacheDetails").begin_array();
        let short = usage.cache_write.saturating_sub(usage.cache_write_1h);
        for (ttl, tokens) in [("5m", short), ("1h", usage.cache_write_1h)] {
            json.begin_object().texted("ttl", ttl).counted("inputTokens", tokens).end_object();
        }
        json.end_array();
    }
    json.end_object();
}

/// `usage` of Cohere's chats: what is billed, and what was processed.
pub(super) fn cohere(usage: &Usage, json: &mut Build) {
    json.begin_object().key("billed_units").begin_object().counted("input_tokens", usage.input);
    json.counted("output_tokens", usage.output).end_object();
    json.key("tokens").begin_object().counted("input_tokens", usage.input).counted("output_tokens", usage.output);
    if usage.reasoning > 0 {
        json.counted("reasoning_tokens", usage.reasoning);
    }
    json.end_object().counted("cached_tokens", usage.cached_input + usage.cached_audio).end_object();
}
