//! Functions fit a screen: at most 120 lines each, and at most 1.5 % of them over 70.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::source::is_test_only;
use super::{Finding, SourceFile};

/// What fits a screen.
const SCREEN_LINES: usize = 70;
/// What no function exceeds.
const LINES_MAX: usize = 120;
/// Functions over a screen, per thousand.
const OVER_SCREEN_PER_MILLE_MAX: usize = 15;

/// One function of production code.
struct Function {
    path: String,
    name: String,
    line: usize,
    lines: usize,
}

/// Measures every function outside tests.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut functions = Vec::new();
    for file in files.iter().filter(|file| !file.is_test) {
        if let Some(syntax) = &file.syntax {
            let mut visitor = Lengths { path: &file.path, found: &mut functions };
            visitor.visit_file(syntax);
        }
    }
    judge(&functions)
}

fn judge(functions: &[Function]) -> Vec<Finding> {
    let finding = |function: &Function, rule: String| {
        let Function { path, name, line, lines } = function;
        Finding::new(path, *line, format!("fn {name} has {lines} lines: {rule}"))
    };
    let mut findings: Vec<Finding> = functions
        .iter()
        .filter(|function| function.lines > LINES_MAX)
        .map(|function| finding(function, format!("no function exceeds {LINES_MAX}; split it where a name helps")))
        .collect();
    let long: Vec<&Function> = functions.iter().filter(|function| function.lines > SCREEN_LINES).collect();
    if long.len() * 1000 > functions.len() * OVER_SCREEN_PER_MILLE_MAX {
        let share = format!("{} of {} functions exceed {SCREEN_LINES}, 1.5 % may", long.len(), functions.len());
        findings.extend(long.iter().map(|function| finding(function, share.clone())));
    }
    findings
}

struct Lengths<'a> {
    path: &'a str,
    found: &'a mut Vec<Function>,
}

impl Lengths<'_> {
    fn record(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        let last = block.span().end().line;
        let (path, name) = (self.path.to_owned(), signature.ident.to_string());
        self.found.push(Function { path, name, line: first, lines: last + 1 - first });
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test_only(&item.attrs) {
            self.record(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.record(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.record(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, functions: usize, long: usize, lines: usize) -> SourceFile {
        let long_body = "    let _ = 1;\n".repeat(lines - 2);
        let mut text = String::from("//! Test.\n");
        for index in 0..functions {
            text += &format!("fn short_{index}() {{}}\n");
        }
        for index in 0..long {
            text += &format!("impl T{index} {{ async fn long(&self) {{\n{long_body}}}\n}}\n");
        }
        SourceFile::parse(path, &text).unwrap()
    }

    #[test]
    fn a_function_over_the_limit_is_found() {
        let findings = check(&[source("crates/wire/src/a.rs", 1000, 1, 121)]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].advice.contains("fn long has 121 lines"), "{findings:?}");
        assert_eq!(findings[0].line, 1002);
        assert!(check(&[source("crates/wire/src/a.rs", 1000, 1, 120)]).is_empty());
    }

    #[test]
    fn a_few_may_exceed_a_screen_but_not_many() {
        assert!(check(&[source("crates/wire/src/a.rs", 197, 3, 71)]).is_empty());
        assert_eq!(check(&[source("crates/wire/src/a.rs", 196, 3, 71)]).len(), 3);
        assert!(check(&[source("crates/wire/src/a.rs", 0, 3, 70)]).is_empty());
    }

    #[test]
    fn tests_may_be_long() {
        assert!(check(&[source("crates/wire/tests/a.rs", 0, 1, 200)]).is_empty());
        let text = format!("#[cfg(test)]\nmod tests {{\nfn a() {{\n{}}}\n}}", "let _ = 1;\n".repeat(200));
        assert!(check(&[SourceFile::parse("crates/wire/src/b.rs", &text).unwrap()]).is_empty());
    }
}
