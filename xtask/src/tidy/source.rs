//! What the checks look at: every tracked file, the Rust ones parsed, and what cargo says of the workspace.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One file of the workspace.
pub struct SourceFile {
    /// Relative to the root, with `/`.
    pub path: String,
    /// The content; empty for a file that is not UTF-8.
    pub text: String,
    /// The parsed content of a Rust file.
    pub syntax: Option<syn::File>,
    /// True for files that are compiled for tests only.
    pub is_test: bool,
}

impl SourceFile {
    /// Takes a text as the file at `path`.
    ///
    /// # Errors
    /// When a `.rs` file is not Rust.
    pub fn parse(path: &str, text: &str) -> Result<SourceFile> {
        let syntax = match path.ends_with(".rs") {
            true => Some(syn::parse_file(text).with_context(|| format!("{path} is not Rust"))?),
            false => None,
        };
        Ok(SourceFile { path: path.to_owned(), text: text.to_owned(), syntax, is_test: is_test_path(path) })
    }

    /// The folder under `crates/` that the file belongs to, if any.
    #[must_use]
    pub fn crate_folder(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// The module of a file under `crates/NAME/src/`: `[]` for `lib.rs`, `["scan", "keys"]` for `scan/keys.rs`.
    #[must_use]
    pub fn module_path(&self) -> Option<Vec<String>> {
        let (_, inner) = self.path.split_once("/src/")?;
        let inner = inner.strip_suffix(".rs")?;
        let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            parts.pop();
        }
        Some(parts)
    }
}

/// Everything the checks look at.
pub struct Workspace {
    /// Every file that is tracked, or would be.
    pub files: Vec<SourceFile>,
    /// What cargo says of the crates and their dependencies.
    pub metadata: Metadata,
    /// Where it is; for generators that run the code.
    pub root: std::path::PathBuf,
}

impl Workspace {
    /// Reads the workspace at `root`.
    ///
    /// # Errors
    /// When git or cargo do not answer, or a `.rs` file is not Rust.
    pub fn read(root: &Path) -> Result<Workspace> {
        let mut files = Vec::new();
        for path in tracked_files(root)? {
            // A file that was removed but not yet staged is still listed.
            let Ok(bytes) = std::fs::read(root.join(&path)) else { continue };
            files.push(SourceFile::parse(&path, std::str::from_utf8(&bytes).unwrap_or_default())?);
        }
        mark_test_modules(&mut files);
        // Without the filter cargo would want the crates of every platform, which a build here never fetched.
        let options = ["--locked", "--offline", "--filter-platform", &host()?].map(str::to_owned);
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .other_options(options)
            .exec()
            .context("cargo metadata (run a build first, so that every dependency is on this machine)")?;
        Ok(Workspace { files, metadata, root: root.to_owned() })
    }

    /// The parsed Rust files.
    pub fn rust_files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The text of a file, if it exists.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

/// The platform of this machine as the compiler names it.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}

fn tracked_files(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git ls-files")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut paths: Vec<String> =
        output.stdout.split(|byte| *byte == 0).map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    paths.retain(|path| !path.is_empty());
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// True for folders and file names that cargo or we compile for tests only.
fn is_test_path(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
}

/// Marks the files of modules that their parent declares under `#[cfg(test)]`, with everything below them.
pub(super) fn mark_test_modules(files: &mut [SourceFile]) {
    let mut stems: HashSet<String> = HashSet::new();
    for file in files.iter() {
        let Some(syntax) = &file.syntax else { continue };
        for item in &syntax.items {
            let syn::Item::Mod(module) = item else { continue };
            if module.content.is_none() && is_test_only(&module.attrs) {
                stems.insert(format!("{}/{}", children_folder(&file.path), module.ident));
            }
        }
    }
    for file in files.iter_mut() {
        let stem = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
        file.is_test |= stems.iter().any(|test| stem == test || stem.starts_with(&format!("{test}/")));
    }
}

/// The folder in which the child modules of the file at `path` are.
fn children_folder(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

/// True when attributes keep an item out of production builds: `#[test]`, `#[cfg(test)]`, `#[tokio::test]`.
pub(super) fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        if path.is_ident("cfg") {
            return attribute.meta.require_list().is_ok_and(|list| requires_test(list.tokens.clone()));
        }
        path.segments.last().is_some_and(|segment| segment.ident == "test")
    })
}

/// True when a `cfg` predicate holds in tests only: `test`, or `all(..)` with it. `any(..)` and `not(..)` do not count.
fn requires_test(tokens: TokenStream) -> bool {
    let mut previous = None;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "test" => return true,
            TokenTree::Ident(ident) => previous = Some(ident.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                if previous.as_deref() == Some("all") && requires_test(group.stream()) {
                    return true;
                }
            }
            _ => previous = None,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_files_are_known_by_path_and_by_declaration() {
        let parse = |path: &str, text: &str| SourceFile::parse(path, text).unwrap();
        let mut files = vec![
            parse("crates/wire/src/lib.rs", "//! A.\nmod scan;\n#[cfg(test)]\nmod oracle;"),
            parse("crates/wire/src/oracle.rs", "//! B."),
            parse("crates/wire/src/oracle/deep.rs", "//! C."),
            parse("crates/wire/src/scan.rs", "//! D."),
            parse("crates/wire/tests/it.rs", "//! E."),
        ];
        mark_test_modules(&mut files);
        let tests: Vec<bool> = files.iter().map(|file| file.is_test).collect();
        assert_eq!(tests, [false, true, true, false, true]);
    }

    #[test]
    fn only_a_cfg_that_needs_test_counts() {
        let only = |text: &str| is_test_only(&syn::parse_str::<syn::ItemFn>(text).unwrap().attrs);
        assert!(only("#[test] fn a() {}"));
        assert!(only("#[tokio::test(start_paused = true)] async fn a() {}"));
        assert!(only("#[cfg(all(unix, test))] fn a() {}"));
        assert!(!only("#[cfg(not(test))] fn a() {}"));
        assert!(!only("#[cfg(any(test, unix))] fn a() {}"));
        assert!(!only("#[inline] fn a() {}"));
    }

    #[test]
    fn module_paths_follow_the_files() {
        let path = |path: &str| SourceFile::parse(path, "").unwrap().module_path().unwrap().join("::");
        assert_eq!(path("crates/wire/src/lib.rs"), "");
        assert_eq!(path("crates/wire/src/scan/mod.rs"), "scan");
        assert_eq!(path("crates/wire/src/scan/keys.rs"), "scan::keys");
    }
}
