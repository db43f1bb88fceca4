//! Files that people write: settings and resources, good and bad, and the exit codes that tell them apart.

use std::os::unix::fs::PermissionsExt as _;

use crate::sandbox::{RESOURCES, Sandbox};

#[test]
fn bad_settings_are_told_line_by_line_with_exit_code_64() {
    let sandbox = Sandbox::new();
    sandbox.write("mandant.toml", "data_dir = 5\n[relay]\nlistn = \"x\"\n[log]\nlevel = \"loud\"\n");
    for command in ["config check", "serve", "tenant list", "doctor"] {
        let said = sandbox.run(command);
        assert_eq!(said.code, if command == "doctor" { 1 } else { 64 }, "{command}: {said:?}");
        for line in [
            "mandant.toml:1: data_dir:",
            "mandant.toml:3: relay.listn: unknown key; did you mean \"listen\"?",
            "mandant.toml:5: log.level:",
        ] {
            assert!(said.err.contains(line) || said.out.contains(line), "{command}: {line}: {said:?}");
        }
    }
    assert!(!sandbox.path("data").exists(), "nothing is made before the settings are good");
}

#[test]
fn problems_in_json_have_file_lines_as_data() {
    let sandbox = Sandbox::new();
    sandbox.write("mandant.toml", "datadir = \"x\"\n");
    let said = sandbox.run("config check --json");
    let error = &said.json()["error"];
    assert_eq!((said.code, &error["code"]), (64, &"invalid_config".into()));
    assert_eq!((&error["problems"][0]["line"], &error["problems"][0]["path"]), (&1.into(), &"datadir".into()));
}

#[test]
fn the_settings_file_is_found_by_option_by_variable_and_by_name() {
    let sandbox = Sandbox::new();
    sandbox.write("other.toml", "data_dir = \"elsewhere\"\n");
    let said = sandbox.good("config check --config other.toml --json");
    assert_eq!(said.json()["config"], "other.toml");
    assert_eq!(sandbox.good("config check --json").json()["config"], "mandant.toml");
    assert_eq!(sandbox.run("config check --config missing.toml").code, 64);
}

#[test]
fn the_written_defaults_are_accepted() {
    let sandbox = Sandbox::new();
    let defaults = sandbox.good("config default").out;
    sandbox.write("defaults.toml", &defaults);
    sandbox.good("config check --config defaults.toml");
}

#[test]
fn bad_resources_are_told_line_by_line_with_exit_code_65() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.toml", &RESOURCES.replace("price = { input = \"1.00\"", "prise = { input = \"1.00\""));
    let said = sandbox.run("apply -f bad.toml");
    assert_eq!(said.code, 65, "{said:?}");
    assert!(said.err.starts_with("bad.toml:10: model[m].prise: unknown key; did you mean \"price\"?"), "{said:?}");
    assert_eq!(sandbox.run("config check bad.toml").code, 65);
    sandbox.good("config check resources.toml");
    assert_eq!(sandbox.run("apply -f missing.toml").code, 65);
}

#[test]
fn what_the_store_finds_wrong_has_its_line_too() {
    let sandbox = Sandbox::new();
    sandbox
        .write("bad.toml", &RESOURCES.replace("route = [{ upstream = \"up\" }]", "route = [{ upstream = \"down\" }]"));
    let said = sandbox.run("apply -f bad.toml");
    assert_eq!(said.code, 65, "{said:?}");
    assert!(said.err.starts_with("bad.toml:9: model[m].route[0].upstream: "), "{said:?}");
    assert_eq!(sandbox.good("export --json").json(), serde_json::json!({}), "nothing is half applied");
}

#[test]
fn the_data_folder_and_the_master_key_are_their_owners_alone() {
    let sandbox = Sandbox::new();
    sandbox.good("apply -f resources.toml");
    let mode = |name: &str| std::fs::metadata(sandbox.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/master.key"), mode("data/mandant.db")), (0o700, 0o600, 0o600));
    std::fs::set_permissions(sandbox.path("data/master.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = sandbox.run("tenant list");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("master.key"), "{said:?}");
}

#[test]
fn the_master_key_can_come_from_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.write("mandant.toml", "data_dir = \"data\"\n[secrets]\nmaster_key = \"env:MANDANT_TEST_MISSING\"\n");
    let said = sandbox.run("tenant list");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("MANDANT_TEST_MISSING"), "{said:?}");
}
