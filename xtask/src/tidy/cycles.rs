//! No module cycles in pure crates: when a module uses another, that one does not use it back, over any number of steps.
//!
//! A module is a file. Re-exports (`pub use`) are seen through: who names `crate::Money` uses the module that defines it, and the
//! re-exporting module is not charged for the re-export itself.

use std::collections::{BTreeMap, BTreeSet};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::graph::PURE;
use super::source::is_test_only;
use super::{Finding, SourceFile};

/// The path of a module from the root of its crate; empty for `lib.rs`.
type ModulePath = Vec<String>;

/// What one module declares and uses.
#[derive(Default)]
struct Module {
    file: String,
    /// Names brought in by `use`, to the full path that they stand for.
    imports: BTreeMap<String, Vec<String>>,
    /// Paths of this crate that are named, with the line.
    uses: Vec<(Vec<String>, usize)>,
}

/// The modules of one crate.
type Modules = BTreeMap<ModulePath, Module>;

/// Looks for cycles in every pure crate.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    PURE.iter().flat_map(|name| check_crate(name, files)).collect()
}

fn check_crate(name: &str, files: &[SourceFile]) -> Vec<Finding> {
    let production = files.iter().filter(|file| file.crate_folder() == Some(name) && !file.is_test);
    let sources: Vec<(ModulePath, &SourceFile)> =
        production.filter_map(|file| Some((file.module_path()?, file))).collect();
    let known: BTreeSet<ModulePath> = sources.iter().map(|(path, _)| path.clone()).collect();
    let mut modules = Modules::new();
    for (path, file) in sources {
        let mut reader = Reader { own: &path, known: &known, module: Module::default() };
        reader.module.file = file.path.clone();
        if let Some(syntax) = &file.syntax {
            reader.visit_file(syntax);
        }
        let module = reader.module;
        modules.insert(path, module);
    }
    find_cycles(&modules)
}

/// Reads one file into a [`Module`].
struct Reader<'a> {
    own: &'a ModulePath,
    known: &'a BTreeSet<ModulePath>,
    module: Module,
}

impl Reader<'_> {
    /// The path from the root of the crate, or `None` when it leads to another crate.
    fn absolute(&self, segments: &[String]) -> Option<Vec<String>> {
        let first = segments.first()?.as_str();
        if first == "crate" {
            return Some(segments[1..].to_vec());
        }
        let mut base = self.own.clone();
        let mut rest = segments;
        while let Some((head, tail)) = rest.split_first() {
            match head.as_str() {
                "super" => drop(base.pop()),
                "self" => {}
                _ => break,
            }
            rest = tail;
        }
        let is_relative = rest.len() < segments.len();
        let child = [base.as_slice(), &rest[..rest.len().min(1)]].concat();
        (is_relative || self.known.contains(&child)).then(|| [base.as_slice(), rest].concat())
    }

    fn walk(&mut self, tree: &syn::UseTree, prefix: &[String], is_exported: bool) {
        let with = |name: String| if name == "self" { prefix.to_vec() } else { [prefix, &[name]].concat() };
        let line = tree.span().start().line;
        match tree {
            syn::UseTree::Path(path) => {
                self.walk(&path.tree, &[prefix, &[path.ident.to_string()]].concat(), is_exported)
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.walk(tree, prefix, is_exported)),
            syn::UseTree::Name(name) => {
                self.import(&name.ident.to_string(), &with(name.ident.to_string()), is_exported, line);
            }
            syn::UseTree::Rename(name) => {
                self.import(&name.rename.to_string(), &with(name.ident.to_string()), is_exported, line);
            }
            syn::UseTree::Glob(_) => self.import("*", prefix, is_exported, line),
        }
    }

    fn import(&mut self, name: &str, segments: &[String], is_exported: bool, line: usize) {
        let Some(path) = self.absolute(segments) else { return };
        if is_exported {
            self.module.imports.insert(name.to_owned(), path);
        } else {
            self.module.uses.push((path, line));
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            let is_exported = !matches!(item.vis, syn::Visibility::Inherited);
            self.walk(&item.tree, &[], is_exported);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1
            && let Some(absolute) = self.absolute(&segments)
        {
            self.module.uses.push((absolute, path.span().start().line));
        }
        visit::visit_path(self, path);
    }
}

/// The module that defines what `path` names, seen through re-exports.
fn home(modules: &Modules, path: &[String], depth: usize) -> ModulePath {
    let mut at = ModulePath::new();
    for (index, segment) in path.iter().enumerate() {
        let child = [at.as_slice(), std::slice::from_ref(segment)].concat();
        if modules.contains_key(&child) {
            at = child;
            continue;
        }
        let exported = modules.get(&at).and_then(|module| module.imports.get(segment));
        return match exported {
            Some(target) if depth < 8 => home(modules, &[target.as_slice(), &path[index + 1..]].concat(), depth + 1),
            _ => at,
        };
    }
    at
}

fn find_cycles(modules: &Modules) -> Vec<Finding> {
    let mut edges: BTreeMap<&ModulePath, BTreeMap<ModulePath, usize>> = BTreeMap::new();
    for (path, module) in modules {
        for (used, line) in &module.uses {
            let target = home(modules, used, 0);
            if target != *path {
                edges.entry(path).or_default().entry(target).or_insert(*line);
            }
        }
    }
    let reaches = |from: &ModulePath, to: &ModulePath| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if at == to {
                return true;
            }
            if seen.insert(at) {
                open.extend(edges.get(at).into_iter().flat_map(BTreeMap::keys));
            }
        }
        false
    };
    let mut findings = Vec::new();
    for (from, targets) in &edges {
        for (to, line) in targets {
            if reaches(to, from) {
                let (from_name, to_name) = (show(from), show(to));
                let advice = format!("{from_name} uses {to_name}, which leads back: move what both need into a leaf");
                findings.push(Finding::new(&modules[*from].file, *line, advice));
            }
        }
    }
    findings
}

fn show(path: &ModulePath) -> String {
    if path.is_empty() { "lib.rs".to_owned() } else { path.join("::") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(files: &[(&str, &str)]) -> Vec<String> {
        let parse = |(path, text): &(&str, &str)| SourceFile::parse(&format!("crates/wire/src/{path}"), text).unwrap();
        let files: Vec<SourceFile> = files.iter().map(parse).collect();
        check(&files).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn two_modules_that_use_each_other_are_found() {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B;\nstruct A(B);"),
            ("b.rs", "struct B;\nfn c(a: &super::a::A) {}"),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].starts_with("crates/wire/src/b.rs:2: b uses a"), "{found:?}");
    }

    #[test]
    fn re_exports_are_seen_through_but_are_no_use() {
        let files = [("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"), ("a.rs", "struct A;")];
        assert!(cycles(&[&files[..], &[("b.rs", "use crate::A; struct B(A);")]].concat()).is_empty());
        let files = [("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"), ("a.rs", "use crate::B; struct A;")];
        assert_eq!(cycles(&[&files[..], &[("b.rs", "use crate::A; struct B(A);")]].concat()).len(), 2);
    }

    #[test]
    fn a_parent_and_its_child_may_not_use_each_other() {
        let child = ("a/b.rs", "use super::shared; fn c() { shared() }");
        let lib = ("lib.rs", "mod a;");
        assert!(cycles(&[lib, child, ("a/mod.rs", "mod b; pub use b::c; pub fn shared() {}")]).is_empty());
        assert_eq!(cycles(&[lib, child, ("a/mod.rs", "mod b; pub fn shared() { b::c() }")]).len(), 2);
    }

    #[test]
    fn longer_cycles_are_found_and_trees_are_not() {
        let tree = [("lib.rs", ""), ("a.rs", "use crate::{b::B, c};"), ("b.rs", "use crate::c::C;")];
        assert!(cycles(&[&tree[..], &[("c.rs", "use std::fmt; struct C;")]].concat()).is_empty());
        assert_eq!(cycles(&[&tree[..], &[("c.rs", "fn a() { crate::a::a() }")]].concat()).len(), 4);
    }

    #[test]
    fn tests_may_use_anything() {
        let b = ("b.rs", "struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; }");
        assert!(cycles(&[("lib.rs", ""), ("a.rs", "use crate::b::B;"), b]).is_empty());
    }
}
