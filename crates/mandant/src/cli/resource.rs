//! The verbs for single resources, and the settings that each kind of resource takes.

use base::Price;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::terms::{AccountTerms, Unset, without_nulls};
use crate::config::Findings;

/// A project or key by its place: TENANT/PROJECT or TENANT/PROJECT/NAME; projects may nest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The tenant.
    pub(crate) tenant: String,
    /// What follows the first slash.
    pub(crate) rest: String,
}

impl core::str::FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Account, String> {
        match text.split_once('/') {
            Some((tenant, rest)) if !tenant.is_empty() && !rest.is_empty() => {
                Ok(Account { tenant: tenant.to_owned(), rest: rest.to_owned() })
            }
            _ => Err("write the whole place: TENANT/PROJECT, or TENANT/PROJECT/NAME for a key".into()),
        }
    }
}

/// What fills the gaps of a call.
#[derive(Debug, Default, Clone, Args)]
struct DefaultTerms {
    /// The model of a call that names none.
    #[arg(long, value_name = "MODEL")]
    default_model: Option<String>,
    /// The output limit of a call that sets none.
    #[arg(long, value_name = "COUNT")]
    default_max_tokens: Option<u64>,
}

impl DefaultTerms {
    fn patch(&self) -> Value {
        without_nulls(json!({"defaults": {"model": self.default_model, "max_tokens": self.default_max_tokens}}))
    }
}

/// The settings of a tenant.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct TenantTerms {
    /// The name for people.
    #[arg(long)]
    name: Option<String>,
    /// What applies without limits and budget: standard or unlimited.
    #[arg(long, value_parser = ["standard", "unlimited"])]
    plan: Option<String>,
    /// Who goes first when an upstream is scarce.
    #[arg(long, value_parser = ["high", "normal", "low"])]
    priority: Option<String>,
    /// The calendar that budgets follow, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Whether only what was paid in advance can be used: see mandant wallet.
    #[arg(long, value_name = "BOOL")]
    wallet: Option<bool>,
    #[command(flatten)]
    terms: AccountTerms,
    #[command(flatten)]
    defaults: DefaultTerms,
}

impl TenantTerms {
    /// The members that are set.
    ///
    /// # Errors
    /// Everything that is wrong with the limits.
    pub(crate) fn patch(&self) -> Result<Value, Findings> {
        let own = json!({
            "name": self.name,
            "plan": self.plan,
            "priority": self.priority,
            "timezone": self.timezone,
            "wallet": self.wallet,
        });
        Ok(joined([without_nulls(own), self.terms.patch()?, self.defaults.patch()]))
    }
}

/// The settings of a project.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct ProjectTerms {
    #[command(flatten)]
    terms: AccountTerms,
    #[command(flatten)]
    defaults: DefaultTerms,
}

impl ProjectTerms {
    /// The members that are set.
    ///
    /// # Errors
    /// Everything that is wrong with the limits.
    pub(crate) fn patch(&self) -> Result<Value, Findings> {
        Ok(joined([self.terms.patch()?, self.defaults.patch()]))
    }
}

/// The settings of a key.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct KeyTerms {
    /// Refused from then on, such as 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// The only networks that it may be used from, separated by commas.
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',')]
    ip_allow: Option<Vec<String>>,
    /// Makes it a service key that may act for these tenants, separated by commas.
    #[arg(long, value_name = "TENANTS", value_delimiter = ',')]
    service: Option<Vec<String>>,
    #[command(flatten)]
    terms: AccountTerms,
}

impl KeyTerms {
    /// The members that are set.
    ///
    /// # Errors
    /// Everything that is wrong with the limits.
    pub(crate) fn patch(&self) -> Result<Value, Findings> {
        let own = json!({"expires": self.expires, "ip_allow": self.ip_allow, "service": self.service});
        Ok(joined([without_nulls(own), self.terms.patch()?]))
    }
}

/// The settings of an upstream.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct UpstreamTerms {
    /// Where its endpoints begin.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Where its credential is: env:NAME or file:PATH; several are pooled.
    #[arg(long, value_name = "PLACE", value_parser = credential_place)]
    api_key: Vec<String>,
    /// Read a credential from the first line of this file (- for standard input) and seal it in the store.
    #[arg(long, value_name = "FILE", conflicts_with = "api_key")]
    pub(crate) secret_file: Option<std::path::PathBuf>,
    /// How requests show the credential, where that is not the usual way of the dialect.
    #[arg(long, value_parser = catalog::AuthStyle::ALL.map(catalog::AuthStyle::name))]
    auth: Option<String>,
    /// The region that requests are signed for, where the address does not name it.
    #[arg(long)]
    region: Option<String>,
    /// Where access tokens are got.
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// The application that gets them.
    #[arg(long, value_name = "ID")]
    token_client_id: Option<String>,
    /// What access tokens are for.
    #[arg(long, value_name = "SCOPE")]
    token_scope: Option<String>,
    /// Who runs the models, where that is not the inventor of the dialect.
    #[arg(long, value_parser = ["inventor", "vertex"])]
    hosting: Option<String>,
    /// A header that every request to it has, as "name: value"; may be given several times.
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// Whether usage in streams has to be asked for.
    #[arg(long, value_name = "BOOL")]
    asks_stream_usage: Option<bool>,
    /// It takes calls without a credential.
    #[arg(long)]
    no_auth: bool,
    /// Plain http:// is allowed although the host is not loopback.
    #[arg(long)]
    allow_plain_http: bool,
    /// Attempts under way at once.
    #[arg(long, value_name = "COUNT")]
    concurrency: Option<u32>,
}

impl UpstreamTerms {
    /// The members that are set, but for a credential that is still to be read.
    pub(crate) fn patch(&self) -> Value {
        let token = without_nulls(json!({
            "url": self.token_url, "client_id": self.token_client_id, "scope": self.token_scope,
        }));
        without_nulls(json!({
            "region": self.region,
            "token": token.as_object().is_some_and(|token| !token.is_empty()).then_some(&token),
            "hosting": self.hosting,
            "headers": (!self.headers.is_empty()).then_some(&self.headers),
            "asks_stream_usage": self.asks_stream_usage,
            "base_url": self.base_url,
            "api_keys": (!self.api_key.is_empty()).then_some(&self.api_key),
            "auth": self.auth,
            "no_auth": self.no_auth.then_some(true),
            "allow_plain_http": self.allow_plain_http.then_some(true),
            "concurrency": self.concurrency,
        }))
    }
}

/// A credential itself would be seen by everybody who lists processes.
fn credential_place(text: &str) -> Result<String, String> {
    if text.starts_with("env:") || text.starts_with("file:") {
        Ok(text.to_owned())
    } else {
        Err("name a place, env:NAME or file:PATH; give the credential itself with --secret-file -".into())
    }
}

/// The settings of a model.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct ModelTerms {
    /// Where it is served: UPSTREAM, or UPSTREAM=NAME when it has another name there; several share the calls.
    #[arg(long, value_name = "UPSTREAM")]
    route: Vec<String>,
    /// What tenants pay for input, in US dollars per 1M tokens.
    #[arg(long, value_name = "USD", value_parser = Price::parse_per_million)]
    input_price: Option<Price>,
    /// What tenants pay for output, in US dollars per 1M tokens.
    #[arg(long, value_name = "USD", value_parser = Price::parse_per_million)]
    output_price: Option<Price>,
    /// What tenants pay for cached input, in US dollars per 1M tokens.
    #[arg(long, value_name = "USD", value_parser = Price::parse_per_million)]
    cached_input_price: Option<Price>,
    /// Tokens of input and output that fit together.
    #[arg(long, value_name = "COUNT")]
    context_window: Option<u64>,
    /// Output tokens when a call sets no limit.
    #[arg(long, value_name = "COUNT")]
    max_output_tokens: Option<u64>,
    /// Which endpoints it serves.
    #[arg(long, value_parser = ["chat", "completion", "text", "embedding", "moderation", "image", "speech", "transcription", "rerank", "realtime"])]
    kind: Option<String>,
    /// Models that may answer instead, in order, separated by commas.
    #[arg(long, value_name = "MODELS", value_delimiter = ',')]
    fallbacks: Option<Vec<String>>,
}

impl ModelTerms {
    /// The members that are set.
    pub(crate) fn patch(&self) -> Value {
        let route: Vec<Value> = self
            .route
            .iter()
            .map(|target| match target.split_once('=') {
                Some((upstream, model)) => json!({"upstream": upstream, "model": model}),
                None => json!({"upstream": target}),
            })
            .collect();
        without_nulls(json!({
            "route": (!route.is_empty()).then_some(route),
            "price": {"input": self.input_price, "output": self.output_price, "cached_input": self.cached_input_price},
            "context_window": self.context_window,
            "max_output_tokens": self.max_output_tokens,
            "kind": self.kind,
            "fallbacks": self.fallbacks,
        }))
    }
}

fn joined<const N: usize>(parts: [Value; N]) -> Value {
    let members = parts.into_iter().filter_map(|part| match part {
        Value::Object(members) => Some(members),
        _ => None,
    });
    Value::Object(members.flatten().collect())
}

/// What can be done with tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant; without settings it gets the standard plan.
    #[command(
        after_help = "Example:\n  mandant tenant create acme --rpm 120 --usd-per-month 1000\n  mandant tenant create acme --per-model gpt-4.1 rpm=10,tpd=500000 --per-end-user rpm=5,concurrency=2"
    )]
    Create {
        /// The new tenant's name.
        tenant: String,
        #[command(flatten)]
        terms: TenantTerms,
    },
    /// List all tenants.
    #[command(after_help = "Example:\n  mandant tenant list --json")]
    List,
    /// Show a tenant with its projects and keys.
    #[command(after_help = "Example:\n  mandant tenant show acme")]
    Show {
        /// The tenant.
        tenant: String,
    },
    /// Change the named settings of a tenant and keep the others.
    #[command(
        after_help = "Example:\n  mandant tenant update acme --rpm 200 --unset budget.usd_per_day\n  mandant tenant update acme --shadow rpm=60,usd-per-month=50 --unset limits.models.gpt-4.1"
    )]
    Update {
        /// The tenant.
        tenant: String,
        #[command(flatten)]
        terms: TenantTerms,
        #[command(flatten)]
        unset: Unset,
    },
    /// Refuse every call of a tenant until it is resumed.
    #[command(after_help = "Example:\n  mandant tenant suspend acme")]
    Suspend {
        /// The tenant.
        tenant: String,
    },
    /// Serve a suspended tenant again.
    #[command(after_help = "Example:\n  mandant tenant resume acme")]
    Resume {
        /// The tenant.
        tenant: String,
    },
    /// Delete a tenant with its projects and keys. Its usage records stay.
    #[command(after_help = "Example:\n  mandant tenant delete acme")]
    Delete {
        /// The tenant.
        tenant: String,
    },
}

/// What can be done with projects.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Create a project.
    #[command(after_help = "Example:\n  mandant project create acme/search --usd-per-month 50")]
    Create {
        /// The new project: TENANT/PROJECT.
        project: Account,
        #[command(flatten)]
        terms: ProjectTerms,
    },
    /// List projects.
    #[command(after_help = "Example:\n  mandant project list --tenant acme")]
    List {
        /// Of this tenant only.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Show a project with its keys.
    #[command(after_help = "Example:\n  mandant project show acme/search")]
    Show {
        /// The project: TENANT/PROJECT.
        project: Account,
    },
    /// Change the named settings of a project and keep the others.
    #[command(
        after_help = "Example:\n  mandant project update acme/search --models gpt-4.1\n  mandant project update acme/search --per-model gpt-4.1 rpm=10,block-for=5m,shadow.rpm=5"
    )]
    Update {
        /// The project: TENANT/PROJECT.
        project: Account,
        #[command(flatten)]
        terms: ProjectTerms,
        #[command(flatten)]
        unset: Unset,
    },
    /// Delete a project with its keys. Its usage records stay.
    #[command(after_help = "Example:\n  mandant project delete acme/search")]
    Delete {
        /// The project: TENANT/PROJECT.
        project: Account,
    },
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key; its secret is printed this once.
    #[command(after_help = "Example:\n  mandant key create acme/search/ci --expires 2027-01-01T00:00:00Z")]
    Create {
        /// The new key: TENANT/PROJECT/NAME.
        key: Account,
        /// Take the secret from the first line of this file (- for standard input) instead of making one.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<std::path::PathBuf>,
        #[command(flatten)]
        terms: KeyTerms,
    },
    /// List keys.
    #[command(after_help = "Example:\n  mandant key list --tenant acme")]
    List {
        /// Of this tenant only.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Show a key. Its secret is not stored and cannot be shown.
    #[command(after_help = "Example:\n  mandant key show acme/search/ci")]
    Show {
        /// The key: TENANT/PROJECT/NAME.
        key: Account,
    },
    /// Change the named settings of a key and keep the others.
    #[command(
        after_help = "Example:\n  mandant key update acme/search/ci --rpm 10\n  mandant key update acme/search/ci --per-end-user rph=100 --shadow tpm=20000"
    )]
    Update {
        /// The key: TENANT/PROJECT/NAME.
        key: Account,
        #[command(flatten)]
        terms: KeyTerms,
        #[command(flatten)]
        unset: Unset,
    },
    /// Give a key a new secret, printed this once; the old one is refused at once.
    #[command(after_help = "Example:\n  mandant key rotate acme/search/ci")]
    Rotate {
        /// The key: TENANT/PROJECT/NAME.
        key: Account,
    },
    /// Refuse a key for good.
    #[command(after_help = "Example:\n  mandant key revoke acme/search/ci")]
    Revoke {
        /// The key: TENANT/PROJECT/NAME.
        key: Account,
    },
    /// Delete a key. Its usage records stay.
    #[command(after_help = "Example:\n  mandant key delete acme/search/ci")]
    Delete {
        /// The key: TENANT/PROJECT/NAME.
        key: Account,
    },
}

/// What can be done with upstreams.
#[derive(Debug, Subcommand)]
pub(crate) enum UpstreamCommand {
    /// Create an upstream.
    #[command(
        after_help = "Example:\n  mandant upstream create groq --kind groq\n  mandant upstream create openai --base-url https://api.openai.com/v1 --api-key env:OPENAI_API_KEY"
    )]
    Create {
        /// The new upstream's name.
        upstream: String,
        /// The known provider that it is; fills in what is not said.
        #[arg(long, value_name = "PROVIDER")]
        kind: Option<String>,
        /// The wire format that it speaks; OpenAI's, unless its kind says otherwise.
        #[arg(long, value_parser = ["openai", "anthropic", "gemini", "cohere", "bedrock", "ollama"])]
        dialect: Option<String>,
        #[command(flatten)]
        terms: UpstreamTerms,
    },
    /// List all upstreams.
    #[command(after_help = "Example:\n  mandant upstream list")]
    List,
    /// Show an upstream; credentials are named, never shown.
    #[command(after_help = "Example:\n  mandant upstream show openai")]
    Show {
        /// The upstream.
        upstream: String,
    },
    /// Change the named settings of an upstream and keep the others.
    #[command(after_help = "Example:\n  mandant upstream update openai --concurrency 200")]
    Update {
        /// The upstream.
        upstream: String,
        #[command(flatten)]
        terms: UpstreamTerms,
        #[command(flatten)]
        unset: Unset,
    },
    /// Delete an upstream that no model uses.
    #[command(after_help = "Example:\n  mandant upstream delete openai")]
    Delete {
        /// The upstream.
        upstream: String,
    },
}

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Create a model; bounds and price that are left out come from the default catalogue when it knows the name.
    #[command(
        after_help = "Example:\n  mandant model create gpt-4.1 --route openai --input-price 8.00 --output-price 8.00"
    )]
    Create {
        /// The name that clients use.
        model: String,
        #[command(flatten)]
        terms: ModelTerms,
    },
    /// List all models.
    #[command(after_help = "Example:\n  mandant model list")]
    List,
    /// Show a model with its price and route.
    #[command(after_help = "Example:\n  mandant model show gpt-4.1")]
    Show {
        /// The model.
        model: String,
    },
    /// Change the named settings of a model and keep the others. A new price is a new version, from now on.
    #[command(after_help = "Example:\n  mandant model update gpt-4.1 --input-price 7.50")]
    Update {
        /// The model.
        model: String,
        #[command(flatten)]
        terms: ModelTerms,
        #[command(flatten)]
        unset: Unset,
    },
    /// Delete a model that nothing falls back to.
    #[command(after_help = "Example:\n  mandant model delete gpt-4.1")]
    Delete {
        /// The model.
        model: String,
    },
}
