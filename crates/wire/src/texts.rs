//! The texts of a request, decoded, for counting with a real tokenizer. Not on the hot path.

use std::borrow::Cow;

use crate::call::{Call, TextPlace};
use crate::scan::{Kind, ScanError, Strict};

impl Call {
    /// Every text that may become prompt tokens: the decoded strings of messages, prompts and inputs (without inline
    /// payloads), token numbers as they are written, and the JSON of tools and of the response format.
    ///
    /// What stands in parameters that this relay does not know is not among them; see
    /// [`crate::Billable::unknown_parameters`].
    pub fn prompt_texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.texts.iter().flat_map(|place| {
            let mut found = Vec::new();
            match *place {
                TextPlace::Json(span) => found.push(String::from_utf8_lossy(&self.body[span.start..span.end])),
                TextPlace::Strings(span) => {
                    let mut scanner = Strict::new(&self.body[span.start..span.end]);
                    self.collect(&mut scanner, span.start, &mut found)
                        .expect("the body was scanned by the same rules when it was read");
                }
            }
            found
        })
    }

    /// Takes a value and adds its texts; `base` is where the scanner's document begins in the body.
    fn collect<'a>(
        &'a self,
        scanner: &mut Strict<'a>,
        base: usize,
        found: &mut Vec<Cow<'a, str>>,
    ) -> Result<(), ScanError> {
        match scanner.kind()? {
            Kind::String => {
                let text = scanner.string()?;
                let start = base + text.start;
                let payload = self.payloads.binary_search_by(|place| {
                    if place.end <= start {
                        core::cmp::Ordering::Less
                    } else if place.start >= start + text.raw.len() {
                        core::cmp::Ordering::Greater
                    } else {
                        core::cmp::Ordering::Equal
                    }
                });
                match payload {
                    Err(_) => found.push(text.decode()),
                    Ok(place) => {
                        let head = &text.raw[..self.payloads[place].start - start];
                        found.push(String::from_utf8_lossy(head));
                    }
                }
                Ok(())
            }
            Kind::Number => {
                found.push(String::from_utf8_lossy(scanner.number()?));
                Ok(())
            }
            Kind::Object => scanner.object(|scanner, _| self.collect(scanner, base, found)),
            Kind::Array => scanner.array(|scanner| self.collect(scanner, base, found)),
            Kind::True | Kind::False | Kind::Null => scanner.skip(),
        }
    }
}
