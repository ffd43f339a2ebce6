//! The servers of the chat benchmarks, each with a configuration written for it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::fanout::IRC_HOST;
use crate::server::{Peer, Server};

/// How long a server may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What starts the servers: where netlab is, and where their files are.
pub struct Daemons {
    pub netlab: PathBuf,
    /// Configurations, certificates, the file that is downloaded.
    pub dir: PathBuf,
}

impl Daemons {
    /// `netlab chat server`; `options` without blanks in any of them.
    pub fn netlab(&self, options: &str) -> Result<Server> {
        // `env` sets the state directory, in which the certificate is kept.
        let (state, netlab) = (self.dir.display(), self.netlab.display());
        let command = format!(
            "netlab=env XDG_STATE_HOME={state} {netlab} chat server 127.0.0.1:0 -q --rate-limit off \
             --shared {state}/shared {options}"
        );
        fs::create_dir_all(self.dir.join("shared"))?;
        command.parse::<Peer>()?.start()
    }

    /// The certificate that netlab has made for itself, with its key in the same file.
    pub fn certificate(&self) -> Result<PathBuf> {
        let file = self.dir.join("netlab/chat.pem");
        if !file.exists() {
            drop(self.netlab("--tls")?);
        }
        Ok(file)
    }

    pub fn nats(&self) -> Result<Server> {
        let port = free_port()?;
        let config = format!("listen: 127.0.0.1:{port}\nping_interval: \"1h\"\nmax_connections: 100000\n");
        self.start("nats-server", &["-c"], "nats.conf", &config, port)
    }

    pub fn ngircd(&self) -> Result<Server> {
        let port = free_port()?;
        let config = format!(
            "[Global]\nName = irc.bench\nInfo = bench\nListen = 127.0.0.1\nPorts = {port}\n\
             ServerUID = nobody\nServerGID = nogroup\n\
             [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\nMaxPenaltyTime = 0\nPingTimeout = 3600\n\
             [Options]\nDNS = no\nIdent = no\nPAM = no\nCloakHost = {IRC_HOST}\n"
        );
        self.start("ngircd", &["-n", "-f"], "ngircd.conf", &config, port)
    }

    pub fn mosquitto(&self) -> Result<Server> {
        let port = free_port()?;
        // Unlimited queues: a line dropped for a listener would fail the turn.
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
             max_queued_messages 0\npersistence false\nlog_type none\n"
        );
        self.start("mosquitto", &["-c"], "mosquitto.conf", &config, port)
    }

    /// One worker of `nginx`, which serves the folder of the file.
    pub fn nginx(&self, tls: bool) -> Result<Server> {
        let (port, dir) = (free_port()?, self.dir.display());
        let ssl = match tls {
            false => String::new(),
            true => {
                let pem = self.certificate()?;
                format!("ssl_certificate {0};\nssl_certificate_key {0};\nssl_protocols TLSv1.3;\n", pem.display())
            }
        };
        let listen = if tls { "ssl" } else { "" };
        let config = format!(
            "user root;\ndaemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nerror_log stderr;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\n\
             server {{\nlisten 127.0.0.1:{port} {listen};\nroot {dir}/shared;\n{ssl}}}\n}}\n"
        );
        self.start("nginx", &["-c"], "nginx.conf", &config, port)
    }

    fn start(&self, program: &str, options: &[&str], file: &str, config: &str, port: u16) -> Result<Server> {
        let file = self.dir.join(file);
        fs::write(&file, config)?;
        let child = Command::new(on_path(program))
            .args(options)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let server = Server::of(child, SocketAddr::from(([127, 0, 0, 1], port)));
        await_listening(server.addr, program)?;
        Ok(server)
    }
}

/// Debian puts servers where only root's path leads.
fn on_path(program: &str) -> PathBuf {
    let there = Path::new("/usr/sbin").join(program);
    if there.exists() { there } else { program.into() }
}

/// These servers cannot be asked which port the system chose for them.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn await_listening(addr: SocketAddr, program: &str) -> Result<()> {
    let until = Instant::now() + READY_WITHIN;
    while TcpStream::connect(addr).is_err() {
        if Instant::now() > until {
            bail!("{program} does not listen on {addr}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
