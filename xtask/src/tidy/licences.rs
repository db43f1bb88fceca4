//! Every crate in the tree has a licence that `deny.toml` allows; `cargo deny` says the same with the network.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use super::{Finding, Workspace};

/// Where the list of allowed licences stands.
const POLICY: &str = "deny.toml";

/// Compares the licence of every package of the tree with the policy.
///
/// # Errors
/// When the policy is missing or lists nothing.
pub(super) fn check_workspace(workspace: &Workspace) -> Result<Vec<Finding>> {
    let policy = workspace.text(POLICY).with_context(|| format!("{POLICY} is missing"))?;
    let allowed = allowed_licences(policy)?;
    let mut findings = Vec::new();
    for package in &workspace.metadata.packages {
        let licence = package.license.as_deref().unwrap_or_default();
        if !is_allowed(licence, &allowed) {
            let advice = format!("{} has licence {licence:?}: replace it, or defend the licence here", package.name);
            findings.push(Finding::new(POLICY, 0, advice));
        }
    }
    Ok(findings)
}

/// The quoted texts of the list `allow = [ ... ]` under `[licenses]`.
fn allowed_licences(policy: &str) -> Result<BTreeSet<String>> {
    let (_, section) = policy.split_once("[licenses]").context("deny.toml has no [licenses]")?;
    let (_, list) = section.split_once("allow = [").context("deny.toml has no list of allowed licences")?;
    let (list, _) = list.split_once(']').context("the list of allowed licences does not end")?;
    let allowed: BTreeSet<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    if allowed.is_empty() {
        bail!("deny.toml allows no licence");
    }
    Ok(allowed)
}

/// Judges an SPDX expression: any side of `OR` (old style: `/`), every side of `AND`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let verdict = any_side(&mut rest, allowed);
    verdict && rest.is_empty()
}

fn any_side(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut verdict = every_side(words, allowed);
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        verdict |= every_side(words, allowed);
    }
    verdict
}

fn every_side(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut verdict = one(words, allowed);
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        verdict &= one(words, allowed);
    }
    verdict
}

fn one(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    *words = rest;
    if *first == "(" {
        let verdict = any_side(words, allowed);
        let closed = words.first() == Some(&")");
        *words = words.get(1..).unwrap_or_default();
        return verdict && closed;
    }
    let mut name = (*first).to_owned();
    if let ["WITH", exception, ..] = words {
        name = format!("{name} WITH {exception}");
        *words = &words[2..];
    }
    allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged_as_spdx_says() {
        let allowed = allowed_licences("[licenses]\nallow = [\n \"MIT\",\n \"ISC\", \"A WITH b\" ]").unwrap();
        for good in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "ISC AND (GPL-3.0 OR MIT)", "A WITH b"] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "A", "A WITH c", "(MIT", "MIT MIT", "MIT AND"] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn an_empty_policy_allows_nothing_silently() {
        assert!(allowed_licences("[licenses]\nallow = []").is_err());
        assert!(allowed_licences("").is_err());
    }
}
