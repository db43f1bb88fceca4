//! Resources: apply and export as a whole; list, show, create, update and delete one by one.
//!
//! Single changes are small applies: the item is cut out of the tree, changed, and put back under the same checks.

use std::sync::{Arc, Mutex, PoisonError};

use base::{KeyId, ModelId, TenantId, UpstreamId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::{Action, Applied, ApplyError, ApplyOptions, NewSecret, ProjectPath, Resources, Store};

use crate::Live;
use crate::error::{Failure, Problem};
use crate::merge::merge;
use crate::place::{self, Kind, Place};

/// What every request needs.
pub(crate) struct Control {
    pub(crate) store: Arc<Store>,
    pub(crate) live: Option<Arc<dyn Live>>,
    /// Held from reading a resource to writing it changed, so that two changes do not lose one.
    pub(crate) changing: Mutex<()>,
}

/// The body of `POST /v1/apply`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyRequest {
    pub(crate) resources: Value,
    #[serde(default)]
    pub(crate) dry_run: bool,
    #[serde(default)]
    pub(crate) prune: bool,
}

/// What a change did.
#[derive(Debug, Serialize)]
pub(crate) struct ChangeReport {
    /// Whether this is only what would be done.
    dry_run: bool,
    changes: Vec<ChangeLine>,
    /// New secrets; they are shown nowhere else and never again.
    secrets: Vec<SecretLine>,
    /// What stops nothing but deserves a look.
    warnings: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct ChangeLine {
    action: &'static str,
    kind: String,
    id: String,
    details: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SecretLine {
    key: String,
    secret: String,
}

impl SecretLine {
    fn new(made: &NewSecret) -> SecretLine {
        SecretLine { key: made.key.clone(), secret: made.secret.expose().clone() }
    }
}

impl ChangeReport {
    fn new(applied: &Applied, dry_run: bool) -> ChangeReport {
        let line = |change: &store::Change| ChangeLine {
            action: match change.action {
                Action::Created => "created",
                Action::Updated => "updated",
                Action::Deleted => "deleted",
                Action::Unchanged => "unchanged",
            },
            kind: change.kind.to_string(),
            id: change.id.clone(),
            details: change.details.clone(),
        };
        ChangeReport {
            dry_run,
            changes: applied.changes.iter().map(line).collect(),
            secrets: applied.new_secrets.iter().map(SecretLine::new).collect(),
            warnings: applied.warnings.iter().cloned().map(told).collect(),
        }
    }

    /// One change of one resource, in words.
    fn single(action: &'static str, place: &Place, detail: &str) -> ChangeReport {
        let kind = place.kind.name().to_owned();
        let line = ChangeLine { action, kind, id: place.path(), details: vec![detail.to_owned()] };
        ChangeReport { dry_run: false, changes: vec![line], secrets: Vec::new(), warnings: Vec::new() }
    }
}

fn told(problem: store::Problem) -> Problem {
    Problem { path: problem.path, message: problem.message }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Failure {
        match error {
            ApplyError::Store(error) => Failure::store(error),
            ApplyError::Problems(problems) => Failure::problems(problems.into_iter().map(told).collect()),
        }
    }
}

impl Control {
    /// Makes everything as the request describes it.
    pub(crate) fn apply(&self, request: ApplyRequest) -> Result<ChangeReport, Failure> {
        let _changing = self.lock();
        self.apply_tree(request.resources, request.dry_run, request.prune)
    }

    /// All resources as JSON.
    pub(crate) fn export(&self) -> Result<Value, Failure> {
        let resources = self.store.export().map_err(Failure::store)?;
        serde_json::to_value(resources).map_err(Failure::store)
    }

    /// All resources of a kind, of one tenant where one is named, each with its whole place.
    pub(crate) fn list(&self, kind: Kind, tenant: Option<&str>) -> Result<Value, Failure> {
        let tree = self.export()?;
        if let Some(name) = tenant {
            let exists = Place::parse(Kind::Tenant, name).and_then(|place| place.find(&tree).map(|_| ()));
            exists.ok_or_else(|| Failure::not_found(format!("tenant {name}")))?;
        }
        let inside = |place: &str| tenant.is_none_or(|tenant| place.split('/').next() == Some(tenant));
        let rows = place::list(&tree, kind).into_iter().filter(|(place, _)| inside(place));
        let rows = rows.map(|(place, mut members)| {
            members.insert("place".into(), Value::from(place));
            Value::Object(members)
        });
        Ok(json!({kind.collection(): rows.collect::<Vec<_>>()}))
    }

    /// One resource with everything inside it.
    pub(crate) fn show(&self, place: &Place) -> Result<Value, Failure> {
        let tree = self.export()?;
        place.find(&tree).cloned().ok_or_else(|| Failure::not_found(place))
    }

    /// Creates a resource with the given settings.
    pub(crate) fn create(&self, place: &Place, settings: Map<String, Value>) -> Result<ChangeReport, Failure> {
        let _changing = self.lock();
        let tree = self.export()?;
        if place.find(&tree).is_some() {
            return Err(Failure::exists(place));
        }
        let mut item = place.named_item();
        merge(&mut item, own_settings(place, settings)?);
        self.put(place, &tree, item)
    }

    /// Changes the named settings of a resource and keeps the others; `null` takes a setting away.
    pub(crate) fn update(&self, place: &Place, settings: Map<String, Value>) -> Result<ChangeReport, Failure> {
        let _changing = self.lock();
        let tree = self.export()?;
        let item = place.find(&tree).ok_or_else(|| Failure::not_found(place))?;
        let mut item = Value::Object(place::without_children(item));
        merge(&mut item, own_settings(place, settings)?);
        self.put(place, &tree, item)
    }

    /// Sets the status of a tenant.
    pub(crate) fn set_status(&self, place: &Place, status: &str) -> Result<ChangeReport, Failure> {
        self.update(place, Map::from_iter([("status".to_owned(), Value::from(status))]))
    }

    /// Gives a key a new secret; the old one is refused from now on.
    pub(crate) fn rotate(&self, place: &Place) -> Result<ChangeReport, Failure> {
        let _changing = self.lock();
        let (tenant, project, key) = self.key(place)?;
        let secret = self.store.rotate_key(&tenant, &project, &key)?;
        self.refresh();
        let mut report = ChangeReport::single("updated", place, "secret");
        report.secrets.push(SecretLine { key: place.path(), secret: secret.expose().clone() });
        Ok(report)
    }

    /// Refuses a key for good.
    pub(crate) fn revoke(&self, place: &Place) -> Result<ChangeReport, Failure> {
        let _changing = self.lock();
        let (tenant, project, key) = self.key(place)?;
        let was_active = self.store.revoke_key(&tenant, &project, &key)?;
        self.refresh();
        Ok(ChangeReport::single(if was_active { "updated" } else { "unchanged" }, place, "status"))
    }

    /// Deletes a resource with everything inside it; usage records stay.
    pub(crate) fn delete(&self, place: &Place) -> Result<ChangeReport, Failure> {
        let _changing = self.lock();
        place.find(&self.export()?).ok_or_else(|| Failure::not_found(place))?;
        let bad_name = |_| Failure::not_found(place);
        let name = place.own_name();
        let applied = match place.kind {
            Kind::Upstream => self.store.delete_upstream(&UpstreamId::new(name).map_err(bad_name)?)?,
            Kind::Model => self.store.delete_model(&ModelId::new(name).map_err(bad_name)?)?,
            Kind::Tenant => self.store.delete_tenant(&TenantId::new(name).map_err(bad_name)?)?,
            Kind::Project => {
                let (tenant, project) = place.tenant_and_project().ok_or_else(|| Failure::not_found(place))?;
                self.store.delete_project(&tenant, &project)?
            }
            Kind::Key => {
                let (tenant, project, key) = self.key(place)?;
                self.store.delete_key(&tenant, &project, &key)?
            }
        };
        self.refresh();
        Ok(ChangeReport::new(&applied, false))
    }

    /// The names of a key that exists.
    fn key(&self, place: &Place) -> Result<(TenantId, ProjectPath, KeyId), Failure> {
        place.find(&self.export()?).ok_or_else(|| Failure::not_found(place))?;
        let names = place.tenant_and_project().zip(KeyId::new(place.own_name()).ok());
        names.map(|((tenant, project), key)| (tenant, project, key)).ok_or_else(|| Failure::not_found(place))
    }

    /// Brings what was just written into force. Without a serving process there is nothing to bring it into.
    pub(crate) fn refresh(&self) {
        if let Some(live) = &self.live {
            live.refresh();
        }
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, place: &Place, tree: &Value, item: Value) -> Result<ChangeReport, Failure> {
        let branch = place.branch(tree, item).ok_or_else(|| {
            Failure::not_found(format!("account that {place} could belong to; create its tenant and project first"))
        })?;
        self.apply_tree(branch, false, false)
    }

    fn apply_tree(&self, resources: Value, dry_run: bool, prune: bool) -> Result<ChangeReport, Failure> {
        let resources: Resources = serde_json::from_value(resources)
            .map_err(|error| Failure::malformed(format!("The resources cannot be used: {error}.")))?;
        let applied = self.store.apply(&resources, ApplyOptions { prune, dry_run })?;
        if !dry_run {
            self.refresh();
        }
        Ok(ChangeReport::new(&applied, dry_run))
    }
}

/// Settings must be the resource's own: its name stays, and what is inside it has paths of its own.
fn own_settings(place: &Place, settings: Map<String, Value>) -> Result<Value, Failure> {
    let label = place.kind.label();
    if settings.get(label).is_some_and(|name| name.as_str() != Some(place.own_name())) {
        return Err(Failure::malformed(format!("The {label} of a {} never changes.", place.kind.name())));
    }
    if settings.contains_key("project") || settings.contains_key("key") {
        return Err(Failure::malformed("Projects and keys are changed by their own paths, or all at once by apply."));
    }
    Ok(Value::Object(settings))
}
