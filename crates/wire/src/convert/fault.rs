//! What cannot be translated, by the name that the client gave it.

use core::fmt::{self, Display};

use base::Refusal;

/// A field at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    param: String,
    reason: String,
    /// The field is wrong in any dialect.
    is_invalid: bool,
}

impl Fault {
    /// The target has no word for it.
    pub(super) fn unsupported(param: impl Display, what: impl Display) -> Fault {
        let param = param.to_string();
        let reason = format!("'{param}': {what} cannot be translated for the provider of this model. Leave it out.");
        Fault { param, reason, is_invalid: false }
    }

    /// It is not what the client's own dialect says.
    pub(super) fn invalid(param: impl Display, expected: &str) -> Fault {
        let param = param.to_string();
        let reason = format!("'{param}' must be {expected}.");
        Fault { param, reason, is_invalid: true }
    }

    pub(super) fn refusal(self) -> Refusal {
        if self.is_invalid {
            Refusal::invalid(Some(&self.param), self.reason)
        } else {
            Refusal::UnsupportedField { param: self.param, reason: self.reason }
        }
    }
}

/// Where a reader is in a body; written out only when something is wrong there.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'p> {
    Top,
    Name(&'p At<'p>, &'p str),
    Item(&'p At<'p>, usize),
}

impl<'p> At<'p> {
    pub(super) const fn name(&'p self, name: &'p str) -> At<'p> {
        At::Name(self, name)
    }

    pub(super) const fn item(&'p self, index: usize) -> At<'p> {
        At::Item(self, index)
    }

    /// A member that the neutral form has no place for.
    pub(super) fn unknown<T>(&self, name: &str) -> Result<T, Fault> {
        Err(Fault::unsupported(self.name(name), "this field"))
    }
}

impl Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Top => f.write_str("body"),
            At::Name(At::Top, name) => f.write_str(name),
            At::Name(parent, name) => write!(f, "{parent}.{name}"),
            At::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}
