//! Reading the rows of resources, by number and all in order.

use base::Timestamp;
use catalog::PriceVersion;
use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;

use crate::StoreError;
use crate::resource::{KeyResource, ModelResource, ProjectResource, TenantResource, UpstreamResource};
use crate::secret::SecretHash;

/// A row whose form says all.
pub(crate) struct Row<Form> {
    pub(crate) number: i64,
    pub(crate) form: Form,
    pub(crate) deleted: bool,
}

/// A project's row.
pub(crate) struct ProjectRow {
    pub(crate) number: i64,
    pub(crate) tenant: i64,
    pub(crate) parent: Option<i64>,
    pub(crate) path: String,
    pub(crate) form: ProjectResource,
    pub(crate) deleted: bool,
}

/// A key's row.
pub(crate) struct KeyRow {
    pub(crate) number: i64,
    pub(crate) project: i64,
    pub(crate) tenant: i64,
    /// Zeros when deleted.
    pub(crate) hash: SecretHash,
    pub(crate) form: KeyResource,
    pub(crate) deleted: bool,
}

const SELECT_UPSTREAM: &str = "SELECT number, form, deleted FROM upstream";
const SELECT_MODEL: &str = "SELECT number, form, deleted FROM model";
const SELECT_TENANT: &str = "SELECT number, form, deleted FROM tenant";
const SELECT_PROJECT: &str = "SELECT number, tenant, parent, path, form, deleted FROM project";
const SELECT_KEY: &str = "SELECT number, project, hash, form, deleted,
    (SELECT tenant FROM project WHERE project.number = key.project) FROM key";

type SqlRow<'a> = rusqlite::Row<'a>;

/// A form that is not readable by this version.
fn form<Form: DeserializeOwned>(row: &SqlRow<'_>, column: usize) -> Result<Form, StoreError> {
    let text = row
        .get_ref(column)?
        .as_str()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))?;
    serde_json::from_str(text).map_err(|error| StoreError::corrupt("form", error))
}

fn plain_row<Form: DeserializeOwned>(row: &SqlRow<'_>) -> Result<Row<Form>, StoreError> {
    Ok(Row { number: row.get(0)?, form: form(row, 1)?, deleted: row.get(2)? })
}

fn project_row(row: &SqlRow<'_>) -> Result<ProjectRow, StoreError> {
    Ok(ProjectRow {
        number: row.get(0)?,
        tenant: row.get(1)?,
        parent: row.get(2)?,
        path: row.get(3)?,
        form: form(row, 4)?,
        deleted: row.get(5)?,
    })
}

fn key_row(row: &SqlRow<'_>) -> Result<KeyRow, StoreError> {
    let deleted: bool = row.get(4)?;
    let hash: Option<SecretHash> = row.get(2)?;
    if hash.is_none() && !deleted {
        return Err(StoreError::corrupt("key", "it has no hash"));
    }
    Ok(KeyRow {
        number: row.get(0)?,
        project: row.get(1)?,
        tenant: row.get(5)?,
        hash: hash.unwrap_or_default(),
        form: form(row, 3)?,
        deleted,
    })
}

fn prepared<'a>(connection: &'a Connection, select: &str, rest: &str) -> Result<CachedStatement<'a>, StoreError> {
    Ok(connection.prepare_cached(&format!("{select} {rest}"))?)
}

fn one<T>(
    connection: &Connection,
    select: &str,
    number: i64,
    read: impl FnOnce(&SqlRow<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = prepared(connection, select, "WHERE number = ?1")?;
    let read = statement.query_row([number], |row| Ok(read(row))).optional()?;
    read.transpose()
}

fn each<T>(
    connection: &Connection,
    select: &str,
    read: impl Fn(&SqlRow<'_>) -> Result<T, StoreError>,
    mut take: impl FnMut(T) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = prepared(connection, select, "WHERE deleted = 0 ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(read(row)?)?;
    }
    Ok(())
}

/// The upstream with this number.
pub(crate) fn upstream(connection: &Connection, number: i64) -> Result<Option<Row<UpstreamResource>>, StoreError> {
    one(connection, SELECT_UPSTREAM, number, plain_row)
}

/// The model with this number.
pub(crate) fn model(connection: &Connection, number: i64) -> Result<Option<Row<ModelResource>>, StoreError> {
    one(connection, SELECT_MODEL, number, plain_row)
}

/// The tenant with this number.
pub(crate) fn tenant(connection: &Connection, number: i64) -> Result<Option<Row<TenantResource>>, StoreError> {
    one(connection, SELECT_TENANT, number, plain_row)
}

/// The project with this number.
pub(crate) fn project(connection: &Connection, number: i64) -> Result<Option<ProjectRow>, StoreError> {
    one(connection, SELECT_PROJECT, number, project_row)
}

/// The key with this number.
pub(crate) fn key(connection: &Connection, number: i64) -> Result<Option<KeyRow>, StoreError> {
    one(connection, SELECT_KEY, number, key_row)
}

/// All upstreams that exist, oldest first.
pub(crate) fn each_upstream(
    connection: &Connection,
    take: impl FnMut(Row<UpstreamResource>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    each(connection, SELECT_UPSTREAM, plain_row, take)
}

/// All models that exist, oldest first.
pub(crate) fn each_model(
    connection: &Connection,
    take: impl FnMut(Row<ModelResource>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    each(connection, SELECT_MODEL, plain_row, take)
}

/// All tenants that exist, oldest first.
pub(crate) fn each_tenant(
    connection: &Connection,
    take: impl FnMut(Row<TenantResource>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    each(connection, SELECT_TENANT, plain_row, take)
}

/// All projects that exist, oldest first, so that each comes after the one around it.
pub(crate) fn each_project(
    connection: &Connection,
    take: impl FnMut(ProjectRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    each(connection, SELECT_PROJECT, project_row, take)
}

/// All keys that exist, oldest first.
pub(crate) fn each_key(
    connection: &Connection,
    take: impl FnMut(KeyRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    each(connection, SELECT_KEY, key_row, take)
}

/// The price versions of a model in the order in which they come into force, withdrawn ones left out.
pub(crate) fn prices(connection: &Connection, model: i64) -> Result<Vec<PriceVersion>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT version, effective_from, rates FROM price WHERE model = ?1 AND withdrawn = 0
         ORDER BY effective_from, version",
    )?;
    let mut rows = statement.query(params![model])?;
    let mut prices = Vec::new();
    while let Some(row) = rows.next()? {
        prices.push(PriceVersion {
            id: row.get(0)?,
            effective_from: Timestamp::from_micros(row.get(1)?),
            rates: form(row, 2)?,
        });
    }
    Ok(prices)
}
