//! Where a resource stands in the tree of all resources, and how to cut out what a change of it needs.

use core::fmt;

use base::TenantId;
use serde_json::{Map, Value, json};
use store::ProjectPath;

/// The kinds of resources, as the paths of the interface name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Upstream,
    Model,
    Tenant,
    Project,
    Key,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] = [Kind::Upstream, Kind::Model, Kind::Tenant, Kind::Project, Kind::Key];

    /// The first part of a path: `tenants`.
    pub(crate) const fn collection(self) -> &'static str {
        match self {
            Kind::Upstream => "upstreams",
            Kind::Model => "models",
            Kind::Tenant => "tenants",
            Kind::Project => "projects",
            Kind::Key => "keys",
        }
    }

    /// One of them, as the declarative form names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Upstream => "upstream",
            Kind::Model => "model",
            Kind::Tenant => "tenant",
            Kind::Project => "project",
            Kind::Key => "key",
        }
    }

    /// The member that holds the name of one of them.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Kind::Key => "name",
            _ => "id",
        }
    }
}

/// One resource: its kind, and the names on the way to it. The last is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    steps: Vec<(Kind, String)>,
}

impl Place {
    /// Reads `acme` for a tenant, `acme/search/inner` for a project, `acme/search/ci` for a key.
    pub(crate) fn parse(kind: Kind, text: &str) -> Option<Place> {
        if matches!(kind, Kind::Upstream | Kind::Model | Kind::Tenant) {
            return Some(Place { kind, steps: vec![(kind, text.to_owned())] });
        }
        let names: Vec<&str> = text.split('/').collect();
        let least = if kind == Kind::Key { 3 } else { 2 };
        if names.len() < least || names.iter().any(|name| name.is_empty()) {
            return None;
        }
        let last = names.len() - 1;
        let kind_at = |at| match at {
            0 => Kind::Tenant,
            _ if at == last => kind,
            _ => Kind::Project,
        };
        let steps = names.iter().enumerate().map(|(at, name)| (kind_at(at), (*name).to_owned())).collect();
        Some(Place { kind, steps })
    }

    /// The resource's own name.
    pub(crate) fn own_name(&self) -> &str {
        self.steps.last().map_or("", |(_, name)| name)
    }

    /// All names from the outermost, joined by `/`.
    pub(crate) fn path(&self) -> String {
        let names: Vec<&str> = self.steps.iter().map(|(_, name)| name.as_str()).collect();
        names.join("/")
    }

    /// The tenant and the project of a project or key; `None` for other kinds, or when a name cannot be one.
    pub(crate) fn tenant_and_project(&self) -> Option<(TenantId, ProjectPath)> {
        let tenant = TenantId::new(&self.steps.first()?.1).ok()?;
        let projects: Vec<&str> =
            self.steps.iter().filter(|(kind, _)| *kind == Kind::Project).map(|(_, name)| name.as_str()).collect();
        Some((tenant, ProjectPath::parse(&projects.join("/"))?))
    }

    /// The resource in the tree.
    pub(crate) fn find<'a>(&self, tree: &'a Value) -> Option<&'a Value> {
        self.steps.iter().try_fold(tree, |parent, (kind, name)| child(parent, *kind, name))
    }

    /// A tree with nothing but the way to this resource and, at its end, `item`; `None` when the way is not there.
    ///
    /// The accounts on the way keep their own settings, and nothing beside the way is mentioned: an upsert of the result
    /// changes the item alone.
    pub(crate) fn branch(&self, tree: &Value, item: Value) -> Option<Value> {
        let (last, way) = self.steps.split_last()?;
        let mut settings = Vec::new();
        let mut parent = tree;
        for (kind, name) in way {
            parent = child(parent, *kind, name)?;
            settings.push((*kind, without_children(parent)));
        }
        let mut branch = json!({last.0.name(): [item]});
        for (kind, mut members) in settings.into_iter().rev() {
            if let Value::Object(inner) = branch {
                members.extend(inner);
            }
            branch = json!({kind.name(): [members]});
        }
        Some(branch)
    }

    /// A new item with this place's own name.
    pub(crate) fn named_item(&self) -> Value {
        json!({self.kind.label(): self.own_name()})
    }
}

/// `tenant acme`, `key acme/search/ci`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.path())
    }
}

fn child<'a>(parent: &'a Value, kind: Kind, name: &str) -> Option<&'a Value> {
    parent
        .get(kind.name())?
        .as_array()?
        .iter()
        .find(|item| item.get(kind.label()).and_then(Value::as_str) == Some(name))
}

/// The settings of an account without the projects and keys inside it.
pub(crate) fn without_children(item: &Value) -> Map<String, Value> {
    let mut members = item.as_object().cloned().unwrap_or_default();
    members.retain(|name, value| !(["project", "key"].contains(&name.as_str()) && value.is_array()));
    members
}

/// All resources of a kind in the tree, each with its whole place as text, in the order of the tree.
pub(crate) fn list(tree: &Value, kind: Kind) -> Vec<(String, Map<String, Value>)> {
    let mut found = Vec::new();
    match kind {
        Kind::Upstream | Kind::Model | Kind::Tenant => gather(tree, "", kind, &mut found),
        Kind::Project | Kind::Key => {
            for tenant in items(tree, Kind::Tenant) {
                descend(tenant, label(tenant, Kind::Tenant), kind, &mut found);
            }
        }
    }
    found
}

fn descend(account: &Value, path: &str, kind: Kind, found: &mut Vec<(String, Map<String, Value>)>) {
    if kind == Kind::Key {
        gather(account, path, Kind::Key, found);
    }
    for project in items(account, Kind::Project) {
        let path = format!("{path}/{}", label(project, Kind::Project));
        if kind == Kind::Project {
            found.push((path.clone(), without_children(project)));
        }
        descend(project, &path, kind, found);
    }
}

fn gather(parent: &Value, path: &str, kind: Kind, found: &mut Vec<(String, Map<String, Value>)>) {
    for item in items(parent, kind) {
        let name = label(item, kind);
        let place = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        found.push((place, without_children(item)));
    }
}

fn items(parent: &Value, kind: Kind) -> impl Iterator<Item = &Value> {
    parent.get(kind.name()).and_then(Value::as_array).into_iter().flatten()
}

fn label(item: &Value, kind: Kind) -> &str {
    item.get(kind.label()).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Value {
        json!({
            "model": [{"id": "a/b"}],
            "tenant": [{"id": "acme", "priority": "high", "project": [
                {"id": "search", "limits": {"concurrency": 1}, "key": [{"name": "ci"}, {"name": "web"}],
                 "project": [{"id": "inner", "key": [{"name": "ci"}]}]},
                {"id": "mail"}
            ]}]
        })
    }

    fn place(kind: Kind, text: &str) -> Place {
        Place::parse(kind, text).expect("it is a place")
    }

    #[test]
    fn everything_is_found_at_its_place() {
        let tree = tree();
        assert_eq!(place(Kind::Model, "a/b").find(&tree), Some(&json!({"id": "a/b"})));
        assert_eq!(place(Kind::Key, "acme/search/inner/ci").find(&tree), Some(&json!({"name": "ci"})));
        assert_eq!(place(Kind::Project, "acme/mail").find(&tree), Some(&json!({"id": "mail"})));
        assert_eq!(place(Kind::Key, "acme/mail/ci").find(&tree), None);
        assert_eq!(Place::parse(Kind::Key, "acme/ci"), None);
        assert_eq!(Place::parse(Kind::Project, "acme//x"), None);
    }

    #[test]
    fn a_branch_mentions_nothing_beside_the_way() {
        let branch = place(Kind::Key, "acme/search/new").branch(&tree(), json!({"name": "new"}));
        let expected = json!({"tenant": [{"id": "acme", "priority": "high", "project": [
            {"id": "search", "limits": {"concurrency": 1}, "key": [{"name": "new"}]}
        ]}]});
        assert_eq!(branch, Some(expected));
        assert_eq!(place(Kind::Key, "acme/none/new").branch(&tree(), json!({})), None);
    }

    #[test]
    fn lists_have_whole_places() {
        let names = |kind| list(&tree(), kind).into_iter().map(|(place, _)| place).collect::<Vec<_>>();
        assert_eq!(names(Kind::Key), ["acme/search/ci", "acme/search/web", "acme/search/inner/ci"]);
        assert_eq!(names(Kind::Project), ["acme/search", "acme/search/inner", "acme/mail"]);
        assert_eq!(names(Kind::Tenant), ["acme"]);
    }
}
