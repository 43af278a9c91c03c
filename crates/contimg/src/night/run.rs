//! `contimg run`.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use orchestrator::{
    Budget, Class as FailureClass, Event, Executor, Feed, Layout, Plan, RunOptions, Summary, Surroundings,
};

use super::{
    RunArgs,
    follow::{Follow, FollowArgs},
    journal::Journal,
    ledger::Ledger,
    observe::Isolated,
    of,
    published::publish,
    request::{Request, check_path},
    show::Show,
};
use crate::{
    failure::{Class, Failure},
    output::{errln, out, outln},
    supervise::Stop,
    survey,
};

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    if args.print_plan {
        out!("{}", Request::new(args, None)?.plan_text());
        return Ok(ExitCode::SUCCESS);
    }
    let (summary, code) = run_quietly(args)?;
    if args.json {
        outln!("{:#}", serde_json::to_value(&summary).unwrap_or_default());
    } else if let Some(work) = &args.work {
        super::summarise(&summary, work);
    }
    Ok(code)
}

/// Runs what the arguments ask for, and prints nothing to stdout.
pub(crate) fn run_quietly(args: &RunArgs) -> Result<(Summary, ExitCode), Failure> {
    let Some(work) = &args.work else {
        return Err(Failure::new(Class::Usage, "--work names the folder of all products"));
    };
    let failed = |e: &std::io::Error| Failure::io(Class::Output, format!("cannot make {}", work.display()), e);
    let is_new = !work.exists();
    fs::create_dir_all(work).map_err(|e| failed(&e))?;
    let layout = Layout::new(work.canonicalize().map_err(|e| failed(&e))?);
    check_path(layout.work())?;
    let asked = Request::new(args, Some(&layout)).and_then(|request| request.plan().map(|_| request));
    let request = asked.inspect_err(|_| {
        // A mistake leaves no empty folder behind; what was put there meanwhile stays.
        if is_new {
            let _ = fs::remove_dir(work);
        }
    })?;
    let follow = args.follow.is_asked_for().then_some(&args.follow);
    if follow.is_some() || !layout.request().exists() {
        request.write(&layout)?;
    }
    let summary = go(&request, &layout, follow, args.quiet, args.json)?;
    if !args.no_report {
        report(&layout, &summary);
    }
    if let Some(path) = &args.trace {
        make(&layout, &[OsStr::new("--trace"), path.as_os_str()], &path.display().to_string());
    }
    let code = exit_code(&summary);
    Ok((summary, code))
}

/// Runs what `request` asks for.
pub(super) fn go(
    request: &Request,
    layout: &Layout,
    follow: Option<&FollowArgs>,
    quiet: bool,
    json: bool,
) -> Result<Summary, Failure> {
    let plan = request.plan()?;
    for note in not_for_these(&plan) {
        errln!("note: {note}");
    }
    let stop = Stop::listen().map_err(|e| Failure::io(Class::Worker, "cannot listen for signals", &e))?;
    let program =
        std::env::current_exe().map_err(|e| Failure::io(Class::Worker, "cannot find our own program file", &e))?;
    let (memory, cores) = request.means(&plan)?;
    let options = RunOptions {
        run: run_name(),
        budget: Budget {
            memory,
            cores,
            disk: request.disk.or(plan.run.disk.map(|disk| disk.0)),
            reserve: request.reserve,
        },
        until: request.until.clone(),
        program,
        worker_arguments: vec![super::WORKER.to_owned()],
        version: env!("CARGO_PKG_VERSION").to_owned(),
        grace_seconds: 8.0,
        open_sets: request.open_sets,
        executor: request.executor.executor(),
    };
    let nodes_read = matches!(options.executor, Executor::Slurm(_));
    if nodes_read && let Err(problem) = publish(layout) {
        errln!("warning: there is no new copy of the products database for nodes: {}", problem.chain.join(": "));
    }
    let mut journal = Journal::open(layout, &options.run);
    let ledger = Ledger::open(layout, &options.run);
    let observer = Isolated::default();
    let before = orchestrator::read_all(layout).map_err(|e| of(&e))?;
    let mut show = Show::new(quiet, &plan, &before);
    let problem = RefCell::new(None);
    let following = match follow {
        Some(args) => Some(RefCell::new(Follow::new(args, request, layout, &options.budget, quiet)?)),
        None => None,
    };
    let mut feed = || {
        let fed = match &following {
            Some(follow) => follow.borrow_mut().look(),
            None => request.sets(&plan, layout, quiet).map(|sets| Feed { sets, ..Feed::default() }),
        };
        fed.or_else(|failure| {
            *problem.borrow_mut() = Some(failure);
            Ok(Feed::default())
        })
    };
    let register = Register { program: options.program.clone(), layout, stop: &stop };
    let mut tell = |event: &Event| {
        if let Some(follow) = &following {
            follow.borrow_mut().note(event);
        }
        journal.note(event);
        ledger.note(event);
        show.event(event);
        // Only now: a mistyped folder or plan must not take the place of what was asked for before.
        if matches!(event, Event::SetsFound { .. })
            && let Err(problem) = request.write(layout)
        {
            show.line(&format!("warning: what this run was asked for is not kept: {}", problem.chain.join(": ")));
        }
        if matches!(event, Event::NightBegins { .. }) {
            if let Err(problem) = register.run() {
                show.line(&format!("warning: the products database does not know all products: {problem}"));
            }
            if nodes_read && let Err(problem) = publish(layout) {
                let why = problem.chain.join(": ");
                show.line(&format!("warning: nodes see the products database as it was when the run began: {why}"));
            }
        }
    };
    let around = Surroundings {
        observer: &observer,
        feed: &mut feed,
        stop: &|| stop.signal().and_then(|signal| i32::try_from(signal).ok()),
        tell: &mut tell,
    };
    let summary = orchestrator::run(&plan, layout, &options, around).map_err(|e| of(&e));
    show.finish();
    if let Err(error) = ledger.close() {
        errln!("warning: the products database does not know of all that was done: {}", survey::chain(&error));
    }
    if let Some(failure) = problem.into_inner() {
        return Err(failure);
    }
    let summary = summary?;
    let lists = [summary.failed.len(), summary.passed_over.len(), summary.unfinished.len(), summary.retired.len()];
    let attempted = summary.done.len() + lists.iter().sum::<usize>();
    if attempted == 0 && !json && follow.is_none() {
        return Err(Failure::new(Class::Input, "there is no data set to work on")
            .hint("name a folder of UVH5 subbands or Measurement Sets; `contimg plan DIR` tells what is in a folder"));
    }
    Ok(summary)
}

/// Makes the report of a night in a process of its own, since it opens sets; only where the run did something.
pub(super) fn report(layout: &Layout, summary: &Summary) {
    let is_there = layout.work().join("report.html").exists();
    if summary.stopped_by.is_some() || (summary.attempts == 0 && is_there) {
        return;
    }
    make(layout, &[], "report.html");
}

/// Calls `contimg report`, which says itself what is wrong.
fn make(layout: &Layout, arguments: &[&OsStr], what: &str) {
    let made = std::env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.args(["report", "--work"]).arg(layout.work()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).status()
    });
    let why = match made {
        Ok(status) if status.success() => return,
        Ok(status) => format!("the process that makes it ended with {status}"),
        Err(error) => error.to_string(),
    };
    errln!("warning: there is no new {what}: {why}; `contimg report` tries again");
}

/// Enters a night's products into its database, in a process of its own, before the stages of the whole night.
struct Register<'a> {
    program: PathBuf,
    layout: &'a Layout,
    stop: &'a Stop,
}

impl Register<'_> {
    fn run(&self) -> Result<(), String> {
        let mut child = Command::new(&self.program)
            .args(["__register", "--work"])
            .arg(self.layout.work())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // What a terminal sends reaches the head only.
            .process_group(0)
            .spawn()
            .map_err(|error| error.to_string())?;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("what looks at them ended with {status}")),
                Ok(None) if self.stop.signal().is_some() => {
                    // The next run enters them.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Ok(());
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// Stages that no set gets, since something that they are only done with was not given.
fn not_for_these(plan: &Plan) -> Vec<String> {
    let mut lacking: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for stage in &plan.stages {
        if let Some(name) = stage.only_with.as_deref()
            && name != "files"
            && !plan.vars.contains_key(name)
            && !plan.sets.iter().any(|set| set.vars.contains_key(name))
        {
            lacking.entry(name).or_default().push(&stage.name);
        }
    }
    lacking
        .into_iter()
        .map(|(name, stages)| {
            format!("skipped for want of `{name}`: {}; give it with --var {name}=…", stages.join(", "))
        })
        .collect()
}

/// A run's name: when it began, and which process it was.
fn run_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = jiff::Timestamp::from_second(i64::try_from(now.as_secs()).unwrap_or(0))
        .map(|time| time.strftime("%Y%m%dT%H%M%SZ").to_string())
        .unwrap_or_default();
    format!("{stamp}-{}", std::process::id())
}

/// What the program ends with.
pub(super) fn exit_code(summary: &Summary) -> ExitCode {
    if let Some(signal) = summary.stopped_by {
        return ExitCode::from(u8::try_from(128 + signal).unwrap_or(1));
    }
    let code = |class: &FailureClass| match class {
        FailureClass::Input => 1,
        FailureClass::Usage => 2,
        FailureClass::Disk => 3,
        _ => 4,
    };
    let classes = summary.failed.iter().chain(&summary.passed_over).map(|(_, _, class)| code(class));
    ExitCode::from(classes.max().unwrap_or(0))
}
