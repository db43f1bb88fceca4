//! Words that no tracked file has: unfinished work, paths of one machine, registry hosts, and SQL outside the store.

use proc_macro2::{TokenStream, TokenTree};

use super::{Finding, SourceFile};

/// A text that must not occur, and what to do instead.
struct Word {
    /// Written in parts, so that this file does not contain it.
    parts: [&'static str; 2],
    /// True when letters or digits beside it make it another word.
    whole: bool,
    advice: &'static str,
}

const UNFINISHED: &str = "unfinished work: finish it, or write an issue";
const MACHINE: &str = "a path of one machine: make it relative, or an argument";
const REGISTRY: &str = "a registry's address: whoever builds configures it";
const NEIGHBOUR: &str = "a folder outside the repository: only .ci/run may know it; tests take MANDANT_TRAFFIC";

const WORDS: &[Word] = &[
    Word { parts: ["FIX", "ME"], whole: true, advice: UNFINISHED },
    Word { parts: ["XX", "X"], whole: true, advice: UNFINISHED },
    Word { parts: ["TO", "DO"], whole: true, advice: UNFINISHED },
    Word { parts: ["todo", "!("], whole: true, advice: UNFINISHED },
    Word { parts: ["unimplemented", "!("], whole: true, advice: UNFINISHED },
    Word { parts: ["/ro", "ot/"], whole: false, advice: MACHINE },
    Word { parts: ["/ho", "me/"], whole: false, advice: MACHINE },
    Word { parts: ["/Us", "ers/"], whole: false, advice: MACHINE },
    Word { parts: ["/wo", "rk/"], whole: false, advice: MACHINE },
    Word { parts: ["registry.npm", "js"], whole: false, advice: REGISTRY },
    Word { parts: ["pypi", ".org"], whole: false, advice: REGISTRY },
    Word { parts: ["pythonhosted", ".org"], whole: false, advice: REGISTRY },
    Word { parts: ["crates", ".io"], whole: false, advice: REGISTRY },
    Word { parts: ["deb.debian", ".org"], whole: false, advice: REGISTRY },
    Word { parts: ["sha", "red/"], whole: true, advice: NEIGHBOUR },
];

/// Files made by tools or by others, which we do not write.
const FOREIGN: &[&str] = &["Cargo.lock", "LICENSE"];
/// The one file that may name the folder beside the clone.
const NEIGHBOUR_HOME: &str = ".ci/run";
/// Where SQL lives.
const SQL_HOME: &str = "crates/store/";

/// Looks for forbidden words in every file, and for SQL in Rust and `.sql` files.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !FOREIGN.contains(&file.path.as_str())) {
        for (index, line) in file.text.lines().enumerate() {
            findings.extend(words_in(line, &file.path).map(|word| {
                let found = word.parts.concat();
                Finding::new(&file.path, index + 1, format!("`{found}`: {}", word.advice))
            }));
        }
        if !file.path.starts_with(SQL_HOME) {
            findings.extend(check_sql(file));
        }
    }
    findings
}

fn words_in<'a>(line: &'a str, path: &'a str) -> impl Iterator<Item = &'static Word> + 'a {
    let exempt = move |word: &Word| word.advice == NEIGHBOUR && path == NEIGHBOUR_HOME;
    WORDS.iter().filter(move |word| !exempt(word) && occurs(line, word))
}

fn occurs(line: &str, word: &Word) -> bool {
    let text = word.parts.concat();
    let joins = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(&text).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(joins);
        let after = line[at + text.len()..].chars().next().is_some_and(joins);
        let open_ended = !text.ends_with(joins);
        !word.whole || (!before && (open_ended || !after))
    })
}

fn check_sql(file: &SourceFile) -> Vec<Finding> {
    let advice = "SQL outside the store: add a verb to crates/store";
    if file.path.ends_with(".sql") {
        return vec![Finding::new(&file.path, 0, advice)];
    }
    if file.syntax.is_none() {
        return Vec::new();
    }
    let tokens: TokenStream = file.text.parse().unwrap_or_default();
    let mut literals = Vec::new();
    collect_literals(tokens, &mut literals);
    let sql = literals.into_iter().filter(|(_, text)| is_sql(text));
    sql.map(|(line, _)| Finding::new(&file.path, line, advice)).collect()
}

fn collect_literals(tokens: TokenStream, out: &mut Vec<(usize, String)>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_literals(group.stream(), out),
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    out.push((literal.span().start().line, text.value()));
                }
            }
            _ => {}
        }
    }
}

/// True for a text that opens with a statement of SQL.
fn is_sql(text: &str) -> bool {
    const STATEMENTS: &[(&str, &str)] = &[
        ("SELECT", "FROM"),
        ("INSERT", "INTO"),
        ("UPDATE", "SET"),
        ("DELETE", "FROM"),
        ("CREATE", "TABLE"),
        ("CREATE", "INDEX"),
        ("ALTER", "TABLE"),
        ("DROP", "TABLE"),
        ("PRAGMA", ""),
    ];
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
    let is_sentence = text.ends_with('.');
    let opens = |word: &str| text.strip_prefix(word).is_some_and(|rest| rest.starts_with(' '));
    let has = |word: &str| word.is_empty() || text.contains(&format!(" {word} "));
    !is_sentence && STATEMENTS.iter().any(|(opening, later)| opens(opening) && has(later))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&[SourceFile::parse(path, text).unwrap()]).len()
    }

    #[test]
    fn every_word_is_found_and_its_relatives_are_not() {
        for word in WORDS {
            let text = format!("see {} here", word.parts.concat());
            assert_eq!(count("docs/a.md", &text), 1, "{text}");
            assert_eq!(count("Cargo.lock", &text), 0, "{text}");
        }
        assert_eq!(count("docs/a.md", &format!("a{}1", WORDS[1].parts.concat())), 0);
        assert_eq!(count("docs/a.md", &format!("un{}b", WORDS[14].parts.concat())), 0);
    }

    #[test]
    fn only_ci_knows_its_neighbour() {
        let text = format!("../{}traffic", WORDS[14].parts.concat());
        assert_eq!(count("test", &text), 1);
        assert_eq!(count(".ci/run", &text), 0);
    }

    #[test]
    fn sql_lives_in_the_store() {
        let text = "fn a() { b(\"select x\\n from y\") }";
        assert_eq!(count("crates/control/src/a.rs", text), 1);
        assert_eq!(count("crates/store/src/a.rs", text), 0);
        assert_eq!(count("crates/control/src/a.rs", "fn a() { c!(\"DELETE FROM x\") }"), 1);
        assert_eq!(count("crates/control/a.sql", ""), 1);
        assert_eq!(count("crates/control/src/a.rs", "fn a() { b(\"Select a model from the list.\") }"), 0);
        assert_eq!(count("crates/control/src/a.rs", "fn a() { b(\"update the key\") }"), 0);
    }
}
