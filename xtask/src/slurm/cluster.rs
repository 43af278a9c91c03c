//! A Slurm cluster on this machine: a controller and some nodes, which live no longer than this program.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::problem::Problem;
use crate::workspace;

/// What is needed, by program and by Debian's package.
const PROGRAMS: [(&str, &str); 8] = [
    ("munged", "munge"),
    ("slurmctld", "slurmctld"),
    ("slurmd", "slurmd"),
    ("sbatch", "slurm-client"),
    ("squeue", "slurm-client"),
    ("scancel", "slurm-client"),
    ("scontrol", "slurm-client"),
    ("sinfo", "slurm-client"),
];
/// Says to which cluster a process belongs, in its environment.
const CLUSTER: &str = "CONTIMG_XTASK_CLUSTER";
/// Says to which node a daemon belongs.
const NODE: &str = "CONTIMG_XTASK_NODE";

/// The packages that this machine lacks.
pub(super) fn missing() -> Vec<&'static str> {
    let mut packages: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

/// Daemons are often in folders that only root has on its PATH.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A daemon behind a shell that ends it when this program ends, however it does.
struct Daemon(Child);

impl Daemon {
    fn start(program: &str, arguments: &[String], log: &Path, environment: &[(&str, String)]) -> Result<Self, Problem> {
        let program = find(program).unwrap_or_else(|| program.into());
        // The other end of its stdin closes with this program.
        let keep = "log=$1; shift; \"$@\" > \"$log\" 2>&1 & cat > /dev/null; kill -s \"$END_WITH\" $!; wait; \
            for p in $(grep -lsa \"CONTIMG_XTASK_CLUSTER=$CONTIMG_XTASK_CLUSTER\" /proc/[0-9]*/environ | cut -d/ -f3); do \
            case $(tr '\\0' ' ' < /proc/$p/cmdline) in slurmstepd*|*__stage*) kill -s KILL $p ;; esac; done";
        let mut command = Command::new("sh");
        command.args(["-c", keep, "sh"]).arg(log).arg(&program).args(arguments);
        // A controller that is killed outright forgets its last seconds, gives the same job numbers again, and its nodes then
        // close themselves ("Duplicate jobid"): it is asked to end, as by whoever restarts it.
        let signal = if program.ends_with("slurmctld") { "TERM" } else { "KILL" };
        command.env("END_WITH", signal);
        command.envs(environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::piped());
        // What a terminal sends is for this program, which ends the daemons in their order.
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command.spawn().map(Self).map_err(|error| workspace::cannot_start(&command, &error))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

pub(super) struct Cluster {
    folder: PathBuf,
    tag: String,
    // In the order in which they are ended.
    nodes: Vec<(String, Option<Daemon>)>,
    controller: Option<Daemon>,
    _munged: Daemon,
}

impl Cluster {
    /// Starts a controller and nodes, and waits until they are ready.
    pub(super) fn start(folder: &Path, nodes: u32) -> Result<Self, Problem> {
        let cannot =
            |error: std::io::Error| Problem::new(format!("{}: {error}", folder.display()), "is the disk full?");
        let munge = folder.join("munge");
        fs::create_dir_all(&munge).map_err(cannot)?;
        fs::set_permissions(&munge, fs::Permissions::from_mode(0o700)).map_err(cannot)?;
        let socket = munge.join("socket");
        if socket.as_os_str().len() > 100 {
            return Err(Problem::new(
                format!("{} is too long a path for a socket", socket.display()),
                "put the target folder elsewhere with CARGO_TARGET_DIR",
            ));
        }
        let key = munge.join("key");
        make_key(&key).map_err(cannot)?;
        let tag = folder.display().to_string();
        let environment = [(CLUSTER, tag.clone()), ("SLURM_CONF", conf(folder).display().to_string())];
        let argument = |name: &str, file: &str| format!("--{name}={}", munge.join(file).display());
        let munged = Daemon::start(
            "munged",
            &[
                "--foreground".to_owned(),
                // A target folder is not as well guarded as /etc.
                "--force".to_owned(),
                argument("key-file", "key"),
                argument("socket", "socket"),
                argument("pid-file", "pid"),
                argument("log-file", "log"),
                argument("seed-file", "seed"),
            ],
            &folder.join("munged.out"),
            &environment,
        )?;
        wait("munge's socket", Duration::from_secs(20), &folder.join("munged.out"), || socket.exists())?;
        fs::write(conf(folder), configuration(folder, &socket, nodes)?).map_err(cannot)?;
        let mut cluster = Self { folder: folder.to_owned(), tag, nodes: Vec::new(), controller: None, _munged: munged };
        cluster.start_controller()?;
        for name in (1..=nodes).map(|number| format!("n{number}")) {
            fs::create_dir_all(folder.join(&name)).map_err(cannot)?;
            let mut environment = environment.to_vec();
            environment.push((NODE, name.clone()));
            let log = folder.join(format!("{name}.out"));
            let daemon = Daemon::start("slurmd", &["-D".into(), "-N".into(), name.clone()], &log, &environment)?;
            cluster.nodes.push((name, Some(daemon)));
        }
        let ready =
            || cluster.ask("sinfo", &["--noheader", "--Node", "--format=%T"]).matches("idle").count() == nodes as usize;
        wait("the nodes", Duration::from_secs(60), &folder.join("slurmctld.log"), ready)?;
        Ok(cluster)
    }

    pub(super) fn start_controller(&mut self) -> Result<(), Problem> {
        let environment = [(CLUSTER, self.tag.clone()), ("SLURM_CONF", conf(&self.folder).display().to_string())];
        let log = self.folder.join("slurmctld.out");
        self.controller = Some(Daemon::start("slurmctld", &["-D".to_owned()], &log, &environment)?);
        Ok(())
    }

    /// Ends the controller.
    pub(super) fn end_controller(&mut self) {
        self.controller = None;
    }

    /// `kill -9` of a node: its daemon and everything that runs on it.
    pub(super) fn kill_node(&mut self, name: &str) -> usize {
        let of_daemon = format!("{NODE}={name}\0");
        let of_job = format!("SLURMD_NODENAME={name}\0");
        let ended = self.end(|environment| contains(environment, &of_daemon) || contains(environment, &of_job));
        for (node, daemon) in &mut self.nodes {
            if node == name {
                *daemon = None;
            }
        }
        ended
    }

    /// Whatever a program of Slurm prints.
    pub(super) fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).env("SLURM_CONF", conf(&self.folder)).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }

    /// A command that submits to this cluster.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", conf(&self.folder)).env(CLUSTER, &self.tag);
        command
    }

    /// Ends this cluster's processes that `is_meant` picks by their environment, and says how many there were.
    fn end(&self, is_meant: impl Fn(&[u8]) -> bool) -> usize {
        let tag = format!("{CLUSTER}={}\0", self.tag);
        let own = std::process::id();
        let mut ended = 0;
        // Until there is none: one may have started another meanwhile.
        for _ in 0..50 {
            let pids: Vec<String> = fs::read_dir("/proc")
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
                .filter(|pid| *pid != own)
                .filter(|pid| {
                    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                    contains(&environment, &tag) && is_meant(&environment)
                })
                .map(|pid| pid.to_string())
                .collect();
            if pids.is_empty() {
                return ended;
            }
            ended += pids.len();
            // As when the power fails: none lives to tell of another's end. One may have ended by itself since.
            let _ = Command::new("kill").args(["-s", "STOP"]).args(&pids).stderr(Stdio::null()).status();
            let _ = Command::new("kill").args(["-s", "KILL"]).args(&pids).stderr(Stdio::null()).status();
            std::thread::sleep(Duration::from_millis(20));
        }
        ended
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.clear();
        self.controller = None;
        // Steps of jobs are nobody's children.
        self.end(|_| true);
    }
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

fn conf(folder: &Path) -> PathBuf {
    folder.join("slurm.conf")
}

fn make_key(path: &Path) -> std::io::Result<()> {
    use std::io::Read;
    let mut key = vec![0; 1024];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    fs::write(path, key)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o400))
}

fn configuration(folder: &Path, socket: &Path, nodes: u32) -> Result<String, Problem> {
    let cannot =
        |error: std::io::Error| Problem::new(format!("no free port: {error}"), "is the loopback interface up?");
    let user = Command::new("id").arg("-un").output().map_err(cannot)?;
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").map_err(cannot)?;
    let host = host.trim().split('.').next().unwrap_or("localhost").to_owned();
    // Free at this moment, and all different.
    let listeners =
        (0..=nodes).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<Vec<_>, _>>().map_err(cannot)?;
    let ports =
        listeners.iter().map(|l| l.local_addr().map(|a| a.port())).collect::<Result<Vec<_>, _>>().map_err(cannot)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let folder = folder.display();
    let mut text = format!(
        "ClusterName=xtask
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={}
AuthType=auth/munge
AuthInfo=socket={}
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
# A node that does not answer for so long is lost, seconds.
SlurmdTimeout=10
KillWait=10
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
",
        ports[0],
        socket.display(),
    );
    for (number, port) in ports.iter().enumerate().skip(1) {
        text += &format!(
            "NodeName=n{number} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cores} RealMemory=4000 State=UNKNOWN\n"
        );
    }
    Ok(text)
}

/// Waits until something is so.
pub(super) fn wait(what: &str, at_most: Duration, log: &Path, mut is_so: impl FnMut() -> bool) -> Result<(), Problem> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > at_most {
            return Err(Problem::new(
                format!("still no {what} after {} s", at_most.as_secs()),
                format!("{} may say why", log.display()),
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
