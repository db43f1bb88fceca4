//! The object in which some dialects put the output limit and its like (`generationConfig`, `inferenceConfig`, `options`).

use std::borrow::Cow;

use base::Refusal;
use smallvec::SmallVec;

use super::body::{Draft, duplicate};
use super::fields::{span, wrong_kind};
use crate::call::NestedPlaces;
use crate::scan::{Kind, Strict};

/// Members of one object at most.
const MEMBERS_MAX: usize = 64;

/// Names that stand as they are.
pub(super) fn as_written(name: Cow<'_, str>) -> String {
    name.into_owned()
}

impl<'a> Draft<'a> {
    /// Takes it: `member` gets each member by the name that `named` makes of what is written, and must take its value. A
    /// name that comes twice is refused, since parsers differ in which one they take.
    pub(super) fn nested(
        &mut self,
        scanner: &mut Strict<'a>,
        object: &str,
        named: impl Fn(Cow<'_, str>) -> String,
        mut member: impl FnMut(&mut Self, &mut Strict<'a>, &str) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => {
                self.places.nested = NestedPlaces::Null(span(scanner)?);
                return Ok(());
            }
            Kind::Object => {}
            _ => return wrong_kind(object, "an object"),
        }
        let inside = scanner.at() + 1;
        let mut seen: SmallVec<[String; 8]> = SmallVec::new();
        scanner.object::<Refusal>(|scanner, key| {
            let name = named(key.decode());
            if seen.contains(&name) || seen.len() >= MEMBERS_MAX {
                return Err(duplicate(&format!("{object}.{}", name.escape_debug())));
            }
            member(self, scanner, &name)?;
            seen.push(name);
            Ok(())
        })?;
        self.places.nested = NestedPlaces::Object { inside, is_empty: seen.is_empty() };
        Ok(())
    }
}
