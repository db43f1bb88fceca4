//! Fuzz targets of every parser of this crate. What each promises stands in its assertions.

mod answers;
mod batches;
mod events;
mod forms;
mod requests;
mod translation;

pub(crate) use self::answers::invoked_frame;

/// Words that decide something in some dialect.
const WORDS: [&str; 40] = [
    "\"model\":\"m\"",
    "\"stream\":true",
    "\"stream_options\":{\"include_usage\":false}",
    "\"max_tokens\":7",
    "\"max_completion_tokens\":9",
    "\"n\":2",
    "\"messages\":[",
    "\"content\":[{\"type\":\"text\",\"text\":\"x\"}]",
    "\"input\":[",
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]",
    "\"image_url\":{\"url\":\"data:image/png;base64,QUJD\"}",
    "\"input_audio\":{\"data\":\"QUJD\",\"format\":\"wav\"}",
    "\"file_id\":\"file-1\"",
    "\"previous_response_id\":\"resp_1\"",
    "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}",
    "\"generationConfig\":{\"maxOutputTokens\":5}",
    "\"inferenceConfig\":{\"maxTokens\":5}",
    "\"contents\":[{\"parts\":[{\"text\":\"x\"}]}]",
    "\"Model\":1",
    "\"mode\\u006c\":\"n\"",
    "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}",
    "\"usage\":null",
    "\"usageMetadata\":{\"promptTokenCount\":3}",
    "\"type\":\"response.completed\"",
    "\"type\":\"message_stop\"",
    "\"finish_reason\":\"stop\"",
    "\"finishReason\":\"STOP\"",
    "\"id\":\"resp_1\"",
    "data: ",
    "data: [DONE]\n\n",
    "event: error\n",
    "\n\n",
    "\r\n\r\n",
    ": comment\n",
    "\u{feff}",
    "\"type\":\"response.create\"",
    "\"type\":\"response.done\"",
    "\"event_id\":\"e\"",
    "\"audio\":\"AAAA\"",
    "\\ud83d\\ude00",
];

fn fuzz(name: &'static str) -> fuzz::Fuzz {
    fuzz::Fuzz::new(name).words(WORDS)
}
