//! embeddings answers: a vector of length one that depends on the text alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::call::EmbeddingCall;
use crate::fault::UsageShape;
use crate::render::Page;

pub(crate) fn plain(call: &EmbeddingCall, dimensions_default: usize, shape: Option<UsageShape>) -> Page {
    let dimensions = call.dimensions.unwrap_or(dimensions_default).clamp(1, 4096);
    let mut page = Page::default();
    page.text("{\"object\":\"list\",\"data\":[");
    for (index, input) in call.inputs.iter().enumerate() {
        page.text(if index == 0 { "" } else { "," }).text("{\"object\":\"embedding\",\"index\":").number(index as u64);
        page.text(",\"embedding\":");
        let vector = vector(input, dimensions);
        if call.is_base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            page.json(&STANDARD.encode(bytes));
        } else {
            page.json(&vector);
        }
        page.text("}");
    }
    page.text("],\"model\":").json(&call.model);
    if shape != Some(UsageShape::Missing) {
        let tokens = match shape {
            Some(UsageShape::Negative) => format!("-{}", call.prompt_tokens.max(1)),
            Some(UsageShape::Absurd) => "9000000000000000".to_owned(),
            Some(UsageShape::Fractional) => format!("{}.5", call.prompt_tokens),
            Some(UsageShape::Text) => format!("\"{}\"", call.prompt_tokens),
            _ => call.prompt_tokens.to_string(),
        };
        let copies = if shape == Some(UsageShape::Twice) { 2 } else { 1 };
        for _ in 0..copies {
            page.text(",\"usage\":{\"prompt_tokens\":")
                .text(&tokens)
                .text(",\"total_tokens\":")
                .text(&tokens)
                .text("}");
        }
    }
    page.text("}").end_event(0);
    page
}

fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    // FNV-1a: equal texts must give equal vectors on every machine and in every version.
    let seed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut random = fastrand::Rng::with_seed(seed);
    let raw: Vec<f32> = (0..dimensions).map(|_| random.f32() * 2.0 - 1.0).collect();
    let length = raw.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    raw.into_iter().map(|number| number / length).collect()
}
