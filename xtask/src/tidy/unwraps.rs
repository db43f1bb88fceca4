//! Outside tests nothing unwraps: a value that cannot be absent says why with `expect`.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::source::is_test_only;
use super::{Finding, SourceFile};

/// Looks for `.unwrap()` in production code, also inside macros.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !file.is_test) {
        if let Some(syntax) = &file.syntax {
            Unwraps { path: &file.path, findings: &mut findings }.visit_file(syntax);
        }
    }
    findings
}

struct Unwraps<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Unwraps<'_> {
    fn record(&mut self, line: usize) {
        let advice = "unwrap() outside tests: handle it, or expect(\"why it cannot fail\")";
        self.findings.push(Finding::new(self.path, line, advice));
    }

    fn search(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for pair in tokens.windows(2) {
            if let [TokenTree::Punct(dot), TokenTree::Ident(name)] = pair
                && dot.as_char() == '.'
                && name == "unwrap"
            {
                self.record(name.span().start().line);
            }
        }
        for token in tokens {
            if let TokenTree::Group(group) = token {
                self.search(group.stream());
            }
        }
    }
}

impl<'ast> Visit<'ast> for Unwraps<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "unwrap" {
            self.record(call.method.span().start().line);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.search(item.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let file = SourceFile::parse("crates/wire/src/a.rs", text).unwrap();
        check(&[file]).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_unwrap_is_found_also_in_macros() {
        assert_eq!(lines("fn a() {\n  b().unwrap();\n}"), [2]);
        assert_eq!(lines("fn a() {\n  assert!(\n c(b.unwrap()));\n}"), [3]);
        assert_eq!(lines("impl A { fn a() { b.c.unwrap().d() } }"), [1]);
    }

    #[test]
    fn tests_may_unwrap_and_the_relatives_are_fine() {
        assert!(lines("#[cfg(test)]\nmod tests { fn a() { b().unwrap(); } }").is_empty());
        assert!(lines("#[test]\nfn a() { b().unwrap(); }").is_empty());
        assert!(lines("fn a() { b().unwrap_or_default(); }").is_empty());
    }
}
