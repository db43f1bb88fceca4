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

/// The budget of thinking, in tokens, for a word, where a dialect has only budgets: as Google's own service for OpenAI's
/// dialect has them.
pub(super) fn budget_of(effort: &str) -> Option<&'static str> {
    match effort {
        "minimal" | "low" => Some("1024"),
        "medium" => Some("8192"),
        "high" | "xhigh" | "max" => Some("24576"),
        _ => None,
    }
}

/// Recorded requests of a dialect that the relay takes, and how many of them each other dialect can say.
pub(super) const CHECKED: &[(&str, &str, usize, usize)] = &[
    ("chat/completions", "responses", 697, 532),
    ("chat/completions", "messages", 697, 511),
    ("chat/completions", "generateContent", 697, 556),
    ("chat/completions", "chat", 697, 496),
    ("chat/completions", "converse", 697, 489),
    ("responses", "chat/completions", 246, 204),
    ("responses", "messages", 246, 200),
    ("responses", "generateContent", 246, 200),
    ("responses", "chat", 246, 188),
    ("responses", "converse", 246, 188),
    ("messages", "chat/completions", 244, 211),
    ("messages", "responses", 244, 207),
    ("messages", "generateContent", 244, 214),
    ("messages", "chat", 244, 201),
    ("messages", "converse", 244, 200),
    ("generateContent", "chat/completions", 238, 199),
    ("generateContent", "responses", 238, 172),
    ("generateContent", "messages", 238, 183),
    ("generateContent", "chat", 238, 167),
    ("generateContent", "converse", 238, 179),
    ("chat", "chat/completions", 36, 36),
    ("chat", "responses", 36, 36),
    ("chat", "messages", 36, 36),
    ("chat", "generateContent", 36, 36),
    ("chat", "converse", 36, 35),
    ("converse", "chat/completions", 76, 67),
    ("converse", "responses", 76, 62),
    ("converse", "messages", 76, 67),
    ("converse", "generateContent", 76, 67),
    ("converse", "chat", 76, 60),
];

/// What is carried, and how each dialect says it: chat/completions, messages, generateContent, responses, Cohere's chat,
/// Converse.
const CARRIED: &[[&str; 7]] = &[
    ["text", "`content`", "`text`", "`text`", "`input_text`, `output_text`", "`text`", "`text`"],
    [
        "system prompt",
        "`system`, `developer`",
        "`system`",
        "`systemInstruction`",
        "`instructions`, `system`, `developer`",
        "`system`",
        "`system`",
    ],
    ["image", "`image_url`", "`image`", "`inlineData`, `fileData`", "`input_image`", "`image_url`", "`image`, inline"],
    [
        "file",
        "`file` (inline)",
        "`document`",
        "`inlineData`, `fileData`",
        "`input_file`",
        "plain texts only",
        "`document`, inline",
    ],
    ["audio", "`input_audio`", "refused", "`inlineData`", "refused", "refused", "refused"],
    ["function", "`tools`", "`tools`", "`functionDeclarations`", "`tools`", "`tools`", "`toolSpec`"],
    [
        "call, and several at once",
        "`tool_calls`",
        "`tool_use`",
        "`functionCall`",
        "`function_call`",
        "`tool_calls`",
        "`toolUse`",
    ],
    ["result", "`tool`", "`tool_result`", "`functionResponse`", "`function_call_output`", "`tool`", "`toolResult`"],
    [
        "choice of tools",
        "`tool_choice`",
        "`tool_choice`",
        "`functionCallingConfig`",
        "`tool_choice`",
        "`REQUIRED`, `NONE`; one by name refused",
        "`toolChoice`; none refused",
    ],
    [
        "one call at a time",
        "`parallel_tool_calls`",
        "`disable_parallel_tool_use`",
        "refused",
        "`parallel_tool_calls`",
        "refused",
        "refused",
    ],
    [
        "JSON by a schema",
        "`response_format`",
        "`output_config.format`",
        "`responseJsonSchema`",
        "`text.format`",
        "`response_format`",
        "`outputConfig.textFormat`",
    ],
    ["any JSON", "`response_format`", "refused", "`responseMimeType`", "`text.format`", "`response_format`", "refused"],
    [
        "thinking of the answer",
        "`reasoning_content`, `reasoning_details`",
        "`thinking`",
        "`thought`",
        "`reasoning`",
        "`thinking`",
        "`reasoningContent`",
    ],
    [
        "its seal",
        "`reasoning_details`, `extra_content.google`",
        "`signature`",
        "`thoughtSignature`",
        "`encrypted_content`",
        "left out",
        "`signature`",
    ],
    [
        "how much to think",
        "`reasoning_effort`, `thinking`",
        "`thinking`, `effort`",
        "`thinkingConfig`",
        "`reasoning.effort`",
        "`thinking`",
        "`thinking`, `output_config` in `additionalModelRequestFields`",
    ],
    [
        "output limit",
        "`max_tokens`, `max_completion_tokens`",
        "`max_tokens`",
        "`maxOutputTokens`",
        "`max_output_tokens`",
        "`max_tokens`",
        "`maxTokens`",
    ],
    [
        "stop sequences",
        "`stop`",
        "`stop_sequences`",
        "`stopSequences`",
        "refused",
        "`stop_sequences`",
        "`stopSequences`",
    ],
    ["`temperature`, `top_p`", "yes", "yes", "yes", "yes", "yes, `p`", "yes"],
    ["`top_k`", "refused", "yes", "yes", "refused", "`k`", "`top_k` in `additionalModelRequestFields`"],
    ["`seed`, penalties", "yes", "refused", "yes", "refused", "yes", "refused"],
    ["several choices", "`n`", "refused", "`candidateCount`", "refused", "refused", "refused"],
    ["chances of tokens", "`logprobs`", "refused", "`responseLogprobs`", "`top_logprobs`", "refused", "refused"],
    ["end user", "`user`", "`metadata.user_id`", "left out", "`user`", "left out", "left out"],
    ["marks for the cache", "left out", "`cache_control`", "left out", "left out", "left out", "`cachePoint`"],
    ["usage", "`usage`", "`usage`", "`usageMetadata`", "`usage`", "`usage`", "`usage`"],
];

/// What is changed or left out: of what, on the way to whom, and what becomes of it.
const CHANGED: &[[&str; 3]] = &[
    ["system prompt in the middle of a conversation", "all", "It joins the system prompt at the beginning, in order."],
    ["`developer` and `system`", "all", "Both are the system prompt."],
    ["empty texts", "all", "Left out; Anthropic refuses them."],
    ["messages of one role side by side", "all", "One turn, in order."],
    ["name of a speaker (`name` of a message)", "all", "Left out."],
    ["`detail` of an image", "all", "Left out."],
    ["document of plain text", "chat, Gemini, responses, Cohere", "A text; its title is left out."],
    [
        "name of a document",
        "Bedrock",
        "Letters, digits, blanks, hyphens and brackets stay, the rest are hyphens, and no more than 200 of them; one without a name is `document` and its number, and one whose name an earlier one has gets a number behind it.",
    ],
    ["name of a document (`displayName`)", "Gemini", "Left out: its API for developers refuses it."],
    [
        "texts of blanks alone",
        "Bedrock",
        "Left out, but in results: they are refused there. So is a turn that has nothing else.",
    ],
    [
        "id of a call with other letters than `a-z`, `A-Z`, `0-9`, `_` and `-`, or longer than 64",
        "Bedrock",
        "What fits of it and a checksum, the same in calls and results.",
    ],
    ["mark for the cache", "chat, Gemini, responses, Cohere", "Left out: those providers cache by themselves."],
    ["`strict` of a function", "Gemini", "Left out."],
    ["`strict: false` of a function", "Bedrock", "Left out, which means the same: some models there refuse the word."],
    [
        "calls and results without `tools`",
        "Bedrock",
        "The functions that were called are named as tools, with an empty schema: it refuses the history without.",
    ],
    [
        "texts of blanks alone",
        "messages",
        "Left out, in results too: they are refused there. So is a turn that has nothing else.",
    ],
    [
        "id of a call with other letters than `a-z`, `A-Z`, `0-9`, `_` and `-`",
        "messages",
        "`_` in their place and a checksum behind it, the same in calls and results.",
    ],
    ["schema of a function that names no type", "messages, Bedrock", "Of the type `object`: it is refused without."],
    ["image of the type `image/jpg`", "messages", "`image/jpeg`, which is its name there."],
    [
        "end user of more than 64 letters",
        "chat, responses",
        "The first 55, with `_` for what is no letter, digit or hyphen, and a checksum: longer ones are refused there.",
    ],
    [
        "end user who looks like a mail address or a phone number",
        "messages",
        "Left out: Anthropic refuses those. A phone number has seven digits or more, and nothing but `+`, `-`, brackets and blanks beside them.",
    ],
    [
        "choice of tools without tools",
        "all",
        "`auto`, `none` and how many may be called at once are left out; any other choice is refused.",
    ],
    [
        "what the user says between results, or before them",
        "chat, messages, Bedrock",
        "Behind the results, which have to follow their calls.",
    ],
    [
        "`context_management` that clears old results or thinking (`clear_tool_uses_`, `clear_thinking_`), `diagnostics`",
        "from messages",
        "Left out: the model sees the whole conversation. Compaction (`compact_`) is refused.",
    ],
    [
        "`defer_loading` of a function, `tool_reference` in a result",
        "from messages",
        "The model sees every function from the beginning, so that the reference is no more than its name, as a text.",
    ],
    [
        "`eager_input_streaming` of a function",
        "from messages",
        "Left out: calls come in the pieces that their provider makes.",
    ],
    ["`strict` of some functions and not of others", "Cohere", "Left out: there is one switch for all."],
    ["`strict` of a function, unsaid", "responses", "`false`, which is what it means elsewhere."],
    [
        "name, description and `strict` of a schema",
        "messages, Gemini, Cohere",
        "Left out, and the description everywhere; towards chat, responses and Bedrock the name is `answer` where there is none. Bedrock has no `strict`.",
    ],
    [
        "schema of the answer",
        "messages, Bedrock",
        "Shaped as Anthropic's own SDKs do it: objects are closed (`additionalProperties: false`), `oneOf` is `anyOf`, what stands beside a `$ref` is left out, and bounds, formats, patterns and other words that its grammar has not got stand in the description. Maps, whose members have no names yet, are refused. One that needs nothing stays as it is written; none may be longer than 1 MiB.",
    ],
    ["result in JSON", "from Bedrock", "The text of it."],
    ["result that may be cited", "from Cohere", "The text of its data; its id is left out."],
    ["plan before calls (`tool_plan`)", "from and to Cohere", "A text before the calls. In an answer it is content."],
    ["empty description of a function", "Bedrock", "Left out: it is refused there."],
    ["`VALIDATED` calls", "all", "`auto`."],
    [
        "Google's form of a schema",
        "all",
        "A JSON schema: types in lower case, `nullable` as a type of its own, `ref` and `defs` as `$ref` and `$defs`.",
    ],
    ["type of an image by address", "Gemini", "By the end of the address, else `image/jpeg`."],
    ["base64 in the alphabet for addresses", "from Gemini", "In the standard alphabet."],
    ["id of a call", "from Gemini", "Made where it is missing; results are matched by name, in order."],
    [
        "first call of a turn, without a seal of Gemini's",
        "Gemini",
        "Sealed with `skip_thought_signature_validator`, as Google's documents say: its newest models refuse the history without.",
    ],
    ["result that is no JSON object", "Gemini", "`{\"result\": text}`; an error is `{\"error\": text}`."],
    ["`is_error` of a result", "chat, responses, Cohere", "Left out: the text of the result has to say it."],
    [
        "budget of thinking in tokens",
        "chat, responses",
        "An effort: up to 2,048 `low`, up to 8,192 `medium`, else `high`.",
    ],
    ["effort `minimal`", "messages, Bedrock", "`low`."],
    ["how much to think", "Bedrock", "Anthropic's words, which models of other makers there refuse."],
    [
        "effort",
        "Gemini, Cohere",
        "A budget: 1,024 for `minimal` and `low`, 8,192 for `medium`, 24,576 above, as Google's own service for OpenAI's dialect has them.",
    ],
    ["effort `max`", "chat, responses", "`xhigh`."],
    ["thinking as the model sees fit, or none", "chat, responses", "Left out: the model's own default."],
    ["what is shown of the thinking", "all", "Left out, but Gemini is asked for it where thinking was."],
    ["thinking of earlier turns", "chat, Cohere", "Left out: those providers take none that is not their own."],
    [
        "thinking of earlier turns",
        "responses",
        "Given back where its seal is OpenAI's (it begins with `gAAAAA`), else left out.",
    ],
    ["thinking of earlier turns without a seal of Anthropic's", "messages, Bedrock", "Left out: it is refused there."],
    [
        "seal of a maker, in another maker's dialect",
        "all",
        "In an answer a mark of its maker stands before it (`AnthSeal`, `GoogSeal`; OpenAI's begins with `gAAAAA` as it is), which is taken off when it comes back translated. A provider is sent its own maker's seals and no others, which it would refuse: after another model took over, what the first one thought is sent without its seal, or left out. Where the upstream speaks the client's own dialect nothing is translated, and the bytes go as they are, marked seals in them too.",
    ],
    [
        "seal in `reasoning_details`",
        "from chat",
        "Whose it is, its mark says, or the `format` (`anthropic-`, `google-`, `openai-`); left out where neither does.",
    ],
    [
        "thinking that only Anthropic can read",
        "chat, responses",
        "In an answer sealed, with `AnthHide` before it; in a request left out.",
    ],
    ["thinking that only Anthropic can read", "Gemini, Cohere", "Left out."],
    ["sealed thinking where thinking is asked for", "responses", "Asked for too (`include`), since nothing is stored."],
    [
        "seal of Gemini's on a call",
        "messages, responses, Bedrock",
        "A thought without text before the call; it is put back the same way.",
    ],
    ["items by their id (`reasoning` without content)", "from responses", "Left out: they are objects of an account."],
    [
        "`store`",
        "from responses",
        "Nothing is stored. A client that names items of earlier answers by their ids alone is refused (404 `object_not_found`) and has to send them whole; `ai` does with `store: false`.",
    ],
    ["`metadata`, labels, cache keys, `safety_identifier`, thresholds of filters", "all", "Left out."],
    ["`citation_options`, `safety_mode`, `priority`", "from Cohere", "Left out."],
    ["headers of one provider (`anthropic-beta`, `openai-beta`)", "all", "Left out."],
    ["`service_tier` of `auto`, `default` or `standard_only`", "all", "Left out; any other is refused."],
    ["which stop sequence ended an answer", "chat, Gemini, responses", "Left out; the answer just stops."],
    ["which stop sequence ended an answer", "from and to Bedrock and Cohere", "Not which: that one did."],
    [
        "end at a filter, or because the model refused",
        "messages",
        "`refusal`; towards chat `content_filter`, Gemini `SAFETY`, responses `incomplete`, Cohere `ERROR`, Bedrock `content_filtered`.",
    ],
    ["refusal in words", "messages, Gemini, Cohere, Bedrock", "A text."],
    ["name of the model in an answer", "from Bedrock and Cohere", "What the client calls it: they name none."],
    ["id of an answer, latency", "Bedrock", "Left out; the latency is 0."],
    ["order of texts and calls in an answer", "chat, Cohere", "Texts first."],
    [
        "arguments that are no JSON",
        "messages, Gemini, Bedrock, not streamed to messages and Bedrock",
        "`{\"invalid_json\": text}`.",
    ],
    ["citations and annotations of an answer", "all", "Left out."],
    ["counts at the beginning of a stream", "messages", "Zero; the last event but one has all of them."],
    [
        "classes of usage without a word",
        "all",
        "Cache writes towards Gemini and Cohere; thinking towards Bedrock; an hour's cache, searches, audio and predictions where the dialect has none. What is charged is what the provider reported.",
    ],
    ["call in pieces", "Gemini", "Whole, at the end of the stream."],
    ["whole answer that says it is an error", "from Cohere", "502, as one that cannot be read."],
    [
        "end of an answer that went wrong: `error`, `insufficient_system_resource`, `abort`, `aborted`; a response that is `failed` or `cancelled`",
        "from chat; from responses",
        "502, as one that cannot be read; in a stream an error with the provider's words. What was used is charged.",
    ],
    ["answer with calls that ends with `stop`", "from chat", "It ends to call tools."],
    [
        "calls in a stream that come a piece of each in turn",
        "messages, responses, Cohere, Bedrock",
        "One after another, as their SDKs read them: what comes before the first one is whole waits for it, up to 16 MiB.",
    ],
    [
        "end of an answer that went wrong: `MALFORMED_FUNCTION_CALL`, `MALFORMED_RESPONSE`, `UNEXPECTED_TOOL_CALL`, `TOO_MANY_TOOL_CALLS`, `MISSING_THOUGHT_SIGNATURE`; `malformed_tool_use`, `malformed_model_output`",
        "from Gemini; from Bedrock",
        "502, as one that cannot be read; in a stream an error with the provider's word for it. What was used is charged.",
    ],
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
         `generateContent`, `responses` OpenAI's, Cohere its chat of version 2, Bedrock `converse` and `converse-stream`. Upstreams of \
         OpenAI's dialect are asked in chat completions, or in responses where the model's route says `endpoint = \"responses\"`: then \
         its clients of chat completions are translated too, as those of responses are where it says `\"chat_completions\"`.\n\n\
         A field that is in neither table, and for which the provider's dialect has no word, is refused with 400 \
         `unsupported_field`, and named. So are tools that a provider runs, files of an account, and videos.\n\n\
         ## Carried\n\n| | chat | messages | Gemini | responses | Cohere | Bedrock |\n| --- | --- | --- | --- | --- | --- | --- |\n",
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
        // By its path alone it would be taken for the other one.
        let [client, target] = [client, target].map(|name| if *name == "chat" { "Cohere's chat" } else { name });
        let _ = writeln!(out, "| {client} | {target} | {taken} | {carried} | {refused} |");
    }
    out
}

fn line(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}
