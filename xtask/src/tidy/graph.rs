//! Crates point one way, and the pure ones have only the dependencies listed here.

use anyhow::{Result, bail};
use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;

/// What one crate of the workspace may depend on.
struct Rule {
    /// The folder name; packages are `mandant-<folder>` or the folder name itself.
    name: &'static str,
    /// Crates of ours that production code may use.
    ours: &'static [&'static str],
    /// Crates of ours that tests may use in addition.
    ours_in_tests: &'static [&'static str],
    /// The whole list of others for a pure crate; `None` for a shell crate, which `deny.toml` governs.
    others: Option<&'static [&'static str]>,
}

/// Crates that any test of a pure crate may use.
const TEST_TOOLS: &[&str] =
    &["proptest", "insta", "fastrand", "flate2", "mimalloc", "serde_json", "toml", "tempfile", "serde"];

const RULES: &[Rule] = &[
    Rule { name: "fuzz", ours: &[], ours_in_tests: &[], others: Some(&["fastrand"]) },
    Rule {
        name: "base",
        ours: &[],
        ours_in_tests: &[],
        others: Some(&["ecow", "itoa", "serde", "thiserror", "zeroize"]),
    },
    Rule {
        name: "ledger",
        ours: &["base"],
        ours_in_tests: &[],
        others: Some(&["jiff", "serde", "smallvec", "thiserror"]),
    },
    Rule { name: "admit", ours: &["base"], ours_in_tests: &[], others: Some(&["serde", "smallvec", "thiserror"]) },
    Rule {
        name: "wire",
        ours: &["base"],
        ours_in_tests: &["fuzz"],
        others: Some(&["bytes", "crc32fast", "itoa", "memchr", "serde", "serde_json", "smallvec", "thiserror", "wide"]),
    },
    Rule {
        name: "catalog",
        ours: &["base", "wire"],
        ours_in_tests: &[],
        others: Some(&["bpe-openai", "bytes", "serde", "serde_json", "smallvec", "thiserror", "toml"]),
    },
    Rule { name: "journal", ours: &["base"], ours_in_tests: &["fuzz"], others: None },
    Rule {
        name: "store",
        ours: &["base", "ledger", "admit", "catalog", "wire"],
        ours_in_tests: &["fuzz"],
        others: None,
    },
    Rule {
        name: "gateway",
        ours: &["base", "ledger", "admit", "catalog", "wire", "journal", "store"],
        ours_in_tests: &["fuzz", "testkit"],
        others: None,
    },
    Rule { name: "sim", ours: &["base", "ledger", "journal", "wire", "store"], ours_in_tests: &[], others: None },
    Rule {
        name: "control",
        ours: &["base", "ledger", "admit", "catalog", "wire", "store"],
        ours_in_tests: &["testkit"],
        others: None,
    },
    Rule { name: "testkit", ours: &[], ours_in_tests: &[], others: None },
    Rule {
        name: "mandant",
        ours: &["base", "ledger", "admit", "catalog", "wire", "journal", "store", "gateway", "control", "testkit"],
        ours_in_tests: &["fuzz"],
        others: None,
    },
    Rule { name: "bench", ours: &["testkit"], ours_in_tests: &[], others: None },
    Rule { name: "xtask", ours: &["base", "catalog", "wire"], ours_in_tests: &[], others: None },
];

/// The folders of the crates that know no clock, file, network or runtime.
pub(super) const PURE: &[&str] = &["base", "ledger", "admit", "wire", "catalog"];

/// The only crate that may use SQL.
const SQL_HOME: &str = "store";

/// One dependency as a manifest declares it.
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    in_tests: bool,
    manifest: &'a str,
}

/// Compares what cargo says of the workspace with [`RULES`].
///
/// # Errors
/// When the workspace has no package at all, so that nothing would be checked.
pub(super) fn check(metadata: &Metadata) -> Result<Vec<Finding>> {
    let root = metadata.workspace_root.as_str();
    let packages = metadata.workspace_packages();
    if packages.is_empty() {
        bail!("cargo metadata lists no package of the workspace");
    }
    let mut findings = Vec::new();
    for package in &packages {
        let manifest = package.manifest_path.as_str().trim_start_matches(root).trim_start_matches('/');
        let from = short(package.name.as_str());
        if !RULES.iter().any(|rule| rule.name == from) {
            findings.push(Finding::new(manifest, 0, unknown_crate(from)));
            continue;
        }
        for dependency in &package.dependencies {
            let in_tests = dependency.kind == DependencyKind::Development;
            let edge = Edge { from, to: short(&dependency.name), in_tests, manifest };
            findings.extend(check_edge(&edge, dependency.path.is_some()));
        }
    }
    Ok(findings)
}

fn unknown_crate(name: &str) -> String {
    format!("the crate {name} has no rule: add it to RULES in xtask/src/tidy/graph.rs and to ARCHITECTURE.md")
}

/// A package's name without our prefix.
fn short(package: &str) -> &str {
    package.strip_prefix("mandant-").unwrap_or(package)
}

fn check_edge(edge: &Edge<'_>, is_ours: bool) -> Option<Finding> {
    let rule = RULES.iter().find(|rule| rule.name == edge.from)?;
    let Edge { from, to, .. } = edge;
    let allowed = if is_ours {
        rule.ours.contains(to) || (edge.in_tests && rule.ours_in_tests.contains(to))
    } else if *to == "rusqlite" || *to == "refinery" {
        *from == SQL_HOME
    } else {
        rule.others.is_none_or(|others| others.contains(to) || (edge.in_tests && TEST_TOOLS.contains(to)))
    };
    let kind = if edge.in_tests { "in its tests " } else { "" };
    (!allowed).then(|| {
        Finding::new(
            edge.manifest,
            0,
            format!("{from} must not depend {kind}on {to}: remove it, or defend a new edge in xtask/src/tidy/graph.rs"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(from: &str, to: &str, in_tests: bool, is_ours: bool) -> bool {
        check_edge(&Edge { from, to, in_tests, manifest: "Cargo.toml" }, is_ours).is_none()
    }

    #[test]
    fn arrows_point_down_only() {
        assert!(allowed("gateway", "store", false, true));
        assert!(allowed("catalog", "wire", false, true));
        assert!(!allowed("wire", "catalog", false, true));
        assert!(!allowed("gateway", "control", false, true));
        assert!(!allowed("control", "gateway", true, true));
        assert!(!allowed("ledger", "admit", false, true));
        assert!(!allowed("sim", "gateway", true, true));
        assert!(RULES.iter().all(|rule| !rule.ours.contains(&"sim") && !rule.ours_in_tests.contains(&"sim")));
    }

    #[test]
    fn the_simulated_provider_is_for_tests_of_the_shell() {
        assert!(allowed("gateway", "testkit", true, true));
        assert!(!allowed("gateway", "testkit", false, true));
        assert!(allowed("mandant", "testkit", false, true));
    }

    #[test]
    fn pure_crates_get_no_runtime_and_sql_stays_in_the_store() {
        assert!(!allowed("ledger", "tokio", false, false));
        assert!(!allowed("wire", "hyper", true, false));
        assert!(allowed("wire", "proptest", true, false));
        assert!(!allowed("wire", "proptest", false, false));
        assert!(allowed("store", "rusqlite", false, false));
        assert!(!allowed("control", "rusqlite", false, false));
        assert!(allowed("gateway", "tokio", false, false));
    }

    #[test]
    fn the_rules_themselves_have_no_cycle() {
        for (place, rule) in RULES.iter().enumerate() {
            for other in rule.ours {
                let target = RULES.iter().position(|rule| rule.name == *other).expect("every name has a rule");
                assert!(target < place, "{} -> {other}", rule.name);
            }
        }
    }
}
