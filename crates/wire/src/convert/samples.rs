//! Requests and answers of every dialect, for the tests of translation.

use crate::{Endpoint, frames};

/// A request of each dialect with everything that all of them have.
pub(super) fn requests() -> [(Endpoint, &'static str); 6] {
    let chat = r#"{"model":"m","max_tokens":100,"temperature":0.50,"top_p":0.9,"user":"u1","parallel_tool_calls":true,
        "reasoning_effort":"low","tool_choice":{"type":"function","function":{"name":"weather"}},
        "tools":[{"type":"function","function":{"name":"weather","description":"Says it.","parameters":{"type":"object",
            "properties":{"z":{"type":"string"},"a":{"type":"number","maximum":1.50e2}}},"strict":true}}],
        "response_format":{"type":"json_schema","json_schema":{"name":"w","schema":{"type":"object","properties":{"t":{"type":"number"}}},"strict":true}},
        "messages":[{"role":"system","content":"Be brief."},{"role":"developer","content":"Be kind."},
            {"role":"user","content":[{"type":"text","text":"What is \"this\"?","cache_control":{"type":"ephemeral"}},
                {"type":"image_url","image_url":{"url":"https://host/a.png","detail":"low"}},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},
                {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}}]},
            {"role":"assistant","content":"Wait.","reasoning_details":[{"type":"reasoning.text","text":"Hm","signature":"c2ln","format":"anthropic-claude-v1"}],
                "tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"z\": \"x\", \"a\": 1.50}"}},
                {"id":"c2","type":"function","function":{"name":"weather","arguments":""}}]},
            {"role":"tool","tool_call_id":"c1","content":"{\"t\": 20}"},{"role":"tool","tool_call_id":"c2","content":"warm"},
            {"role":"user","content":"Thanks."}]}"#;
    let messages = r#"{"model":"m","max_tokens":100,"temperature":0.50,"top_p":0.9,"metadata":{"user_id":"u1"},
        "thinking":{"type":"enabled","budget_tokens":2048},"tool_choice":{"type":"tool","name":"weather","disable_parallel_tool_use":false},
        "tools":[{"name":"weather","description":"Says it.","input_schema":{"type":"object","properties":{"z":{"type":"string"}}},
            "cache_control":{"type":"ephemeral","ttl":"1h"}}],
        "output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"t":{"type":"number"}}}}},
        "system":[{"type":"text","text":"Be brief."},{"type":"text","text":"Be kind."}],
        "messages":[{"role":"user","content":[{"type":"text","text":"What?","cache_control":{"type":"ephemeral"}},
                {"type":"image","source":{"type":"url","url":"https://host/a.png"}},
                {"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},
                {"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"QUJD"}},
                {"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"Hm","signature":"c2ln"},{"type":"redacted_thinking","data":"eHg"},
                {"type":"text","text":"Wait."},{"type":"thinking","thinking":"","signature":"Z2Vt"},
                {"type":"tool_use","id":"c1","name":"weather","input":{"z":"x","a":1.50}},
                {"type":"tool_use","id":"c2","name":"weather","input":{}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"{\"t\": 20}"}]},
                {"type":"tool_result","tool_use_id":"c2","content":"broken","is_error":true},{"type":"text","text":"Thanks."}]}]}"#;
    let gemini = r#"{"systemInstruction":{"parts":[{"text":"Be brief."},{"text":"Be kind."}]},
        "generation_config":{"maxOutputTokens":100,"temperature":0.50,"topP":0.9,"responseMimeType":"application/json",
            "response_schema":{"type":"OBJECT","properties":{"z":{"type":"STRING","nullable":true}}},
            "thinkingConfig":{"thinkingLevel":"LOW","includeThoughts":true}},
        "safetySettings":[{"category":"HARM_CATEGORY_HATE_SPEECH","threshold":"BLOCK_NONE"}],
        "toolConfig":{"functionCallingConfig":{"mode":"ANY"}},
        "tools":[{"functionDeclarations":[{"name":"weather","description":"Says it.","parameters":{"type":"OBJECT","properties":{"z":{"type":"STRING"}}}}]}],
        "contents":[{"role":"user","parts":[{"text":"What?"},{"inline_data":{"mime_type":"image/png","data":"QUJD"}},
                {"fileData":{"fileUri":"https://host/a.png","mimeType":"image/png"}},
                {"inlineData":{"mimeType":"application/pdf","data":"QUJD","displayName":"a.pdf"}}]},
            {"role":"model","parts":[{"text":"Hm","thought":true},{"text":"","thought":true,"thoughtSignature":"c2ln"},{"text":"Wait."},
                {"functionCall":{"name":"weather","args":{"z":"x","a":1.50}},"thoughtSignature":"Z2Vt"},{"functionCall":{"name":"weather"}}]},
            {"role":"user","parts":[{"functionResponse":{"name":"weather","response":{"t":20}}},
                {"functionResponse":{"name":"weather","response":{"error":"broken"}}},{"text":"Thanks."}]}]}"#;
    let responses = r#"{"model":"m","max_output_tokens":100,"temperature":0.50,"top_p":0.9,"user":"u1","parallel_tool_calls":true,"store":false,
        "reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"],"tool_choice":{"type":"function","name":"weather"},
        "tools":[{"type":"function","name":"weather","description":"Says it.","parameters":{"type":"object","properties":{"z":{"type":"string"}}},"strict":true}],
        "text":{"format":{"type":"json_schema","name":"w","schema":{"type":"object","properties":{"t":{"type":"number"}}},"strict":true}},"instructions":"Be brief.",
        "input":[{"role":"developer","content":"Be kind."},{"role":"user","content":[{"type":"input_text","text":"What?"},
                {"type":"input_image","image_url":"https://host/a.png","detail":"auto"},{"type":"input_image","image_url":"data:image/png;base64,QUJD"},
                {"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}]},
            {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"gAAAAAc2ln"},
            {"type":"message","role":"assistant","id":"msg_1","status":"completed","content":[{"type":"output_text","text":"Wait.","annotations":[]}]},
            {"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gAAAAAZ2Vt"},
            {"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"z\": \"x\", \"a\": 1.50}"},
            {"type":"function_call","call_id":"c2","name":"weather","arguments":"{}"},
            {"type":"function_call_output","call_id":"c1","output":"{\"t\": 20}"},
            {"type":"function_call_output","call_id":"c2","output":"warm"},{"role":"user","content":"Thanks."}]}"#;
    let cohere = r#"{"model":"m","max_tokens":100,"temperature":0.50,"p":0.9,"k":0,"strict_tools":true,"safety_mode":"CONTEXTUAL",
        "thinking":{"type":"enabled","token_budget":2048},"tool_choice":"REQUIRED","citation_options":{"mode":"FAST"},
        "tools":[{"type":"function","function":{"name":"weather","description":"Says it.","parameters":{"type":"object","properties":{"z":{"type":"string"}}}}}],
        "response_format":{"type":"json_object","json_schema":{"type":"object","properties":{"t":{"type":"number"}}}},
        "messages":[{"role":"system","content":"Be brief."},
            {"role":"user","content":[{"type":"text","text":"What?"},{"type":"image_url","image_url":{"url":"https://host/a.png","detail":"low"}},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"Hm"}],"tool_plan":"Wait.","tool_calls":[
                {"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"z\": \"x\", \"a\": 1.50}"}},
                {"id":"c2","type":"function","function":{"name":"weather","arguments":""}}]},
            {"role":"tool","tool_call_id":"c1","content":[{"type":"document","document":{"data":{"t": 20},"id":"d1"}}]},
            {"role":"tool","tool_call_id":"c2","content":"warm"},{"role":"user","content":"Thanks."}]}"#;
    let converse = r#"{"inferenceConfig":{"maxTokens":100,"temperature":0.50,"topP":0.9},"requestMetadata":{"a":"b"},
        "additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2048}},
        "toolConfig":{"toolChoice":{"any":{}},"tools":[{"toolSpec":{"name":"weather","description":"Says it.","strict":true,
            "inputSchema":{"json":{"type":"object","properties":{"z":{"type":"string"}}}}}},{"cachePoint":{"type":"default","ttl":"1h"}}]},
        "outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"name":"w","schema":"{\"type\":\"object\",\"properties\":{\"t\":{\"type\":\"number\"}}}"}}}},
        "system":[{"text":"Be brief."},{"text":"Be kind."},{"cachePoint":{"type":"default"}}],
        "messages":[{"role":"user","content":[{"text":"What?"},{"cachePoint":{"type":"default"}},
                {"image":{"format":"png","source":{"bytes":"QUJD"}}},
                {"document":{"format":"pdf","name":"a","source":{"bytes":"QUJD"},"citations":{"enabled":false}}},
                {"document":{"format":"txt","name":"b","source":{"text":"plain"}}}]},
            {"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"Hm","signature":"c2ln"}}},
                {"reasoningContent":{"redactedContent":"eHg="}},{"citationsContent":{"content":[{"text":"Wait."}],"citations":[]}},
                {"reasoningContent":{"reasoningText":{"text":"","signature":"Z2Vt"}}},
                {"toolUse":{"toolUseId":"c1","name":"weather","input":{"z":"x","a":1.50}}},
                {"toolUse":{"toolUseId":"c2","name":"weather","input":{}}}]},
            {"role":"user","content":[{"toolResult":{"toolUseId":"c1","status":"success","content":[{"json":{"t": 20}}]}},
                {"toolResult":{"toolUseId":"c2","status":"error","content":[{"text":"broken"}]}},{"text":"Thanks."}]}]}"#;
    [
        (Endpoint::ChatCompletions, chat),
        (Endpoint::Messages, messages),
        (Endpoint::GenerateContent, gemini),
        (Endpoint::Responses, responses),
        (Endpoint::CohereChat, cohere),
        (Endpoint::Converse, converse),
    ]
}

/// What Cohere or Converse has no word for, and a plain one of each request without it.
const LESS: [(Endpoint, &str, &str); 12] = [
    (Endpoint::Converse, r#"{"type":"image_url","image_url":{"url":"https://host/a.png","detail":"low"}},"#, ""),
    (Endpoint::Converse, r#"{"type":"image","source":{"type":"url","url":"https://host/a.png"}},"#, ""),
    (Endpoint::Converse, r#"{"fileData":{"fileUri":"https://host/a.png","mimeType":"image/png"}},"#, ""),
    (Endpoint::Converse, r#"{"type":"input_image","image_url":"https://host/a.png","detail":"auto"},"#, ""),
    (
        Endpoint::CohereChat,
        r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}}"#,
        r#"{"type":"text","text":"."}"#,
    ),
    (
        Endpoint::CohereChat,
        r#"{"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"QUJD"}},"#,
        "",
    ),
    (
        Endpoint::CohereChat,
        r#"{"inlineData":{"mimeType":"application/pdf","data":"QUJD","displayName":"a.pdf"}}"#,
        r#"{"text":"."}"#,
    ),
    (
        Endpoint::CohereChat,
        r#"{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}"#,
        r#"{"type":"input_text","text":"."}"#,
    ),
    (
        Endpoint::CohereChat,
        r#"{"document":{"format":"pdf","name":"a","source":{"bytes":"QUJD"},"citations":{"enabled":false}}},"#,
        "",
    ),
    (
        Endpoint::CohereChat,
        r#""tool_choice":{"type":"function","function":{"name":"weather"}}"#,
        r#""tool_choice":"required""#,
    ),
    (
        Endpoint::CohereChat,
        r#""tool_choice":{"type":"tool","name":"weather","disable_parallel_tool_use":false}"#,
        r#""tool_choice":{"type":"any"}"#,
    ),
    (Endpoint::CohereChat, r#""tool_choice":{"type":"function","name":"weather"}"#, r#""tool_choice":"required""#),
];

/// A request without what `target` has no word for.
pub(super) fn sayable(body: &str, target: Endpoint) -> String {
    let less = LESS.iter().filter(|(of, ..)| *of == target);
    less.fold(body.to_owned(), |body, (_, from, to)| body.replace(from, to))
}

/// A streamed answer of each dialect with thinking, a text, two calls and a usage.
pub(super) fn streams() -> [(Endpoint, Vec<Vec<u8>>); 7] {
    let lines = |events: &[&str]| -> Vec<Vec<u8>> {
        events.iter().map(|event| format!("data: {event}\n\n").into_bytes()).collect()
    };
    let chat = lines(&[
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"reasoning_content":"Hm"}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"content":"Caf\u00e9 "}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"content":"\"now\"\n"}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"weather","arguments":""}}]}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"z\":"}}]}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\n 1.50}"}}]}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"now","arguments":"{}"}}]}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}"#,
        "[DONE]",
    ]);
    let messages = lines(&[
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"usage":{"input_tokens":10,"cache_read_input_tokens":4,"cache_creation_input_tokens":6,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Caf\u00e9 "}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\"now\"\n"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"c1","name":"weather","input":{}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"z\":"}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\n 1.50}"}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"c2","name":"now","input":{}}}"#,
        r#"{"type":"content_block_stop","index":3}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":9}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let gemini = lines(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"Hm","thought":true}],"role":"model"},"index":0}],"modelVersion":"gemini","responseId":"r1"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"Caf\u00e9 "}],"role":"model"},"index":0}],"modelVersion":"gemini","responseId":"r1"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"\"now\"\n"}],"role":"model"},"index":0}],"modelVersion":"gemini","responseId":"r1"}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"weather","args":{"z": 1.50}},"thoughtSignature":"Z2Vt"},{"functionCall":{"name":"now"}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":20,"cachedContentTokenCount":4,"candidatesTokenCount":6,"thoughtsTokenCount":3,"totalTokenCount":29},"modelVersion":"gemini","responseId":"r1"}"#,
    ]);
    let responses = lines(&[
        r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","model":"gpt","output":[]}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}"#,
        r#"{"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":0,"delta":"Hm"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"gAAAAAc2ln"}}"#,
        r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"message","id":"msg_1","role":"assistant","content":[]}}"#,
        r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"Caf\u00e9 "}"#,
        r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"\"now\"\n"}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"Caf\u00e9 \"now\"\n"}]}}"#,
        r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"fc_1","call_id":"c1","name":"weather","arguments":""}}"#,
        r#"{"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":2,"delta":"{\"z\": 1.50}"}"#,
        r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","id":"fc_1","call_id":"c1","name":"weather","arguments":"{\"z\": 1.50}"}}"#,
        r#"{"type":"response.output_item.done","output_index":3,"item":{"type":"function_call","id":"fc_2","call_id":"c2","name":"now","arguments":"{}"}}"#,
        r#"{"type":"response.completed","response":{"id":"resp_1","object":"response","model":"gpt","status":"completed","output":[],"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":4},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":29}}}"#,
    ]);
    let cohere = lines(&[
        r#"{"id":"co_1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#,
        r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}"#,
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm"}}}}"#,
        r#"{"type":"content-end","index":0}"#,
        r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"Caf\u00e9 "}}}"#,
        r#"{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}"#,
        r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"\"now\"\n"}}}}"#,
        r#"{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":4,"text":"Caf\u00e9","sources":[]}}}}"#,
        r#"{"type":"content-end","index":1}"#,
        r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":{"name":"weather","arguments":""}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"z\":"}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"\n 1.50}"}}}}}"#,
        r#"{"type":"tool-call-end","index":0}"#,
        r#"{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"c2","type":"function","function":{"name":"now","arguments":"{}"}}}}}"#,
        r#"{"type":"tool-call-end","index":1}"#,
        r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":20,"output_tokens":9},"tokens":{"input_tokens":520,"output_tokens":12,"reasoning_tokens":3},"cached_tokens":448}}}"#,
        "[DONE]",
    ]);
    let converse = [
        ("messageStart", r#"{"role":"assistant","p":"ab"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"c2ln"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"Caf\u00e9 "}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"\"now\"\n"}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"citation":{"title":"t"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"c1","name":"weather"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"z\":"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"\n 1.50}"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"c2","name":"now"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":3}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
        (
            "metadata",
            r#"{"metrics":{"latencyMs":9},"usage":{"inputTokens":10,"outputTokens":9,"totalTokens":29,"cacheReadInputTokens":4,"cacheWriteInputTokens":6}}"#,
        ),
    ]
    .map(|(kind, payload)| frames::event(kind, payload.as_bytes()))
    .to_vec();
    [
        (Endpoint::ChatCompletions, chat),
        (Endpoint::Messages, messages),
        (Endpoint::GenerateContent, gemini),
        (Endpoint::Responses, responses),
        (Endpoint::CohereChat, cohere),
        (Endpoint::Converse, converse),
        (Endpoint::ChatCompletions, lines(&MIXED)),
    ]
}

/// Two calls in pieces that come in turn, the second whole before the first, and a refusal.
const MIXED: [&str; 10] = [
    r#"{"id":"chatcmpl-2","model":"gpt","choices":[{"index":0,"delta":{"role":"assistant","refusal":"No. "}}]}"#,
    r#"{"id":"chatcmpl-2","model":"gpt","choices":[{"index":0,"delta":{"content":"So"}}]}"#,
    r#"{"id":"chatcmpl-2","model":"gpt","choices":[{"index":0,"delta":{"content":"."}}]}"#,
    r#"{"id":"chatcmpl-2","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"weather","arguments":""}},{"index":1,"id":"c2","type":"function","function":{"name":"now","arguments":""}}]}}]}"#,
    r#"{"id":"chatcmpl-2","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"z\":"}},{"index":1,"function":{"arguments":"{\"n\":"}}]}}]}"#,
    r#"{"id":"chatcmpl-2","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":" 2}"}}]}}]}"#,
    r#"{"id":"chatcmpl-2","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":" 1.50}"}}]}}]}"#,
    r#"{"id":"chatcmpl-2","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c3","type":"function","function":{"name":"now","arguments":"{}"}}]}}]}"#,
    r#"{"id":"chatcmpl-2","model":"gpt","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "[DONE]",
];

/// An error inside a stream of each dialect that says "No more."
pub(super) fn stream_error(from: Endpoint) -> Vec<u8> {
    let data = match from {
        Endpoint::Messages => r#"{"type":"error","error":{"type":"overloaded_error","message":"No more."}}"#,
        Endpoint::GenerateContent => r#"{"error":{"code":503,"message":"No more.","status":"UNAVAILABLE"}}"#,
        Endpoint::Responses => r#"{"type":"error","code":"server_error","message":"No more.","param":null}"#,
        Endpoint::CohereChat => r#"{"type":"message-end","delta":{"finish_reason":"ERROR","error":"No more."}}"#,
        Endpoint::Converse => return frames::exception("throttlingException", br#"{"message":"No more."}"#),
        _ => r#"{"error":{"message":"No more.","type":"server_error","code":"overloaded"}}"#,
    };
    format!("data: {data}\n\n").into_bytes()
}

/// The frames of a stream as lines, whose sums must be right; the streams of others as they are.
pub(super) fn readable(form: Endpoint, stream: &[u8]) -> String {
    if form != Endpoint::Converse {
        return String::from_utf8(stream.to_vec()).expect("text");
    }
    let (mut out, mut rest) = (String::new(), stream);
    while !rest.is_empty() {
        let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().expect("four bytes"));
        let (total, headers) = (number(0) as usize, number(4) as usize);
        assert_eq!(number(8), crc32fast::hash(&rest[..8]), "the sum of the lengths");
        assert_eq!(number(total - 4), crc32fast::hash(&rest[..total - 4]), "the sum of the frame");
        let named = String::from_utf8_lossy(&rest[12..12 + headers]).into_owned();
        let named: String = named.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let payload = core::str::from_utf8(&rest[12 + headers..total - 4]).expect("text");
        out.push_str(&format!("frame: {named}\ndata: {payload}\n\n"));
        rest = &rest[total..];
    }
    out
}
