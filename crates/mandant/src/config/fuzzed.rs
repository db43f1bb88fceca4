//! Fuzz targets: the resource file, and the settings.

use fuzz::{Fuzz, about, sign};

use super::{default, resources, settings};

const RESOURCES: &str = r#"
[[upstream]]
id = "openai"
dialect = "openai"
base_url = "https://api.openai.com/v1"
api_keys = ["env:OPENAI_API_KEY"]

[[model]]
id = "gpt-4.1"
route = [{ upstream = "openai", model = "gpt-4.1", weight = 2, tier = 1 }]
price = { input = "8.00", output = "8.00", cached_input = "2.00" }

[[tenant]]
id = "acme"
models = ["gpt-4.1"]
limits = { rpm = 120, tokens_per_month = 10000000 }
budget = { usd_per_month = "1000.00" }
timezone = "Europe/Berlin"
[[tenant.project]]
id = "search"
[[tenant.project.key]]
name = "ci"
secret = "mk-0123456789abcdef0123"
expires = "2027-01-01T00:00:00Z"
ip_allow = ["10.0.0.0/8"]
"#;

const WORDS: [&str; 12] = [
    "[[tenant]]\n",
    "[[model]]\n",
    "\"1h\"",
    "\"32MiB\"",
    "\"-1\"",
    "\"1e9\"",
    "= [",
    "= {",
    "\"\"\"",
    "\n",
    "id = ",
    "\u{fc}",
];

/// A file is resources, or has problems that say where they are; never neither, and never a panic.
#[test]
fn resource_files() {
    Fuzz::new("resource-files").corpus([RESOURCES]).words(WORDS).run(21, |input| {
        let Ok(text) = core::str::from_utf8(input) else { return 0 };
        match resources::read("resources.toml", text) {
            Ok(file) => sign(&(true, about(file.count()))),
            Err(findings) => {
                assert!(!findings.is_empty());
                sign(&(false, findings.list().len().min(8), findings.to_string().len() / 64))
            }
        }
    });
}

/// The same of the settings of the process.
#[test]
fn settings_files() {
    Fuzz::new("settings-files").corpus([default::document()]).words(WORDS).run(11, |input| {
        let Ok(text) = core::str::from_utf8(input) else { return 0 };
        match settings::read("mandant.toml", text) {
            Ok(settings) => sign(&(true, settings == settings::Settings::default())),
            Err(findings) => {
                assert!(!findings.is_empty());
                sign(&(false, findings.list().len().min(8), findings.to_string().len() / 64))
            }
        }
    });
}
