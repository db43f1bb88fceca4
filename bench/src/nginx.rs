//! nginx as a reverse proxy: one worker, connections kept alive on both sides, nothing logged.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

/// Where nginx is; Debian's folder is not on everybody's path.
pub(crate) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("nginx")).find(|file| file.is_file())
}

/// Streams go to a port of their own, where answers are not buffered: one setting cannot suit both.
pub(crate) fn command(
    nginx: &Path,
    folder: &Path,
    plain_port: u16,
    stream_port: u16,
    upstream_port: u16,
) -> Result<Command> {
    let text = configuration(folder, plain_port, stream_port, upstream_port);
    let file = folder.join("nginx.conf");
    fs::write(&file, text).context("nginx.conf cannot be written")?;
    let mut command = Command::new(nginx);
    command.arg("-p").arg(folder).arg("-c").arg(&file).arg("-e").arg(folder.join("nginx.log"));
    Ok(command)
}

fn configuration(folder: &Path, plain_port: u16, stream_port: u16, upstream_port: u16) -> String {
    let folder = folder.display();
    let proxy = "proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection \"\";";
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server_tokens off;
    tcp_nodelay on;
    keepalive_timeout 3600s;
    keepalive_requests 1000000000;
    client_body_buffer_size 64k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream provider {{
        server 127.0.0.1:{upstream_port};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{plain_port};
        location / {{ {proxy} }}
    }}
    server {{
        listen 127.0.0.1:{stream_port};
        location / {{ {proxy} proxy_buffering off; }}
    }}
}}
"
    )
}
