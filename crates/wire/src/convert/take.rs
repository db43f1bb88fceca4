//! Takes values of a request out of its nodes, or says which field is wrong.

use std::borrow::Cow;

use super::fault::{At, Fault};
use super::node::{Members, Node};
use super::talk::{Body, Cache, Part, Place, Setting, Source};

pub(super) fn text<'a>(node: Node<'a>, at: &At<'_>) -> Result<Cow<'a, str>, Fault> {
    node.text().ok_or_else(|| Fault::invalid(at, "a text"))
}

pub(super) fn members<'a>(node: Node<'a>, at: &At<'_>) -> Result<Members<'a>, Fault> {
    node.members().ok_or_else(|| Fault::invalid(at, "an object"))
}

pub(super) fn items<'a>(node: Node<'a>, at: &At<'_>) -> Result<Vec<Node<'a>>, Fault> {
    node.items().ok_or_else(|| Fault::invalid(at, "an array"))
}

pub(super) fn boolean(node: Node<'_>, at: &At<'_>) -> Result<bool, Fault> {
    node.boolean().ok_or_else(|| Fault::invalid(at, "true or false"))
}

/// A number, kept as it is written.
pub(super) fn number<'a>(node: Node<'a>, name: &'static str) -> Result<Option<Setting<'a>>, Fault> {
    let raw = node.number().ok_or_else(|| Fault::invalid(name, "a number"))?;
    Ok(Some(Setting { name, raw }))
}

/// Refuses whatever an object has beside `known`.
pub(super) fn only(node: Node<'_>, at: &At<'_>, known: &[&str]) -> Result<(), Fault> {
    for (name, _) in members(node, at)? {
        if !known.contains(&&*name) {
            return at.unknown(&name);
        }
    }
    Ok(())
}

/// A member that must be there.
pub(super) fn needed<T>(value: Option<T>, at: &At<'_>, name: &str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::invalid(at.name(name), "given"))
}

/// A text, or an array of texts.
pub(super) fn texts<'a>(node: Node<'a>, at: &At<'_>) -> Result<Vec<Cow<'a, str>>, Fault> {
    if let Some(one) = node.text() {
        return Ok(vec![one]);
    }
    let all = items(node, at)?.into_iter().enumerate();
    all.map(|(index, item)| text(item, &at.item(index))).collect()
}

/// `{"type": "ephemeral", "ttl": "1h"}`.
pub(super) fn cache(node: Node<'_>, at: &At<'_>) -> Result<Option<Cache>, Fault> {
    let mut cache = Cache::Short;
    for (name, value) in members(node, at)? {
        match (&*name, value.text().as_deref()) {
            ("type", Some("ephemeral")) | ("ttl", Some("5m")) => {}
            ("ttl", Some("1h")) => cache = Cache::Hour,
            (name, _) => return at.unknown(name),
        }
    }
    Ok(Some(cache))
}

/// An address, or a `data:` address with the bytes in it.
pub(super) fn source<'a>(address: Cow<'a, str>, at: &At<'_>) -> Result<Source<'a>, Fault> {
    if !address.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        return Ok(Source::Url { url: address, media: None });
    }
    let parts =
        split_data(&address).ok_or_else(|| Fault::invalid(at, "an address, or data: with a type and base64"))?;
    let (media, data) = parts;
    Ok(match &address {
        Cow::Borrowed(whole) => Source::Inline {
            media: Cow::Borrowed(&whole[5..5 + media.len()]),
            data: Cow::Borrowed(&whole[whole.len() - data.len()..]),
        },
        Cow::Owned(_) => Source::Inline { media: media.to_owned().into(), data: data.to_owned().into() },
    })
}

/// The type and the payload of a `data:` address in base64.
fn split_data(address: &str) -> Option<(&str, &str)> {
    let (head, data) = address.get(5..)?.split_once(',')?;
    let media = head.strip_suffix(";base64")?;
    // Parameters of a type, such as a character set, say nothing of an image.
    let media_end = media.find(';').unwrap_or(media.len());
    (media_end == media.len() && !media.is_empty()).then_some((media, data))
}

/// A text, or parts of which each is read by `part`.
pub(super) fn parts<'a>(
    value: Node<'a>,
    place: Place,
    at: &At<'_>,
    mut part: impl FnMut(Node<'a>, &At<'_>) -> Result<Option<Part<'a>>, Fault>,
) -> Result<Vec<Part<'a>>, Fault> {
    if let Some(text) = value.text() {
        return Ok(if text.is_empty() { vec![] } else { vec![Part::new(place, Body::Text(text))] });
    }
    let mut parts = Vec::new();
    for (index, item) in items(value, at)?.into_iter().enumerate() {
        parts.extend(part(item, &at.item(index))?);
    }
    Ok(parts)
}

/// A part, unless it is a text of nothing.
pub(super) fn unless_empty(place: Place, body: Body<'_>) -> Option<Part<'_>> {
    let is_empty = matches!(&body, Body::Text(text) if text.is_empty());
    (!is_empty).then(|| Part::new(place, body))
}
