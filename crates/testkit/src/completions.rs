//! completions answers (the older text endpoint), plain and streamed.

use crate::call::CompletionCall;
use crate::fault::UsageShape;
use crate::pieces::Product;
use crate::render::{FINGERPRINT, Page, Usage};

/// What the model says to all prompts; `n` choices each, in the order of the prompts.
pub(crate) struct CompletionAnswer<'a> {
    pub(crate) call: &'a CompletionCall,
    pub(crate) products: Vec<Product>,
    pub(crate) usage: Usage,
    pub(crate) shape: Option<UsageShape>,
}

impl CompletionAnswer<'_> {
    /// The prompt comes first when the caller wants it echoed.
    fn echoed(&self, index: usize) -> &str {
        if self.call.echo { &self.call.prompts[index / self.call.common.choices] } else { "" }
    }

    pub(crate) fn plain(&self) -> Page {
        let mut page = Page::default();
        page.text("{\"id\":").id("cmpl-").text(",\"object\":\"text_completion\",\"created\":").created();
        page.text(",\"model\":").json(&self.call.common.model).text(",\"choices\":[");
        for (index, product) in self.products.iter().enumerate() {
            page.text(if index == 0 { "" } else { "," }).text("{\"text\":");
            page.json(&format!("{}{}", self.echoed(index), product.text())).text(",\"index\":").number(index as u64);
            page.text(",\"logprobs\":null,\"finish_reason\":").json(reason(product)).text("}");
        }
        page.text("]");
        if self.shape == Some(UsageShape::Twice) {
            page.text(",\"usage\":");
            self.usage.half().write(&mut page, None);
        }
        if self.shape != Some(UsageShape::Missing) {
            page.text(",\"usage\":");
            self.usage.write(&mut page, self.shape);
        }
        page.text(",\"system_fingerprint\":").json(FINGERPRINT).text("}").end_event(self.usage.completion);
        page
    }

    pub(crate) fn stream(&self) -> Page {
        let mut page = Page::default();
        let spare_tokens = self.usage.completion - self.products.iter().map(Product::tokens).sum::<u64>();
        for (index, product) in self.products.iter().enumerate() {
            let echoed = self.echoed(index).to_owned();
            self.chunk(&mut page, index, &echoed, None);
            // Candidates that `best_of` drops are billed too, with the first event.
            page.end_event(product.reasoning_tokens + if index == 0 { spare_tokens } else { 0 });
            for piece in &product.pieces {
                self.chunk(&mut page, index, piece, None);
                page.end_event(1);
            }
            self.chunk(&mut page, index, "", Some(reason(product)));
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
        page.text("data: {\"id\":").id("cmpl-").text(",\"object\":\"text_completion\",\"created\":").created();
        page.text(",\"model\":").json(&self.call.common.model).text(",\"choices\":[");
    }

    fn chunk(&self, page: &mut Page, index: usize, text: &str, finish_reason: Option<&str>) {
        self.head(page);
        page.text("{\"text\":").json(text).text(",\"index\":").number(index as u64);
        page.text(",\"logprobs\":null,\"finish_reason\":").json(&finish_reason).text("}],\"system_fingerprint\":");
        page.json(FINGERPRINT);
        page.text(if self.call.common.include_usage { ",\"usage\":null}\n\n" } else { "}\n\n" });
    }

    fn usage_event(&self, page: &mut Page, usage: Usage) {
        self.head(page);
        page.text("],\"usage\":");
        usage.write(page, self.shape);
        page.text("}\n\n").end_event(0);
    }
}

fn reason(product: &Product) -> &'static str {
    if product.is_cut { "length" } else { "stop" }
}
