//! The place of a project in its tenant: the names from the outermost project to it.

use core::fmt;

use base::ProjectId;
use ecow::{EcoString, eco_format};
use serde::{Serialize, Serializer};

/// Levels of accounts in a tenant's tree at most: the tenant, its nested projects and the key.
pub const DEPTH_MAX: usize = 8;

/// The names of a project and of those around it, outermost first, joined by `/`: `search` or `search/staging`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectPath(EcoString);

impl ProjectPath {
    /// An outermost project.
    #[must_use]
    pub fn root(id: &ProjectId) -> ProjectPath {
        ProjectPath(EcoString::from(id.as_str()))
    }

    /// A project inside this one.
    #[must_use]
    pub fn child(&self, id: &ProjectId) -> ProjectPath {
        ProjectPath(eco_format!("{}/{id}", self.0))
    }

    /// Reads the joined form; `None` unless every part is a [`ProjectId`] and the depth is allowed.
    #[must_use]
    pub fn parse(text: &str) -> Option<ProjectPath> {
        let parts = text.split('/');
        let good = parts.clone().all(|part| ProjectId::new(part).is_ok());
        (good && parts.count() <= DEPTH_MAX - 2).then(|| ProjectPath(EcoString::from(text)))
    }

    /// Takes what the store itself wrote.
    pub(crate) fn from_stored(text: &str) -> ProjectPath {
        ProjectPath(EcoString::from(text))
    }

    /// The joined form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many projects the path names, at least one.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.split('/').count()
    }

    /// The project around this one, if it is not an outermost one.
    #[must_use]
    pub fn parent(&self) -> Option<ProjectPath> {
        self.0.rsplit_once('/').map(|(parent, _)| ProjectPath(EcoString::from(parent)))
    }

    /// The project's own name, the last of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for ProjectPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_made_of_project_names() {
        let path = ProjectPath::parse("search/staging").unwrap();
        assert_eq!((path.depth(), path.name(), path.parent().unwrap().as_str()), (2, "staging", "search"));
        for bad in ["", "/", "a/", "/a", "a//b", "a b", "1/2/3/4/5/6/7"] {
            assert_eq!(ProjectPath::parse(bad), None, "{bad:?}");
        }
        assert!(ProjectPath::parse("1/2/3/4/5/6").is_some());
    }
}
