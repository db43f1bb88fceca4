//! What Bedrock tells of an invoked model in the headers of an answer, for makers whose bodies tell nothing.

use super::counts::{Usage, UsageFault, count_of};
use crate::dialect::Endpoint;

/// Counts of an invoked model's answers, as far as its events told them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InvokedCounts {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) fault: Option<UsageFault>,
}

/// The headers of an answer that count its tokens: input, output, and of the input what was read from a cache and written.
pub const COUNT_HEADERS: [&str; 4] = [
    "x-amzn-bedrock-input-token-count",
    "x-amzn-bedrock-output-token-count",
    "x-amzn-bedrock-cache-read-input-token-count",
    "x-amzn-bedrock-cache-write-input-token-count",
];

/// The usage that the headers tell, whose values are in the order of [`COUNT_HEADERS`]; `None` when a count is missing.
///
/// # Errors
/// [`UsageFault`] when a count is no count.
pub fn header_usage(endpoint: Endpoint, values: [Option<&[u8]>; 4]) -> Result<Option<Usage>, UsageFault> {
    let mut counts = [None; 4];
    for (count, value) in counts.iter_mut().zip(values) {
        *count = value.map(|value| count_of(value.trim_ascii())).transpose()?;
    }
    let [input, output, cached, written] = counts;
    let output = if endpoint.is_embedding() { output.or(Some(0)) } else { output };
    let (Some(input), Some(output)) = (input, output) else { return Ok(None) };
    let (cached_input, cache_write) = (cached.unwrap_or(0), written.unwrap_or(0));
    Ok(Some(Usage { input: input + cached_input + cache_write, cached_input, cache_write, output, ..Usage::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_a_usage_only_whole_and_only_in_counts() {
        let text = |values| header_usage(Endpoint::InvokeText, values);
        let usage = text([Some(b"26"), Some(b"42"), Some(b"3"), Some(b"4")]).unwrap().unwrap();
        assert_eq!((usage.input, usage.cached_input, usage.cache_write, usage.output), (33, 3, 4, 42));
        assert_eq!(text([Some(b"26"), None, None, None]), Ok(None));
        assert_eq!(text([None, Some(b"26"), None, None]), Ok(None));
        assert_eq!(text([None; 4]), Ok(None));
        assert_eq!(text([Some(b"-1"), Some(b"2"), None, None]), Err(UsageFault::Negative));
        assert!(
            text([Some(b"a"), Some(b"2"), None, None]).is_err() && text([Some(b""), Some(b"2"), None, None]).is_err()
        );
        let vectors = header_usage(Endpoint::InvokeVectors, [Some(b"26"), None, None, None]).unwrap().unwrap();
        assert_eq!((vectors.input, vectors.output), (26, 0));
    }
}
