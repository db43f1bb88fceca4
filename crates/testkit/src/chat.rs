//! chat/completions answers, plain and streamed.

use serde_json::Value;

use crate::call::ChatCall;
use crate::fault::UsageShape;
use crate::fitting::fitting;
use crate::pieces::{Product, limited, split};
use crate::render::{FINGERPRINT, Page, Usage};

/// What the model says in all choices of a chat.
pub(crate) struct ChatAnswer<'a> {
    pub(crate) call: &'a ChatCall,
    pub(crate) products: Vec<Product>,
    pub(crate) usage: Usage,
    pub(crate) shape: Option<UsageShape>,
}

/// The arguments of a function call: they fit what is declared, and repeat the user. Cut by the limit like any text; the
/// name is one token.
pub(crate) fn arguments(call: &ChatCall) -> Product {
    let says_something = |schema: &&Value| schema["properties"].as_object().is_some_and(|members| !members.is_empty());
    let schema = call.parameters.as_ref().filter(says_something).unwrap_or(&Value::Null);
    let said = fitting(schema, &call.last_user_text).to_string();
    limited(split(&said), 0, call.common.output_limit.map(|limit| limit.saturating_sub(1)))
}

/// JSON that fits the schema that was asked for.
pub(crate) fn structured(call: &ChatCall, schema: &Value) -> Product {
    let said = fitting(schema, &call.last_user_text).to_string();
    limited(split(&said), 0, call.common.output_limit)
}

impl ChatAnswer<'_> {
    fn finish_reason(&self, product: &Product) -> &'static str {
        match (product.is_cut, self.call.function.is_some()) {
            (true, _) => "length",
            (false, true) => "tool_calls",
            (false, false) => "stop",
        }
    }

    pub(crate) fn plain(&self) -> Page {
        let mut page = Page::default();
        page.text("{\"id\":").id("chatcmpl-").text(",\"object\":\"chat.completion\",\"created\":").created();
        page.text(",\"model\":").json(&self.call.common.model).text(",\"choices\":[");
        for (index, product) in self.products.iter().enumerate() {
            page.text(if index == 0 { "" } else { "," }).text("{\"index\":").number(index as u64);
            page.text(",\"message\":{\"role\":\"assistant\",\"content\":");
            match &self.call.function {
                None => page.json(&product.text()).text(",\"refusal\":null,\"annotations\":[]"),
                Some(name) => {
                    page.text("null,\"tool_calls\":[{\"id\":")
                        .id("call_")
                        .text(",\"type\":\"function\",\"function\":{\"name\":");
                    page.json(name).text(",\"arguments\":").json(&product.text()).text("}}],\"refusal\":null")
                }
            };
            page.text("},\"logprobs\":null,\"finish_reason\":").json(self.finish_reason(product)).text("}");
        }
        page.text("]");
        match self.shape {
            Some(UsageShape::Missing) => {}
            Some(UsageShape::Twice) => {
                page.text(",\"usage\":");
                self.usage.half().write(&mut page, None);
                page.text(",\"usage\":");
                self.usage.write(&mut page, None);
            }
            shape => {
                page.text(",\"usage\":");
                self.usage.write(&mut page, shape);
            }
        }
        page.text(",\"service_tier\":\"default\",\"system_fingerprint\":").json(FINGERPRINT).text("}");
        page.end_event(self.usage.completion);
        page
    }

    /// Tokens are produced in turn for all choices; reasoning comes with a choice's first event.
    pub(crate) fn stream(&self) -> Page {
        let mut page = Page::default();
        for (index, product) in self.products.iter().enumerate() {
            match &self.call.function {
                None => {
                    self.delta(&mut page, index, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", None)
                }
                Some(name) => self.function_start(&mut page, index, name),
            }
            page.end_event(product.reasoning_tokens + u64::from(self.call.function.is_some()));
        }
        let longest = self.products.iter().map(|product| product.pieces.len()).max().unwrap_or(0);
        for position in 0..longest {
            for (index, product) in self.products.iter().enumerate() {
                let Some(piece) = product.pieces.get(position) else { continue };
                self.piece(&mut page, index, piece);
                page.end_event(1);
            }
        }
        for (index, product) in self.products.iter().enumerate() {
            self.delta(&mut page, index, "{}", Some(self.finish_reason(product)));
            page.end_event(0);
        }
        if self.call.common.include_usage {
            if self.shape == Some(UsageShape::Twice) {
                self.usage_event(&mut page, self.usage.half());
            }
            if self.shape != Some(UsageShape::Missing) {
                self.usage_event(&mut page, self.usage);
            }
        }
        page.text("data: [DONE]\n\n").end_event(0);
        page
    }

    fn head(&self, page: &mut Page) {
        page.text("data: {\"id\":")
            .id("chatcmpl-")
            .text(",\"object\":\"chat.completion.chunk\",\"created\":")
            .created();
        page.text(",\"model\":").json(&self.call.common.model);
        page.text(",\"service_tier\":\"default\",\"system_fingerprint\":").json(FINGERPRINT).text(",\"choices\":[");
    }

    fn delta(&self, page: &mut Page, index: usize, delta: &str, finish_reason: Option<&str>) {
        self.head(page);
        page.text("{\"index\":").number(index as u64).text(",\"delta\":").text(delta);
        self.tail(page, finish_reason);
    }

    fn tail(&self, page: &mut Page, finish_reason: Option<&str>) {
        page.text(",\"logprobs\":null,\"finish_reason\":").json(&finish_reason).text("}]");
        page.text(if self.call.common.include_usage { ",\"usage\":null}\n\n" } else { "}\n\n" });
    }

    fn function_start(&self, page: &mut Page, index: usize, name: &str) {
        self.head(page);
        page.text("{\"index\":").number(index as u64);
        page.text(",\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":")
            .id("call_");
        page.text(",\"type\":\"function\",\"function\":{\"name\":")
            .json(name)
            .text(",\"arguments\":\"\"}}],\"refusal\":null}");
        self.tail(page, None);
    }

    fn piece(&self, page: &mut Page, index: usize, piece: &str) {
        self.head(page);
        page.text("{\"index\":").number(index as u64);
        match &self.call.function {
            None => page.text(",\"delta\":{\"content\":").json(piece).text("}"),
            Some(_) => page
                .text(",\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":")
                .json(piece)
                .text("}}]}"),
        };
        self.tail(page, None);
    }

    fn usage_event(&self, page: &mut Page, usage: Usage) {
        self.head(page);
        page.text("],\"usage\":");
        usage.write(page, self.shape);
        page.text("}\n\n").end_event(0);
    }
}
