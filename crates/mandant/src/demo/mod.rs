//! `demo`: the whole relay with a simulated provider, example tenants and sample traffic. No key is needed, and nothing
//! leaves the machine.

mod client;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use control::Live as _;
use http::Method;
use serde_json::{Value, json};
use testkit::{Options, SimulatedProvider};

use crate::backend::{Backend, Question, path_part};
use crate::cli::Demo;
use crate::command::print_usage;
use crate::config::Settings;
use crate::config::resources;
use crate::failure::Failure;
use crate::logging;
use crate::output::Output;
use crate::serve::{Serving, StopSignals, runtime};
use client::{Outcome, Sample};

/// Resources with placeholders for what is known only at the start.
const RESOURCES: &str = include_str!("resources.toml");
/// The tenants whose usage is shown.
const TENANTS: [&str; 3] = ["tenant_premium_001", "tenant_standard_002", "tenant_small_003"];
const PROMPT: &str = "Explain in two sentences why a relay needs a ledger that never forgets what it promised.";

/// Demonstrates, then serves on unless told otherwise.
pub(crate) fn run(
    request: &Demo,
    mut settings: Settings,
    data_dir: Option<PathBuf>,
    output: Output,
) -> Result<(), Failure> {
    let folder = Folder::new(data_dir)?;
    settings.data_dir = folder.path.clone();
    settings.relay.listen = request.listen;
    settings.control_listen = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    settings.log_level = "warn".into();
    logging::start(&settings)?;
    runtime()?.block_on(demonstrate(request, &settings, output))
}

async fn demonstrate(request: &Demo, settings: &Settings, output: Output) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let provider = SimulatedProvider::start(Options::default()).await.context("the simulated provider cannot start")?;
    let serving = Serving::start(settings).await?;
    if !output.is_json() {
        serving.announce(output);
        output.line(format!("provider {} (simulated)\n", provider.base_url()));
    }
    let secrets = set_up(settings, &provider).await?;
    let outcomes = traffic(&serving, &secrets).await?;
    serving.relay().flush();
    let reports = reports(settings).await?;
    if output.is_json() {
        output.json(&told_as_json(&serving, &outcomes, &reports));
    } else {
        tell(&outcomes, &reports, output);
    }
    if !request.once {
        let secret = secrets.get("tenant_premium_001/main/app").map_or("", String::as_str);
        invite(&serving, settings, secret, output);
        signals.next().await;
    }
    serving.stop().await;
    Ok(())
}

/// Applies the resources and gives the secrets of all keys by their place.
async fn set_up(settings: &Settings, provider: &SimulatedProvider) -> Result<HashMap<String, String>, Failure> {
    let key_file = settings.data_dir.join("simulated.key");
    std::fs::write(&key_file, "sk-simulated\n").context("the simulated provider's key cannot be written")?;
    let key_file = key_file.canonicalize().context("the data folder has no path")?;
    let text = RESOURCES
        .replace("BASE_URL", &provider.base_url())
        .replace("KEY_FILE", &key_file.display().to_string().replace('\\', "\\\\"));
    let file = resources::read("demo.toml", &text).map_err(Failure::Data)?;
    let body = json!({"resources": file.value});
    ask(settings, move |backend| {
        let mut answer = backend.ask(Question::new(Method::POST, "/v1/apply").json(&body))?;
        let made = answer["secrets"].as_array().map_or(0, Vec::len);
        if made < 4 {
            // A data folder of an earlier demonstration has keys whose secrets nobody knows: they get new ones.
            for key in [
                "tenant_premium_001/main/app",
                "tenant_standard_002/main/app",
                "tenant_standard_002/main/trickle",
                "tenant_small_003/main/app",
            ] {
                let path = format!("/v1/keys/{}/rotate", path_part(key));
                let rotated = backend.ask(Question::new(Method::POST, &path))?;
                if let (Some(all), Some(new)) = (answer["secrets"].as_array_mut(), rotated["secrets"].as_array()) {
                    all.extend(new.iter().cloned());
                }
            }
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let secrets = answer["secrets"].as_array().into_iter().flatten();
        Ok(secrets.map(|line| (text(&line["key"]), text(&line["secret"]))).collect())
    })
    .await
}

/// Asks the control interface from a thread of its own, since its client waits.
async fn ask<T: Send + 'static>(
    settings: &Settings,
    work: impl FnOnce(&Backend) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let settings = settings.clone();
    let asked = tokio::task::spawn_blocking(move || work(&Backend::open(&settings)?)).await;
    asked.context("a request of the demonstration broke off")?
}

/// The sample calls: both tenants over their models, a stream, and one refusal of each important kind.
fn samples() -> Vec<Sample> {
    let sample = |tenant, key, model, stream| Sample { tenant, key, model, stream, max_tokens: 64 };
    let (premium, standard, small) = (TENANTS[0], TENANTS[1], TENANTS[2]);
    vec![
        sample(premium, "app", "gpt-4.1", false),
        sample(premium, "app", "gpt-4.1", true),
        sample(premium, "app", "claude-sonnet-4.5", false),
        sample(premium, "app", "gemini-2.5-flash", true),
        sample(standard, "app", "gemini-2.5-flash", false),
        sample(standard, "app", "deepseek-v3.2", true),
        // Not on its list: 403.
        sample(standard, "app", "gpt-4.1", false),
        // Two a minute: the third is a 429.
        sample(standard, "trickle", "deepseek-v3.2", false),
        sample(standard, "trickle", "deepseek-v3.2", false),
        sample(standard, "trickle", "deepseek-v3.2", false),
        // A budget of $0.002: the first fits, then a large one does not: 402.
        sample(small, "app", "deepseek-v3.2", false),
        Sample { tenant: small, key: "app", model: "deepseek-v3.2", stream: false, max_tokens: 4_000 },
    ]
}

async fn traffic(serving: &Serving, secrets: &HashMap<String, String>) -> Result<Vec<(Sample, Outcome)>, Failure> {
    let mut outcomes = Vec::new();
    for sample in samples() {
        let key = format!("{}/main/{}", sample.tenant, sample.key);
        let secret = secrets.get(&key).with_context(|| format!("{key} has no secret"))?;
        let outcome = client::call(serving.relay_address(), secret, &sample, PROMPT).await?;
        outcomes.push((sample, outcome));
    }
    Ok(outcomes)
}

/// The usage of every tenant, by model.
async fn reports(settings: &Settings) -> Result<Vec<Value>, Failure> {
    ask(settings, |backend| {
        let path = |tenant: &&str| format!("/v1/tenants/{}/usage?by=model", path_part(tenant));
        TENANTS.iter().map(|tenant| backend.ask(Question::new(Method::GET, &path(tenant)))).collect()
    })
    .await
}

fn told_as_json(serving: &Serving, outcomes: &[(Sample, Outcome)], reports: &[Value]) -> Value {
    let calls: Vec<Value> = outcomes
        .iter()
        .map(|(sample, outcome)| {
            json!({
                "tenant_id": sample.tenant, "key": sample.key, "model": sample.model, "stream": sample.stream,
                "status": outcome.status, "cost_usd": outcome.cost, "answer": outcome.told,
            })
        })
        .collect();
    json!({"relay": format!("http://{}/v1", serving.relay_address()), "calls": calls, "usage": reports})
}

fn tell(outcomes: &[(Sample, Outcome)], reports: &[Value], output: Output) {
    let row = |(sample, outcome): &(Sample, Outcome)| {
        vec![
            sample.tenant.to_owned(),
            sample.key.to_owned(),
            sample.model.to_owned(),
            if sample.stream { "stream".into() } else { String::new() },
            outcome.status.to_string(),
            outcome.cost.as_ref().map(|usd| format!("${usd}")).unwrap_or_default(),
            shortened(&outcome.told),
        ]
    };
    let rows: Vec<Vec<String>> = outcomes.iter().map(row).collect();
    output.table(&["tenant", "key", "model", "", "status", "cost", "answer"], &rows);
    for report in reports {
        output.line("");
        print_usage(report, output);
    }
}

/// Long sentences are cut so that a row stays a row.
fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// Says how to go on from here.
fn invite(serving: &Serving, settings: &Settings, secret: &str, output: Output) {
    let data_dir = settings.data_dir.display();
    output.line(format!(
        "
Call it yourself, with the key of tenant_premium_001:

  export OPENAI_BASE_URL=http://{address}/v1
  export OPENAI_API_KEY={secret}

  from openai import OpenAI
  answer = OpenAI().chat.completions.create(
      model=\"gpt-4.1\",
      messages=[{{\"role\": \"user\", \"content\": \"Hello\"}}])
  print(answer.choices[0].message.content)

Look at it from another terminal:

  mandant status --tenant tenant_premium_001 --data-dir {data_dir}
  mandant calls --tenant tenant_premium_001 --data-dir {data_dir}

Connect a real provider instead of the simulated one:

  mandant upstream create openai --base-url https://api.openai.com/v1 --secret-file - --data-dir {data_dir}
  mandant model update gpt-4.1 --route openai --data-dir {data_dir}

Press Ctrl-C to stop.",
        address = serving.relay_address(),
    ));
}

/// The data folder: the given one, or one that goes when the demonstration ends.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(given: Option<PathBuf>) -> Result<Folder, Failure> {
        if let Some(path) = given {
            return Ok(Folder { path, temporary: false });
        }
        let word =
            getrandom::u32().map_err(|error| Failure::other(format!("the system gives no random bytes: {error}")))?;
        let path = std::env::temp_dir().join(format!("mandant-demo-{word:08x}"));
        Ok(Folder { path, temporary: true })
    }

    fn remove(path: &Path) {
        if let Err(error) = std::fs::remove_dir_all(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "the temporary data folder stays");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            Folder::remove(&self.path);
        }
    }
}
