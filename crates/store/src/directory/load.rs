//! From rows of the store to the live directory: everything at start-up, then only what changed.

use std::sync::Arc;

use base::{AccountLimits, ModelId, Priority, TenantId};
use catalog::Catalog;
use jiff::tz::TimeZone;
use rusqlite::Connection;

use super::account::AccountName;
use super::by_hash::{ByHash, ById};
use super::live::RareKey;
use super::state::State;
use super::{Account, AccountSettings, Directory, LiveKey, LiveTenant};
use crate::entries::wallet;
use crate::resource::{KeyResource, KeyStatus, ProjectPath, ProjectResource, TenantResource, TenantStatus};
use crate::rows::{self, KeyRow, ProjectRow, Row};
use crate::secret::SecretHash;
use crate::{ChangeNote, Kind, StoreError, feed, supply};

/// Reads all rows in one consistent view.
pub(super) fn everything(directory: &Directory, state: &mut State) -> Result<(), StoreError> {
    let mut reader = directory.store.reader();
    let view = reader.transaction()?;
    let sequence = feed::head(&view)?;
    let version = sequence.max(1);
    let mut upstreams = Vec::new();
    rows::each_upstream(&view, |row| {
        upstreams.push(supply::upstream(&row.form, &directory.store.master)?);
        Ok(())
    })?;
    let mut models = Vec::new();
    rows::each_model(&view, |row| {
        models.push(supply::model(&row.form, rows::prices(&view, row.number)?)?);
        Ok(())
    })?;
    directory.catalog.store(Arc::new(Catalog::new(models, upstreams)));
    rows::each_tenant(&view, |row| put_tenant(directory, state, &view, version, row))?;
    rows::each_project(&view, |row| put_project(state, version, row))?;
    rows::each_key(&view, |row| put_key(directory, state, version, row))?;
    state.sequence = sequence;
    Ok(())
}

/// Reads the rows that changed, in one consistent view.
pub(super) fn changes(directory: &Directory, state: &mut State) -> Result<usize, StoreError> {
    let mut reader = directory.store.reader();
    let view = reader.transaction()?;
    let head = feed::head(&view)?;
    if head == state.sequence {
        return Ok(0);
    }
    let notes = feed::since(&view, state.sequence)?;
    let mut catalog: Option<Catalog> = None;
    for note in &notes {
        let applied = match note.kind {
            Kind::Upstream | Kind::Model => {
                let catalog = catalog.get_or_insert_with(|| Catalog::clone(&directory.catalog.load()));
                change_supply(directory, &view, note, catalog)
            }
            Kind::Tenant => change_tenant(directory, state, &view, note),
            Kind::Project => change_project(state, &view, note),
            Kind::Key => change_key(directory, state, &view, note),
        };
        match applied {
            Ok(()) => {}
            // The database itself fails: nothing is known, so the whole round comes again.
            Err(error @ StoreError::Database(_)) => return Err(error),
            Err(error) => {
                tracing::error!(%error, kind = note.kind.name(), number = note.number, "a change cannot be read");
            }
        }
    }
    if let Some(catalog) = catalog {
        directory.catalog.store(Arc::new(catalog));
    }
    state.sequence = head;
    Ok(notes.len())
}

fn change_supply(
    directory: &Directory,
    view: &Connection,
    note: &ChangeNote,
    catalog: &mut Catalog,
) -> Result<(), StoreError> {
    if note.kind == Kind::Upstream {
        let Some(row) = rows::upstream(view, note.number)? else { return Ok(()) };
        if row.deleted {
            *catalog = catalog.without_upstream(row.form.id.as_str());
        } else {
            *catalog = catalog.with_upstream(supply::upstream(&row.form, &directory.store.master)?);
        }
        return Ok(());
    }
    let Some(row) = rows::model(view, note.number)? else { return Ok(()) };
    if row.deleted {
        *catalog = catalog.without_model(row.form.id.as_str());
    } else {
        *catalog = catalog.with_model(supply::model(&row.form, rows::prices(view, row.number)?)?);
    }
    Ok(())
}

fn change_tenant(
    directory: &Directory,
    state: &mut State,
    view: &Connection,
    note: &ChangeNote,
) -> Result<(), StoreError> {
    match rows::tenant(view, note.number)? {
        Some(row) if !row.deleted => put_tenant(directory, state, view, note.sequence, row),
        _ => {
            if let Some(tenant) = state.tenants.get(note.number) {
                directory.tenants.pin().remove(tenant.id().as_str());
            }
            Ok(())
        }
    }
}

fn change_project(state: &mut State, view: &Connection, note: &ChangeNote) -> Result<(), StoreError> {
    match rows::project(view, note.number)? {
        Some(row) if !row.deleted => put_project(state, note.sequence, row),
        Some(row) => {
            if let (Some(tenant), Some(account)) = (state.tenants.get(row.tenant), state.projects.get(row.number)) {
                tenant.set_project(account, false);
            }
            Ok(())
        }
        None => Ok(()),
    }
}

fn change_key(
    directory: &Directory,
    state: &mut State,
    view: &Connection,
    note: &ChangeNote,
) -> Result<(), StoreError> {
    let put = match rows::key(view, note.number) {
        Ok(Some(row)) if !row.deleted => put_key(directory, state, note.sequence, row),
        Ok(_) => {
            remove_key(directory, state, note.number);
            Ok(())
        }
        Err(error) => Err(error),
    };
    if put.is_err() {
        // Whatever it has become, it must not be accepted as what it was.
        remove_key(directory, state, note.number);
    }
    put
}

fn remove_key(directory: &Directory, state: &State, number: i64) {
    let Some(key) = state.keys.get(number) else { return };
    forget_hash(directory, key);
    key.tenant.set_key(key.account.index, None);
}

/// Whoever shows what this key was found by finds nobody, or the other key that has it now.
fn forget_hash(directory: &Directory, key: &Arc<LiveKey>) {
    let _ = directory.keys.pin().remove_if(&key.hash, |_, found| Arc::ptr_eq(found, key));
}

/// Brings a tenant that exists into force.
fn put_tenant(
    directory: &Directory,
    state: &mut State,
    view: &Connection,
    version: u64,
    row: Row<TenantResource>,
) -> Result<(), StoreError> {
    let mut settings = tenant_settings(&row.form, version)?;
    if row.form.wallet == Some(true) {
        settings.wallet = Some(wallet::cap(view, &row.form.id)?);
    }
    let settings = state.share(settings);
    if let Some(tenant) = state.tenants.get(row.number).cloned() {
        let before = tenant.account.settings().clone();
        tenant.account.replace_settings(settings.clone());
        if (&before.zone, before.priority, before.weight) != (&settings.zone, settings.priority, settings.weight) {
            pass_down(&tenant, &settings, version);
        }
        directory.tenants.pin().insert(ById(tenant.clone()), tenant);
        return Ok(());
    }
    let account = state.account(AccountName::Tenant(row.form.id), None, settings);
    let tenant = Arc::new(LiveTenant::new(account));
    directory.tenants.pin().insert(ById(tenant.clone()), tenant.clone());
    state.tenants.insert(row.number, tenant);
    Ok(())
}

/// Gives everything below a tenant its zone and priority, where they changed.
fn pass_down(tenant: &LiveTenant, settings: &AccountSettings, version: u64) {
    let give = |account: &Account| {
        let mut own = AccountSettings::clone(&account.settings());
        (own.zone, own.priority, own.weight) = (settings.zone.clone(), settings.priority, settings.weight);
        own.version = version;
        account.replace_settings(Arc::new(own));
    };
    for (_, account) in tenant.projects() {
        give(&account);
    }
    for key in tenant.keys() {
        give(key.account());
    }
}

/// Brings a project that exists into force; its tenant and the project around it were before it.
fn put_project(state: &mut State, version: u64, row: ProjectRow) -> Result<(), StoreError> {
    let tenant = state.tenants.get(row.tenant).cloned();
    let tenant = tenant.ok_or_else(|| StoreError::corrupt("project", "it has no tenant"))?;
    let settings = state.share(project_settings(&row.form, &tenant.account.settings(), version));
    if let Some(account) = state.projects.get(row.number) {
        account.replace_settings(settings);
        tenant.set_project(account, true);
        return Ok(());
    }
    let parent = match row.parent {
        None => tenant.account.clone(),
        Some(parent) => {
            let parent = state.projects.get(parent);
            parent.ok_or_else(|| StoreError::corrupt("project", "it has no parent"))?.clone()
        }
    };
    let name = AccountName::Project(ProjectPath::from_stored(&row.path));
    let account = state.account(name, Some(parent), settings);
    tenant.set_project(&account, true);
    state.projects.insert(row.number, account);
    Ok(())
}

/// Brings a key that exists into force; its project was before it.
fn put_key(directory: &Directory, state: &mut State, version: u64, row: KeyRow) -> Result<(), StoreError> {
    let project = state.projects.get(row.project).cloned();
    let project = project.ok_or_else(|| StoreError::corrupt("key", "it has no project"))?;
    let tenant = state.tenants.get(row.tenant).cloned();
    let tenant = tenant.ok_or_else(|| StoreError::corrupt("key", "it has no tenant"))?;
    let settings = state.share(key_settings(&row.form, &tenant, version));
    let known = state.keys.get(row.number).map(|key| key.account.clone());
    let account = match known {
        Some(account) => {
            account.replace_settings(settings);
            account
        }
        None => state.account(AccountName::Key(row.form.name.clone()), Some(project), settings),
    };
    let key = Arc::new(live_key(row.form, row.hash, &tenant, account));
    directory.keys.pin().insert(ByHash(key.clone()), key.clone());
    let before = state.keys.insert(row.number, key.clone());
    if let Some(before) = &before {
        forget_hash(directory, before);
    }
    tenant.set_key(key.account.index, Some(&key));
    Ok(())
}

fn live_key(form: KeyResource, hash: SecretHash, tenant: &Arc<LiveTenant>, account: Arc<Account>) -> LiveKey {
    let rare = RareKey {
        revoked: form.status == Some(KeyStatus::Revoked),
        expires: form.expires,
        ip_allow: form.ip_allow.into_boxed_slice(),
        service: form.service.map(Vec::<TenantId>::into_boxed_slice),
    };
    let rare = (rare != RareKey::default()).then(|| Box::new(rare));
    LiveKey { account, tenant: tenant.clone(), hash, rare }
}

fn tenant_settings(form: &TenantResource, version: u64) -> Result<AccountSettings, StoreError> {
    let (limits, budgets) = form.terms();
    let zone = match &form.timezone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|error| StoreError::corrupt("tenant.timezone", error))?,
    };
    Ok(AccountSettings {
        version,
        limits,
        budgets,
        wallet: None,
        models: form.models.as_ref().map(|models| models.iter().cloned().collect()),
        defaults: form.defaults.clone().unwrap_or_default(),
        suspended: form.status == Some(TenantStatus::Suspended),
        priority: form.priority.unwrap_or(Priority::Normal),
        weight: form.weight.unwrap_or(1),
        zone,
    })
}

/// Settings of an account below a tenant that has none of its own.
fn inherited(tenant: &AccountSettings, version: u64) -> AccountSettings {
    AccountSettings {
        version,
        limits: AccountLimits::default(),
        budgets: base::Budgets::default(),
        wallet: None,
        models: None,
        defaults: crate::resource::Defaults::default(),
        suspended: false,
        priority: tenant.priority,
        weight: tenant.weight,
        zone: tenant.zone.clone(),
    }
}

fn project_settings(form: &ProjectResource, tenant: &AccountSettings, version: u64) -> AccountSettings {
    AccountSettings {
        limits: form.limits.clone().unwrap_or_default(),
        budgets: form.budget.unwrap_or_default(),
        models: form.models.as_ref().map(|models: &Vec<ModelId>| models.iter().cloned().collect()),
        defaults: form.defaults.clone().unwrap_or_default(),
        ..inherited(tenant, version)
    }
}

/// Most keys have none of their own.
fn key_settings(form: &KeyResource, tenant: &LiveTenant, version: u64) -> AccountSettings {
    AccountSettings {
        limits: form.limits.clone().unwrap_or_default(),
        budgets: form.budget.unwrap_or_default(),
        models: form.models.as_ref().map(|models| models.iter().cloned().collect()),
        ..inherited(&tenant.account.settings(), version)
    }
}
