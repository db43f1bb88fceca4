//! A folder of its own for each test, commands run in it, and a serving process that ends with the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Resources that every check accepts: one upstream, one model, one tenant with one key.
pub(crate) const RESOURCES: &str = r#"[[upstream]]
id = "up"
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
api_keys = ["env:MANDANT_TEST_KEY"]

[[model]]
id = "m"
route = [{ upstream = "up" }]
price = { input = "1.00", output = "2.00" }
context_window = 100000
max_output_tokens = 1000

[[tenant]]
id = "acme"
limits = { requests_per_minute = 5 }
budget = { usd_per_month = "10.00" }
[[tenant.project]]
id = "search"
[[tenant.project.key]]
name = "ci"
"#;

/// Where serving processes write their log.
const LOG: &str = "serve.log";

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The answer as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A folder with a settings file whose listeners take free ports.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        let sandbox = Sandbox { folder: tempfile::tempdir().unwrap() };
        let settings = "data_dir = \"data\"\n[relay]\nlisten = \"127.0.0.1:0\"\nshutdown_grace = \"5s\"\n\
                        [control]\nlisten = \"127.0.0.1:0\"\n";
        sandbox.write("mandant.toml", settings);
        sandbox.write("resources.toml", RESOURCES);
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(program());
        command.args(words.split_whitespace()).current_dir(self.folder.path());
        command.env_remove("MANDANT_CONFIG").env("MANDANT_TEST_KEY", "sk-test");
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &str) -> Said {
        self.run_with(words, "")
    }

    /// Runs a command with this standard input.
    pub(crate) fn run_with(&self, words: &str, input: &str) -> Said {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its input may be gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command that must do what it is told.
    pub(crate) fn good(&self, words: &str) -> Said {
        let said = self.run(words);
        assert_eq!(said.code, 0, "mandant {words}: {said:?}");
        said
    }

    /// Starts a serving process and waits until it serves. Its log goes to a file: a pipe that nobody reads would stop it
    /// once it is full.
    pub(crate) fn serve(&self) -> Serving {
        let log = std::fs::File::options().create(true).append(true).open(self.path(LOG)).unwrap();
        let mut command = self.command("serve --json");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut announced = String::new();
        while !announced.ends_with("}\n") {
            if lines.read_line(&mut announced).unwrap() == 0 {
                let told = std::fs::read_to_string(self.path(LOG)).unwrap();
                panic!("the process ended before it served: {announced}{told}");
            }
        }
        let addresses = serde_json::from_str(&announced).unwrap();
        Serving { child, addresses }
    }

    /// The last lines of the serving processes' log.
    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.path(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// A serving process; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    addresses: Value,
}

impl Serving {
    /// `host:port` of the `relay` or the `control` listener.
    pub(crate) fn address(&self, listener: &str) -> String {
        self.addresses[listener].as_str().unwrap().trim_start_matches("http://").to_owned()
    }

    /// The process's number, for `/proc`.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for the end, but not for ever.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            pause(Duration::from_millis(50));
        }
        panic!("the process does not end");
    }

    /// A plain HTTP request by hand: the status and the whole answer.
    pub(crate) fn http(&self, listener: &str, head: &str, body: &str) -> (u16, String) {
        let mut stream = std::net::TcpStream::connect(self.address(listener)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let length = body.len();
        write!(stream, "{head}\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no status in {answer:?}")), answer)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test without an event loop waits for another process")]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// The program under test; `MANDANT_BINARY` puts another one there, such as a release build for a long programme.
fn program() -> std::ffi::OsString {
    std::env::var_os("MANDANT_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_mandant").into())
}
