//! Whose machines run the models of a dialect. Google runs Anthropic's, with the same messages at other addresses: the model
//! is in the path, and a member of the body says which version of the messages it is.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::dialect::{Dialect, Endpoint};
use crate::scan::{ScanError, Strict};

/// Who runs the models. Closed, as dialects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hosting {
    /// Whoever invented the dialect, or copies it whole.
    #[default]
    Inventor,
    /// Google's Vertex, which runs the models of other publishers.
    Vertex,
}

/// The version of the messages that Vertex takes.
const VERTEX_VERSION: &[u8] = b"\"anthropic_version\":\"vertex-2023-10-16\"";

impl Hosting {
    /// The name used in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Hosting::Inventor => "inventor",
            Hosting::Vertex => "vertex",
        }
    }

    /// Whether it writes requests of `endpoint` in a way of its own.
    #[must_use]
    pub const fn has_own_form(self, endpoint: Endpoint) -> bool {
        matches!((self, endpoint.dialect()), (Hosting::Vertex, Some(Dialect::Anthropic)))
    }

    /// Whether the body has no model since the path names it.
    pub(crate) const fn names_model_in_path(self, endpoint: Endpoint) -> bool {
        self.has_own_form(endpoint) && matches!(endpoint, Endpoint::Messages)
    }

    /// The path below an upstream's `base_url` where it is not the inventor's.
    #[must_use]
    pub fn path(self, endpoint: Endpoint, stream: bool, model: &str) -> Option<String> {
        if !self.has_own_form(endpoint) {
            return None;
        }
        let (model, action) = match (endpoint, stream) {
            (Endpoint::CountMessageTokens, _) => ("count-tokens", "rawPredict"),
            (_, true) => (model, "streamRawPredict"),
            (_, false) => (model, "rawPredict"),
        };
        Some(format!("/models/{model}:{action}"))
    }

    /// A body of the other form in this one. Members keep their bytes; those that only one form has come or go.
    ///
    /// `model` and `stream` are what the path of the other form said.
    #[must_use]
    pub fn recast(self, endpoint: Endpoint, body: &Bytes, model: &str, stream: bool) -> Bytes {
        let is_messages = endpoint == Endpoint::Messages;
        let mut added: Vec<Vec<u8>> = Vec::new();
        let dropped: &[&str] = match (self, is_messages) {
            (Hosting::Vertex, true) => &["model", "anthropic_version"],
            (Hosting::Inventor, true) if stream => &["model", "anthropic_version", "stream"],
            (Hosting::Inventor, true) => &["model", "anthropic_version"],
            (_, false) => &["anthropic_version"],
        };
        match self {
            Hosting::Vertex => added.push(VERTEX_VERSION.to_vec()),
            Hosting::Inventor if is_messages => {
                let name = serde_json::to_vec(model).expect("a text is always JSON");
                added.push([b"\"model\":", &name[..]].concat());
                if stream {
                    added.push(b"\"stream\":true".to_vec());
                }
            }
            Hosting::Inventor => {}
        }
        // What was read strictly is scanned again without a fault.
        rewritten(body, dropped, added).unwrap_or_else(|_| body.clone())
    }
}

/// The object in `body` without the members of these names, with others at its beginning.
fn rewritten(body: &Bytes, dropped: &[&str], mut members: Vec<Vec<u8>>) -> Result<Bytes, ScanError> {
    let mut scanner = Strict::new(body);
    scanner.object::<ScanError>(|scanner, key| {
        let (_, end) = scanner.span()?;
        if !dropped.contains(&&*key.decode()) {
            members.push(body[key.start - 1..end].to_vec());
        }
        Ok(())
    })?;
    Ok(Bytes::from([&b"{"[..], &members.join(&b','), &b"}"[..]].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_from_one_form_to_the_other_and_back_with_the_same_members() {
        let native = Bytes::from_static(
            br#"{"model" : "m", "messages":[{"role":"user","content":"\u0041 } , {"}], "max_tokens":1e1, "stream":true}"#,
        );
        let there = Hosting::Vertex.recast(Endpoint::Messages, &native, "m", true);
        assert_eq!(
            there,
            r#"{"anthropic_version":"vertex-2023-10-16","messages":[{"role":"user","content":"\u0041 } , {"}],"max_tokens":1e1,"stream":true}"#
        );
        let back = Hosting::Inventor.recast(Endpoint::Messages, &there, "mine/m", true);
        assert_eq!(
            back,
            r#"{"model":"mine/m","stream":true,"messages":[{"role":"user","content":"\u0041 } , {"}],"max_tokens":1e1}"#
        );
        // A name that is written with escapes is the same name.
        let hidden = Bytes::from_static(br#"{"\u006dodel":"x"}"#);
        assert_eq!(Hosting::Inventor.recast(Endpoint::Messages, &hidden, "m", false), r#"{"model":"m"}"#);
    }

    #[test]
    fn counting_keeps_its_model_in_the_body() {
        let native = Bytes::from_static(br#"{"model":"m","messages":[]}"#);
        let there = Hosting::Vertex.recast(Endpoint::CountMessageTokens, &native, "m", false);
        assert_eq!(there, r#"{"anthropic_version":"vertex-2023-10-16","model":"m","messages":[]}"#);
        let back = Hosting::Inventor.recast(Endpoint::CountMessageTokens, &there, "m", false);
        assert_eq!(back, native);
    }

    #[test]
    fn paths_are_those_of_the_publisher() {
        let path = |endpoint, stream| Hosting::Vertex.path(endpoint, stream, "claude-x@1");
        assert_eq!(path(Endpoint::Messages, false).as_deref(), Some("/models/claude-x@1:rawPredict"));
        assert_eq!(path(Endpoint::Messages, true).as_deref(), Some("/models/claude-x@1:streamRawPredict"));
        assert_eq!(path(Endpoint::CountMessageTokens, false).as_deref(), Some("/models/count-tokens:rawPredict"));
        assert_eq!(path(Endpoint::GenerateContent, false), None);
        assert_eq!(Hosting::Inventor.path(Endpoint::Messages, true, "m"), None);
    }
}
