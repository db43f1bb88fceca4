//! `serve`: everything that runs while the process serves, from the claim on the data folder to the last record.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use control::{ControlSocket, Live};
use store::{AlreadyServing, Directory, ServingGuard, WatchGuard};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::open_store;
use crate::config::Settings;
use crate::failure::Failure;
use crate::live::LiveRelay;
use crate::logging;
use crate::output::Output;

/// How long a command may take until it is done with the data folder.
const CLAIM_WAIT: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT, then lets calls under way end and writes every record.
pub(crate) fn run(settings: &Settings, output: Output) -> Result<(), Failure> {
    logging::start(settings)?;
    runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let serving = Serving::start(settings).await?;
        serving.announce(output);
        tokio::select! {
            () = signals.next() => {}
            () = serving.relay.poisoned() => return Err(Failure::other(
                "the disk under the journal failed, so that no call can be paid for; the records that were written are \
                 read at the next start",
            )),
        }
        output.note("stopping: calls under way may end");
        serving.stop_unless_told_twice(&mut signals).await
    })
}

/// The event loop of a serving process.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("mandant").build();
    runtime.context("no event loop can be made").map_err(Failure::from)
}

/// SIGTERM and SIGINT, caught from the moment this is made: before anything starts that has to be stopped.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Begins to catch the signals, on the current event loop.
    pub(crate) fn listen() -> Result<StopSignals, Failure> {
        let terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
        let interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
        Ok(StopSignals { terminate, interrupt })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Everything that runs. Fields are dropped in their order: the claim goes last.
pub(crate) struct Serving {
    relay: Arc<LiveRelay>,
    relay_address: SocketAddr,
    control_address: SocketAddr,
    socket_path: std::path::PathBuf,
    stop_control: watch::Sender<bool>,
    control: Vec<JoinHandle<()>>,
    _watch: WatchGuard,
    _claim: ServingGuard,
}

impl Serving {
    /// Opens the store, claims it, loads what requests read, and starts all listeners.
    pub(crate) async fn start(settings: &Settings) -> Result<Serving, Failure> {
        raise_file_limit();
        let store = Arc::new(open_store(settings)?);
        let claim = claim(&store).await.context("this process cannot serve")?;
        let directory = Directory::load(store.clone()).context("the resources cannot be loaded")?;
        let watch = directory.watch().context("changes of resources cannot be watched")?;
        let relay = gateway::start(settings.relay.clone(), store.clone(), directory.clone(), seeds()?);
        let relay = relay.await.context("the relay cannot start")?;
        let relay_address = relay.address();
        let relay = Arc::new(LiveRelay::new(directory, relay));

        let socket = ControlSocket::bind(&settings.data_dir)
            .await
            .with_context(|| format!("{} cannot be made in {}", control::SOCKET_NAME, settings.data_dir.display()))?;
        let socket_path = socket.path().to_owned();
        let tcp = TcpListener::bind(settings.control_listen).await;
        let tcp = tcp.with_context(|| format!("control.listen: {} cannot be used", settings.control_listen))?;
        let control_address = tcp.local_addr().context("control.listen has no address")?;

        let (stop_control, stopped) = watch::channel(false);
        let live: Arc<dyn Live> = relay.clone();
        let health = control::health_router(live.clone());
        let control = vec![
            tokio::spawn(socket.serve(control::router(store.clone(), Some(live)), stopped.clone())),
            tokio::spawn(control::serve_tcp(tcp, health, stopped)),
        ];
        Ok(Serving {
            relay,
            relay_address,
            control_address,
            socket_path,
            stop_control,
            control,
            _watch: watch,
            _claim: claim,
        })
    }

    /// One line a listener.
    pub(crate) fn announce(&self, output: Output) {
        if output.is_json() {
            output.json(&serde_json::json!({
                "relay": format!("http://{}", self.relay_address),
                "control": format!("http://{}", self.control_address),
                "socket": self.socket_path,
            }));
            return;
        }
        output.line(format!("relay    http://{}/v1", self.relay_address));
        output.line(format!("control  http://{}/healthz /readyz /metrics", self.control_address));
        output.line(format!("socket   {}", self.socket_path.display()));
    }

    /// Where calls are taken.
    pub(crate) const fn relay_address(&self) -> SocketAddr {
        self.relay_address
    }

    /// The relay as the control interface sees it.
    pub(crate) fn relay(&self) -> &Arc<LiveRelay> {
        &self.relay
    }

    /// Stops accepting, lets calls under way end within the grace period, writes every record, and ends the listeners.
    pub(crate) async fn stop(self) {
        if let Some(relay) = self.relay.take() {
            relay.stop().await;
        }
        let _ = self.stop_control.send(true);
        for listener in self.control {
            let _ = listener.await;
        }
    }

    /// The same, but a second signal cuts the waiting short.
    async fn stop_unless_told_twice(self, signals: &mut StopSignals) -> Result<(), Failure> {
        tokio::select! {
            () = self.stop() => Ok(()),
            () = signals.next() => Err(Failure::other("stopped at the second signal; calls under way were cut, and their holds stay until \
                                    their cost is known")),
        }
    }
}

/// Claims the data folder. A command may have it for a moment; a process that serves has it for longer.
async fn claim(store: &store::Store) -> Result<ServingGuard, AlreadyServing> {
    let deadline = tokio::time::Instant::now() + CLAIM_WAIT;
    loop {
        match store.claim_serving() {
            Err(AlreadyServing::Other { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            claimed => return claimed,
        }
    }
}

/// Two random words, from which request ids and the spreading of load come.
fn seeds() -> Result<[u64; 2], Failure> {
    let word =
        || getrandom::u64().map_err(|error| Failure::other(format!("the system gives no random bytes: {error}")));
    Ok([word()?, word()?])
}

/// Lets this process have as many open files as it may: every connection is one.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        if let Err(error) = raised {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
}
