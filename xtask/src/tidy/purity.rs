//! The pure crates name nothing of the world: no file, network, thread, environment or clock of the standard library.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::graph::PURE;
use super::source::is_test_only;
use super::{Finding, SourceFile};

/// Modules of the standard library that reach outside.
const WORLDLY_MODULES: &[&str] = &["env", "fs", "io", "net", "os", "process", "thread"];
/// Types that read a clock, wherever they are imported from.
const CLOCKS: &[&str] = &["Instant", "SystemTime", "Zoned"];
/// Uses that are fine: traits over memory, and reading the compile-time environment.
const HARMLESS: &[&str] = &["std::io::Write", "std::io::Read", "std::io::Cursor"];

/// Looks for worldly names in the production code of pure crates.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !file.is_test) {
        let Some(name) = file.crate_folder().filter(|name| PURE.contains(name)) else { continue };
        if let Some(syntax) = &file.syntax {
            Names { path: &file.path, crate_name: name, findings: &mut findings }.visit_file(syntax);
        }
    }
    findings
}

struct Names<'a> {
    path: &'a str,
    crate_name: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Names<'_> {
    fn judge(&mut self, segments: &[String], line: usize) {
        let whole = segments.join("::");
        if HARMLESS.contains(&whole.as_str()) {
            return;
        }
        let worldly = match segments {
            [first, second, ..] if first == "std" => WORLDLY_MODULES.contains(&second.as_str()),
            _ => false,
        };
        let clock = segments.windows(2).any(|pair| CLOCKS.contains(&pair[0].as_str()) && pair[1] == "now")
            || segments.windows(2).any(|pair| pair[0] == "time" && CLOCKS.contains(&pair[1].as_str()));
        if worldly || clock {
            let advice = format!("{whole} in the pure crate {}: take what it gives as an argument", self.crate_name);
            self.findings.push(Finding::new(self.path, line, advice));
        }
    }

    fn walk(&mut self, tree: &syn::UseTree, prefix: &[String]) {
        let with = |name: String| [prefix, &[name]].concat();
        match tree {
            syn::UseTree::Path(path) => self.walk(&path.tree, &with(path.ident.to_string())),
            syn::UseTree::Name(name) => self.judge(&with(name.ident.to_string()), name.span().start().line),
            syn::UseTree::Rename(name) => self.judge(&with(name.ident.to_string()), name.span().start().line),
            syn::UseTree::Glob(glob) => self.judge(&with("*".to_owned()), glob.span().start().line),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.walk(tree, prefix)),
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            self.walk(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.judge(&segments, path.span().start().line);
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&[SourceFile::parse(path, text).unwrap()]).len()
    }

    #[test]
    fn a_pure_crate_names_no_world() {
        let path = "crates/ledger/src/a.rs";
        for bad in [
            "use std::fs;",
            "use std::{fmt, net::TcpStream};",
            "fn a() { std::env::var(\"A\"); }",
            "use std::time::Instant;",
            "fn a() { jiff::Zoned::now(); }",
            "fn a() -> std::time::SystemTime { b() }",
        ] {
            assert_eq!(count(path, bad), 1, "{bad}");
        }
        for good in ["use std::fmt;", "use std::time::Duration;", "fn a() -> std::io::Cursor { b() }"] {
            assert_eq!(count(path, good), 0, "{good}");
        }
    }

    #[test]
    fn the_shell_and_tests_may() {
        assert_eq!(count("crates/store/src/a.rs", "use std::fs;"), 0);
        assert_eq!(count("crates/wire/tests/a.rs", "use std::fs;"), 0);
        assert_eq!(count("crates/wire/src/a.rs", "#[cfg(test)]\nmod tests { use std::env; }"), 0);
    }
}
