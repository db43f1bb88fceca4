//! What a translation changes or leaves out although it is not refused: the whole list, and the document made of it.

use core::fmt::Write;

/// The word for a budget of thinking, in tokens, where a dialect knows only words.
pub(super) fn band(budget: &str) -> &'static str {
    match budget.parse::<u64>() {
        Ok(0..=2_048) => "low",
        Ok(2_049..=8_192) => "medium",
        _ => "high",
    }
}

/// Recorded requests of a dialect that the relay takes, and how many of them each other dialect can say.
pub(super) const CHECKED: [(&str, &str, usize, usize); 12] = [
    ("chat/completions", "responses", 697, 532),
    ("chat/completions", "messages", 697, 511),
    ("chat/completions", "generateContent", 697, 556),
    ("responses", "chat/completions", 245, 204),
    ("responses", "messages", 245, 200),
    ("responses", "generateContent", 245, 200),
    ("messages", "chat/completions", 244, 210),
    ("messages", "responses", 244, 206),
    ("messages", "generateContent", 244, 213),
    ("generateContent", "chat/completions", 238, 198),
    ("generateContent", "responses", 238, 171),
    ("generateContent", "messages", 238, 182),
];

/// What is carried, and how each dialect says it: chat/completions, messages, generateContent, responses.
const CARRIED: &[[&str; 5]] = &[
    ["text", "`content`", "`text`", "`text`", "`input_text`, `output_text`"],
    [
        "system prompt",
        "`system`, `developer`",
        "`system`",
        "`systemInstruction`",
        "`instructions`, `system`, `developer`",
    ],
    ["image", "`image_url`", "`image`", "`inlineData`, `fileData`", "`input_image`"],
    ["file", "`file` (inline)", "`document`", "`inlineData`, `fileData`", "`input_file`"],
    ["audio", "`input_audio`", "refused", "`inlineData`", "refused"],
    ["function", "`tools`", "`tools`", "`functionDeclarations`", "`tools`"],
    ["call, and several at once", "`tool_calls`", "`tool_use`", "`functionCall`", "`function_call`"],
    ["result", "`tool`", "`tool_result`", "`functionResponse`", "`function_call_output`"],
    ["choice of tools", "`tool_choice`", "`tool_choice`", "`functionCallingConfig`", "`tool_choice`"],
    ["one call at a time", "`parallel_tool_calls`", "`disable_parallel_tool_use`", "refused", "`parallel_tool_calls`"],
    ["JSON by a schema", "`response_format`", "`output_config.format`", "`responseJsonSchema`", "`text.format`"],
    ["any JSON", "`response_format`", "refused", "`responseMimeType`", "`text.format`"],
    ["thinking of the answer", "`reasoning_content`, `reasoning_details`", "`thinking`", "`thought`", "`reasoning`"],
    [
        "its seal",
        "`reasoning_details`, `extra_content.google`",
        "`signature`",
        "`thoughtSignature`",
        "`encrypted_content`",
    ],
    [
        "how much to think",
        "`reasoning_effort`, `thinking`",
        "`thinking`, `effort`",
        "`thinkingConfig`",
        "`reasoning.effort`",
    ],
    [
        "output limit",
        "`max_tokens`, `max_completion_tokens`",
        "`max_tokens`",
        "`maxOutputTokens`",
        "`max_output_tokens`",
    ],
    ["stop sequences", "`stop`", "`stop_sequences`", "`stopSequences`", "refused"],
    ["`temperature`, `top_p`", "yes", "yes", "yes", "yes"],
    ["`top_k`", "refused", "yes", "yes", "refused"],
    ["`seed`, penalties", "yes", "refused", "yes", "refused"],
    ["several choices", "`n`", "refused", "`candidateCount`", "refused"],
    ["chances of tokens", "`logprobs`", "refused", "`responseLogprobs`", "`top_logprobs`"],
    ["end user", "`user`", "`metadata.user_id`", "left out", "`user`"],
    ["marks for the cache", "left out", "`cache_control`", "left out", "left out"],
    ["usage", "`usage`", "`usage`", "`usageMetadata`", "`usage`"],
];

/// What is changed or left out: of what, on the way to whom, and what becomes of it.
const CHANGED: &[[&str; 3]] = &[
    ["system prompt in the middle of a conversation", "all", "It joins the system prompt at the beginning, in order."],
    ["`developer` and `system`", "all", "Both are the system prompt."],
    ["empty texts", "all", "Left out; Anthropic refuses them."],
    ["messages of one role side by side", "all", "One turn, in order."],
    ["name of a speaker (`name` of a message)", "all", "Left out."],
    ["`detail` of an image", "all", "Left out."],
    ["document of plain text", "chat, Gemini, responses", "A text; its title is left out."],
    ["mark for the cache", "chat, Gemini, responses", "Left out: those providers cache by themselves."],
    ["`strict` of a function", "Gemini", "Left out."],
    ["`strict` of a function, unsaid", "responses", "`false`, which is what it means elsewhere."],
    [
        "name, description and `strict` of a schema",
        "messages, Gemini",
        "Left out, and the description everywhere; towards chat and responses the name is `answer`.",
    ],
    ["`VALIDATED` calls", "all", "`auto`."],
    ["Google's form of a schema", "all", "A JSON schema: types in lower case, `nullable` as a type of its own."],
    ["type of an image by address", "Gemini", "By the end of the address, else `image/jpeg`."],
    ["base64 in the alphabet for addresses", "from Gemini", "In the standard alphabet."],
    ["id of a call", "from Gemini", "Made where it is missing; results are matched by name, in order."],
    ["result that is no JSON object", "Gemini", "`{\"result\": text}`; an error is `{\"error\": text}`."],
    ["`is_error` of a result", "chat, responses", "Left out: the text of the result has to say it."],
    [
        "budget of thinking in tokens",
        "chat, responses",
        "An effort: up to 2,048 `low`, up to 8,192 `medium`, else `high`.",
    ],
    ["effort `minimal`", "messages", "`low`."],
    [
        "effort",
        "Gemini",
        "A budget: 1,024 for `minimal` and `low`, 8,192 for `medium`, 24,576 above, as Google's own service for OpenAI's dialect has them.",
    ],
    ["effort `max`", "chat, responses", "`xhigh`."],
    ["thinking as the model sees fit, or none", "chat, responses", "Left out: the model's own default."],
    ["what is shown of the thinking", "all", "Left out, but Gemini is asked for it where thinking was."],
    ["thinking of earlier turns", "chat, responses", "Left out: those providers take none that is not their own."],
    ["thinking of earlier turns without a seal", "messages", "Left out: Anthropic refuses it."],
    ["thinking that only its provider can read", "Gemini", "Left out."],
    [
        "seal of Gemini's on a call",
        "messages, responses",
        "A thought without text before the call; it is put back the same way.",
    ],
    ["items by their id (`reasoning` without content)", "from responses", "Left out: they are objects of an account."],
    ["`store`", "from responses", "Nothing is stored."],
    ["`metadata`, labels, cache keys, `safety_identifier`, thresholds of filters", "all", "Left out."],
    ["headers of one provider (`anthropic-beta`, `openai-beta`)", "all", "Left out."],
    ["`service_tier` of `auto`, `default` or `standard_only`", "all", "Left out; any other is refused."],
    ["which stop sequence ended an answer", "chat, Gemini, responses", "Left out; the answer just stops."],
    [
        "end at a filter, or because the model refused",
        "messages",
        "`refusal`; towards chat `content_filter`, Gemini `SAFETY`, responses `incomplete`.",
    ],
    ["refusal in words", "messages, Gemini", "A text."],
    ["order of texts and calls in an answer", "chat", "Texts first."],
    ["arguments that are no JSON", "messages, Gemini, not streamed to messages", "`{\"invalid_json\": text}`."],
    ["citations and annotations of an answer", "all", "Left out."],
    ["counts at the beginning of a stream", "messages", "Zero; the last event but one has all of them."],
    [
        "classes of usage without a word",
        "all",
        "Cache writes towards Gemini; an hour's cache, searches, audio and predictions where the dialect has none. What is charged is what the provider reported.",
    ],
    ["call in pieces", "Gemini", "Whole, at the end of the stream."],
    ["usage that its client did not ask for", "chat", "Not sent, as in OpenAI's own streams."],
];

/// The whole of `docs/translation.md`.
#[must_use]
pub fn translation_markdown() -> String {
    let mut out = String::from(
        "# Translation\n\n\
         Generated from the code (`cargo run -p xtask -- translation`): do not edit.\n\n\
         A client of one dialect reaches models of another. Whoever speaks the client's own dialect is asked first, and gets its \
         bytes unchanged; only the others are translated. `chat` is OpenAI's chat completions, `messages` Anthropic's, Gemini \
         `generateContent`, `responses` OpenAI's. Upstreams of OpenAI's dialect are asked in chat completions.\n\n\
         A field that is in neither table, and for which the provider's dialect has no word, is refused with 400 \
         `unsupported_field`, and named. So are tools that a provider runs, files of an account, and videos.\n\n\
         ## Carried\n\n| | chat | messages | Gemini | responses |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in CARRIED {
        line(&mut out, row);
    }
    out.push_str("\n## Changed or left out\n\n| what | towards | what becomes of it |\n| --- | --- | --- |\n");
    for row in CHANGED {
        line(&mut out, row);
    }
    out.push_str(
        "\n## Checked\n\nRecorded requests that a provider took (`MANDANT_TRAFFIC`), and how many of them can be said in the other \
         dialect. Each of these was translated there and back and was the same but for the table above; the others are \
         refused by name, most for tools of a provider's or parameters that only one server has. Every recorded answer was \
         translated to every other dialect: text, calls and usage were the same, and streams the same as whole answers.\n\n\
         | from | to | taken | carried | refused |\n| --- | --- | --- | --- | --- |\n",
    );
    for (client, target, taken, carried) in CHECKED {
        let refused = taken - carried;
        let _ = writeln!(out, "| {client} | {target} | {taken} | {carried} | {refused} |");
    }
    out
}

fn line(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}
