//! The house rules, applied to this workspace by `cargo test`.

use std::path::Path;

#[test]
fn the_workspace_keeps_the_house_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is inside the workspace");
    let mut report = String::new();
    for (name, findings) in xtask::tidy::run(root).expect("the workspace can be read") {
        for finding in findings {
            report += &format!("\n{name}: {finding}");
        }
    }
    assert!(report.is_empty(), "{report}\n");
}
