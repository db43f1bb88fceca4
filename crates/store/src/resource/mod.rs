//! The declarative forms of everything an operator sets up: what `apply` reads and `export` writes.

mod limits;
mod model;
mod network;
mod path;
mod tenant;
mod text;
mod upstream;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub use model::{ModelResource, RouteResource};
pub use network::{Network, NetworkError};
pub use path::{DEPTH_MAX, ProjectPath};
pub use tenant::{Defaults, KeyResource, KeyStatus, Plan, ProjectResource, Temperature, TenantResource, TenantStatus};
pub use upstream::{ApiKey, HttpVersion, TimeoutsResource, UpstreamResource};

/// A whole resource file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Addresses with credentials.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<UpstreamResource>,
    /// Public model names with prices and routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<ModelResource>,
    /// Customers and departments with their projects and keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tenant: Vec<TenantResource>,
}

impl Resources {
    /// The full names of all keys: `acme/search/ci`.
    pub(crate) fn key_names(&self) -> HashSet<String> {
        let mut names = HashSet::new();
        for tenant in &self.tenant {
            for project in &tenant.project {
                collect(project, tenant.id.as_str(), &ProjectPath::root(&project.id), &mut names);
            }
        }
        names
    }
}

/// The names of the keys in a project and those inside it.
fn collect(project: &ProjectResource, tenant: &str, path: &ProjectPath, names: &mut HashSet<String>) {
    names.extend(project.key.iter().map(|key| format!("{tenant}/{path}/{}", key.name)));
    for child in &project.project {
        collect(child, tenant, &path.child(&child.id), names);
    }
}
