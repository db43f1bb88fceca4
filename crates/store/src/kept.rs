//! Objects that providers keep for tenants: which there are, for lists that show a tenant its own.
//!
//! Whose an object is, its sealed id says. This table only says which there are: providers list what all tenants of an
//! account have, and tell none of them apart.

use base::{TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, StoreError};

/// What kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A file.
    File,
    /// A batch.
    Batch,
    /// A batch of messages.
    MessageBatch,
}

impl ObjectKind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            ObjectKind::File => 0,
            ObjectKind::Batch => 1,
            ObjectKind::MessageBatch => 2,
        }
    }
}

/// One object, as its tenant knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its sealed id.
    pub id: String,
    /// What it was made for, as the provider calls it; empty where it has none.
    pub purpose: String,
    /// When the provider forgets it.
    pub expires: Option<Timestamp>,
    /// What the provider said of it, with its ids sealed.
    pub document: Vec<u8>,
}

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its sealed id.
    pub id: String,
    /// See [`KeptObject::document`].
    pub document: Vec<u8>,
}

/// Which objects of a tenant to show.
#[derive(Debug, Clone, Copy)]
pub struct ObjectPage<'a> {
    /// Those behind this one, in the order that is asked for.
    pub after: Option<&'a str>,
    /// Those for one purpose.
    pub purpose: Option<&'a str>,
    /// The oldest first.
    pub is_ascending: bool,
    /// At most so many.
    pub rows_max: usize,
}

/// What a document is sealed for: it is no other tenant's.
fn purpose_of(tenant: &TenantId, id: &str) -> String {
    format!("kept-object:{tenant}:{id}")
}

impl Store {
    /// Notes an object; one that is known is noted anew. Durable when it returns.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn keep_object(&self, tenant: &TenantId, object: &KeptObject) -> Result<(), StoreError> {
        self.write_object(&self.lock_writer().connection, tenant, object)
    }

    /// Writes an object on a connection that its caller has.
    pub(crate) fn write_object(
        &self,
        connection: &Connection,
        tenant: &TenantId,
        object: &KeptObject,
    ) -> Result<(), StoreError> {
        let KeptObject { kind, id, purpose, expires, document } = object;
        let sealed = self.master.seal(&purpose_of(tenant, id), document)?;
        let sql = "INSERT INTO kept_object (tenant, kind, id, purpose, expires, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (tenant, kind, id) DO UPDATE SET sealed = excluded.sealed, expires = excluded.expires";
        let expires = expires.map(|at| at.micros());
        let params = params![tenant.as_str(), kind.code(), id, purpose, expires, sealed];
        connection.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    /// Forgets an object; durable when it returns.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn forget_object(&self, tenant: &TenantId, kind: ObjectKind, id: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM kept_object WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
        self.lock_writer().connection.prepare_cached(sql)?.execute(params![tenant.as_str(), kind.code(), id])?;
        Ok(())
    }

    /// How many objects of a kind a tenant has that did not expire.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count_objects(&self, tenant: &TenantId, kind: ObjectKind, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM kept_object WHERE tenant = ?1 AND kind = ?2 AND coalesce(expires, ?3) >= ?3";
        let reader = self.reader();
        let mut count = reader.prepare_cached(sql)?;
        let count: i64 = count.query_row(params![tenant.as_str(), kind.code(), now.micros()], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// The documents of a page of a tenant's objects; `None` when there is no object to begin behind.
    ///
    /// # Errors
    /// When the database cannot be read, or a document is not what was written.
    pub fn list_objects(
        &self,
        tenant: &TenantId,
        kind: ObjectKind,
        page: ObjectPage<'_>,
        now: Timestamp,
    ) -> Result<Option<Vec<ListedObject>>, StoreError> {
        let name = tenant.as_str();
        let reader = self.reader();
        let after = match page.after {
            None if page.is_ascending => 0,
            None => i64::MAX,
            Some(id) => {
                let sql = "SELECT number FROM kept_object WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
                let found = reader.prepare_cached(sql)?.query_row(params![name, kind.code(), id], |row| row.get(0));
                let Some(number) = found.optional()? else { return Ok(None) };
                number
            }
        };
        let (side, order) = if page.is_ascending { (">", "ASC") } else { ("<", "DESC") };
        let sql = format!(
            "SELECT id, sealed FROM kept_object WHERE tenant = ?1 AND kind = ?2 AND number {side} ?3
             AND coalesce(expires, ?4) >= ?4 AND coalesce(?5, purpose) = purpose ORDER BY number {order} LIMIT ?6"
        );
        let limit = i64::try_from(page.rows_max).unwrap_or(i64::MAX);
        let mut statement = reader.prepare_cached(&sql)?;
        let params = params![name, kind.code(), after, now.micros(), page.purpose, limit];
        let rows = statement.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows = rows.collect::<Result<Vec<(String, Vec<u8>)>, _>>()?;
        let open = |(id, sealed): (String, Vec<u8>)| {
            let document = self.open_object(tenant, &id, &sealed)?;
            Ok(ListedObject { id, document })
        };
        rows.into_iter().map(open).collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// A document as it was before it was sealed.
    pub(crate) fn open_object(&self, tenant: &TenantId, id: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let opened = self.master.open(&purpose_of(tenant, id), sealed);
        let opened =
            opened.ok_or_else(|| StoreError::corrupt("kept_object", "its bytes are not those that were kept"))?;
        Ok(opened.expose().clone())
    }
}
