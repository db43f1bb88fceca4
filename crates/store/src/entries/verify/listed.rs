//! The lists that find a tenant's calls: each against the rows of usage that it is of.

use std::collections::{BTreeSet, HashMap};

use super::Check;
use crate::StoreError;
use crate::entries::lists::{bytes_of, place_of, span_of};

/// Attempts of one span, by tenant and block.
type Wanted = HashMap<(i64, i64), Vec<u16>>;

impl Check<'_> {
    /// Compares the lists with the rows that are not in the archive.
    pub(super) fn lists(&mut self) -> Result<(), StoreError> {
        let mut statement = self.view.prepare_cached("SELECT attempt, tenant, block FROM usage ORDER BY attempt")?;
        let mut rows = statement.query([])?;
        let (mut wanted, mut span, mut spans) = (Wanted::new(), None, BTreeSet::new());
        while let Some(row) = rows.next()? {
            let (attempt, tenant, block): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if let Some(before) = span.replace(span_of(attempt)).filter(|before| *before != span_of(attempt)) {
                self.lists_of(before, core::mem::take(&mut wanted))?;
                spans.insert(before);
            }
            wanted.entry((tenant, block)).or_default().push(place_of(attempt));
        }
        if let Some(last) = span {
            self.lists_of(last, wanted)?;
            spans.insert(last);
        }
        let mut statement = self.view.prepare_cached("SELECT DISTINCT span FROM usage_list")?;
        let listed = statement.query_map([], |row| row.get(0))?.collect::<Result<BTreeSet<i64>, _>>()?;
        for span in listed.difference(&spans) {
            self.doubt("usage_list", span, "there is no attempt in this span");
        }
        Ok(())
    }

    /// Compares the lists of one span.
    fn lists_of(&mut self, span: i64, mut wanted: Wanted) -> Result<(), StoreError> {
        let sql = "SELECT tenant, block, attempts FROM usage_list WHERE span = ?1";
        let mut statement = self.view.prepare_cached(sql)?;
        let mut rows = statement.query([span])?;
        while let Some(row) = rows.next()? {
            let key: (i64, i64) = (row.get(0)?, row.get(1)?);
            let found = row.get_ref(2)?.as_bytes().unwrap_or_default();
            if wanted.remove(&key).is_none_or(|places| bytes_of(&places) != found) {
                self.doubt("usage_list", format!("{span} {key:?}"), "its attempts are not those of the rows");
            }
        }
        for key in wanted.into_keys() {
            self.doubt("usage_list", format!("{span} {key:?}"), "it is missing");
        }
        Ok(())
    }
}
