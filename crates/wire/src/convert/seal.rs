//! Seals on thinking. Only who made a seal can read it, and whoever gets another's refuses the whole request: so each knows
//! its maker, also when it comes back from a client whose dialect is another maker's.

use std::borrow::Cow;

/// Who makes seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    /// Wherever its models are served.
    Anthropic,
    Google,
    Openai,
}

/// What stands before a seal in a dialect of another maker: as long as six bytes in base64, so that it lasts in clients that
/// decode seals and encode them again.
const ANTHROPIC_MARK: &str = "AnthSeal";
const GOOGLE_MARK: &str = "GoogSeal";
/// The same before thinking of Anthropic's that is nothing but sealed.
const REDACTED_MARK: &str = "AnthHide";

/// How OpenAI's seals begin, the version and the first bytes of a time in base64: they need no mark.
const OPENAI_START: &str = "gAAAAA";

/// A seal, as its maker wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seal<'a> {
    maker: Maker,
    data: Cow<'a, str>,
}

impl<'a> Seal<'a> {
    /// Reads a seal at a place of `own`'s, who made it where nothing else is said; `None` where nobody knows who did, or
    /// there is none.
    pub(super) fn read(text: Cow<'a, str>, own: Option<Maker>) -> Option<Seal<'a>> {
        if text.is_empty() || text.starts_with(REDACTED_MARK) {
            return None;
        }
        for (maker, mark) in [(Maker::Anthropic, ANTHROPIC_MARK), (Maker::Google, GOOGLE_MARK)] {
            if text.starts_with(mark) {
                return Some(Seal { maker, data: standard(behind(text, mark)) });
            }
        }
        if text.starts_with(OPENAI_START) {
            return Some(Seal { maker: Maker::Openai, data: for_addresses(text) });
        }
        let maker = own.filter(|own| *own != Maker::Openai)?;
        Some(Seal { maker, data: text })
    }

    /// The seal at a place of `own`'s.
    pub(super) fn written(&self, own: Option<Maker>) -> Cow<'_, str> {
        match self.maker {
            maker if Some(maker) == own => Cow::Borrowed(&self.data),
            Maker::Anthropic => format!("{ANTHROPIC_MARK}{}", self.data).into(),
            Maker::Google => format!("{GOOGLE_MARK}{}", self.data).into(),
            // Some clients decode what stands where Google has seals, in the standard alphabet.
            Maker::Openai if own == Some(Maker::Google) => standard(Cow::Borrowed(&self.data)),
            Maker::Openai => Cow::Borrowed(&self.data),
        }
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The seal of an answer, which outlives the bytes that it was read from.
    pub(super) fn into_owned(self) -> Seal<'static> {
        Seal { maker: self.maker, data: Cow::Owned(self.data.into_owned()) }
    }
}

/// The seal, if `maker` made it.
pub(super) fn made_by<'s>(maker: Maker, seal: &'s Option<Seal<'_>>) -> Option<&'s str> {
    seal.as_ref().filter(|seal| seal.maker == maker).map(|seal| &*seal.data)
}

/// Anthropic's sealed thinking, where another's dialect has a seal.
pub(super) fn redacted(text: &str) -> Option<Cow<'static, str>> {
    text.strip_prefix(REDACTED_MARK).map(|data| standard(Cow::Owned(data.to_owned())))
}

/// The same the other way.
pub(super) fn mark_redacted(data: &str) -> String {
    format!("{REDACTED_MARK}{data}")
}

fn behind<'a>(text: Cow<'a, str>, mark: &str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[mark.len()..]),
        Cow::Owned(mut text) => Cow::Owned(text.split_off(mark.len())),
    }
}

/// Base64 in the standard alphabet. Clients that encoded a seal again may have used the other one.
fn standard(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(['-', '_']) { text.replace('-', "+").replace('_', "/").into() } else { text }
}

/// Base64 in the alphabet for addresses, which is OpenAI's.
fn for_addresses(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(['+', '/']) { text.replace('+', "-").replace('/', "_").into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Maker; 3] = [Maker::Anthropic, Maker::Google, Maker::Openai];

    #[test]
    fn a_seal_comes_back_from_any_place_as_its_makers() {
        for (maker, data) in [(Maker::Anthropic, "Er+/"), (Maker::Google, "Ci+/"), (Maker::Openai, "gAAAAAB-_x==")] {
            let seal = Seal::read(data.into(), Some(maker)).expect("a seal");
            for place in ALL.map(Some).into_iter().chain([None]) {
                let there = seal.written(place).into_owned();
                assert!(place != Some(maker) || there == data, "{there}");
                // What clients that decode seals send back.
                for again in [there.clone(), there.replace('+', "-").replace('/', "_")] {
                    if again == there || place != Some(maker) {
                        assert_eq!(Seal::read(again.into(), place).as_ref(), Some(&seal), "{maker:?} {place:?}");
                    }
                }
                let made = Some(Seal { maker, data: data.into() });
                assert_eq!(ALL.map(|other| made_by(other, &made).is_some()), ALL.map(|other| other == maker));
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_no_seal() {
        for place in [None, Some(Maker::Openai)] {
            assert_eq!(Seal::read("rs_1".into(), place), None);
        }
        assert_eq!(Seal::read("".into(), Some(Maker::Google)), None);
        let hidden = mark_redacted("Er+/");
        assert_eq!(Seal::read(hidden.clone().into(), Some(Maker::Anthropic)), None);
        assert_eq!(redacted(&hidden).as_deref(), Some("Er+/"));
        assert_eq!(redacted("Er+/"), None);
        assert!([ANTHROPIC_MARK, GOOGLE_MARK, REDACTED_MARK].iter().all(|mark| mark.len() % 4 == 0));
    }
}
