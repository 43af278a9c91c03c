//! What a run is asked for: kept in the work folder, so that running again needs no arguments.
//!
//! What says what the night is (inputs, plan, names, budgets, executor) stays until something else is said, and naming inputs
//! begins anew. Which part of it to do (`--only`, `--until`) is a run's own, kept for those that look at what it did.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use orchestrator::{DataSet, Layout, NIGHT, Plan};
use serde::{Deserialize, Serialize};

use super::{RunArgs, executor::Chosen, of};
use crate::{
    args::{Missing, Selection},
    failure::{Class, Failure},
    output::errln,
    size::Bytes,
    survey,
};

const DEFAULT_PLAN: &str = include_str!("default.toml");

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Paths, relative to the work folder where they are in it.
    input: Vec<PathBuf>,
    /// The plan's origin and text.
    plan: (String, String),
    /// The folder of the plan's file, as a template.
    #[serde(default)]
    plan_folder: Option<String>,
    vars: BTreeMap<String, String>,
    /// Of the last run alone.
    only: BTreeSet<String>,
    /// What takes its place, this time.
    #[serde(skip)]
    chosen: Option<BTreeSet<String>>,
    /// Of the last run alone.
    pub until: Option<String>,
    memory: Option<u64>,
    pub cores: Option<u32>,
    pub disk: Option<u64>,
    pub reserve: u64,
    pub open_sets: usize,
    /// Where attempts run, and what Slurm gets.
    #[serde(default)]
    pub executor: Chosen,
}

impl Request {
    /// From the command line; without inputs, what the night is and is not said is as it was the last time.
    pub(super) fn new(args: &RunArgs, layout: Option<&Layout>) -> Result<Self, Failure> {
        let before = match layout {
            Some(layout) if args.input.is_empty() => Self::read(layout)?,
            _ => None,
        };
        let mut request = before.unwrap_or(Self {
            input: Vec::new(),
            plan: ("the default plan".to_owned(), DEFAULT_PLAN.to_owned()),
            plan_folder: None,
            vars: BTreeMap::new(),
            only: BTreeSet::new(),
            chosen: None,
            until: None,
            memory: None,
            cores: None,
            disk: None,
            reserve: 64 << 20,
            open_sets: 64,
            executor: Chosen::default(),
        });
        if !args.input.is_empty() {
            request.input = args.input.iter().map(|path| kept(path, layout)).collect::<Result<_, _>>()?;
        }
        if let Some(path) = &args.plan {
            let text = fs::read_to_string(path)
                .map_err(|e| Failure::io(Class::Input, format!("cannot read the plan {}", path.display()), &e))?;
            request.plan = (path.display().to_string(), text);
            let folder = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
            folder.as_deref().map_or(Ok(()), check_path)?;
            request.plan_folder = folder.map(|folder| template(&folder, layout));
        }
        let plan = Plan::parse(&request.plan.0, &request.plan.1).map_err(|e| of(&e))?;
        for var in &args.vars {
            let Some((name, value)) = var.split_once('=') else {
                return Err(Failure::new(Class::Usage, format!("--var {var}: there is no `=`"))
                    .hint("write it like --var sky_model=/data/sky.csv"));
            };
            let value = placed(&plan, name, value, layout)?;
            if !args.quiet && Path::new(&value).is_relative() && Path::new(&value).exists() {
                errln!(
                    "note: --var {name}={value}: there is a file of that name here, and stages, which run in folders of their \
                     own, get this text as it is; with paths = [\"{name}\"] in the plan, it is a path from here"
                );
            }
            request.vars.insert(name.to_owned(), value);
        }
        let missing = args.missing.map(|missing| match missing {
            Missing::Refuse => "refuse",
            Missing::Flag => "flag",
            Missing::Split => "split",
        });
        let number = |n: Option<u8>| n.map(|n| n.to_string());
        let options = [
            ("missing", missing.map(str::to_owned)),
            ("min_subbands", number(args.min_subbands)),
            ("subbands", number(args.subbands)),
        ];
        for (name, value) in options {
            request.vars.extend(value.map(|value| (name.to_owned(), value)));
        }
        request.only = args.only.iter().cloned().collect();
        request.until.clone_from(&args.until);
        request.memory = args.memory.map(|memory| memory.0).or(request.memory);
        request.cores = args.cores.or(request.cores);
        request.reserve = args.reserve.map_or(request.reserve, |reserve| reserve.0);
        request.open_sets = args.open_sets.unwrap_or(request.open_sets);
        request.executor.choose(&args.executor)?;
        request.disk = args.disk.map(|disk| disk.0).or(request.disk);
        Ok(request)
    }

    /// What the last run was asked for.
    pub(super) fn read(layout: &Layout) -> Result<Option<Self>, Failure> {
        let path = layout.request();
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
                Failure::of(Class::Input, &error)
                    .hint(format!("{} is not what a run left; give inputs and plan again", path.display()))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io(Class::Input, format!("cannot read {}", path.display()), &error)),
        }
    }

    pub(super) fn write(&self, layout: &Layout) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).map_err(|e| Failure::of(Class::Output, &e))?;
        orchestrator::write_state(&layout.request(), &text).map_err(|e| of(&e))
    }

    /// Gives the run another memory budget from now on.
    pub(super) fn set_memory(&mut self, memory: Option<Bytes>) {
        self.memory = memory.map(|memory| memory.0).or(self.memory);
    }

    /// Only these sets, this time.
    pub(super) fn only_these(&mut self, sets: BTreeSet<String>) {
        self.chosen = Some(sets);
    }

    /// The plan's text.
    pub(super) fn plan_text(&self) -> &str {
        &self.plan.1
    }

    /// The plan, with the names given on the command line.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let (origin, text) = &self.plan;
        let mut plan = Plan::parse(origin, text).map_err(|e| of(&e))?;
        if let Some(folder) = &self.plan_folder {
            plan = plan.in_folder(folder);
        }
        plan.vars.extend(self.vars.clone());
        if let Some(until) = self.until.as_ref().filter(|until| plan.stage(until).is_none()) {
            let names: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
            return Err(Failure::new(Class::Usage, format!("--until {until}: the plan has no such stage"))
                .hint(format!("it has {}", names.join(", "))));
        }
        Ok(plan)
    }

    /// Bytes of memory and cores that the run may use: asked for, planned, or what there is.
    pub(super) fn means(&self, plan: &Plan) -> Result<(u64, u32), Failure> {
        let memory = self.memory.or(plan.run.memory.map(|memory| memory.0));
        let cores = self.cores.or(plan.run.cores);
        if let (Some(memory), Some(cores)) = (memory, cores) {
            return Ok((memory, cores));
        }
        let there = self.executor.means(plan)?;
        Ok((memory.unwrap_or(there.0), cores.unwrap_or(there.1)))
    }

    /// The sets that there are now, oldest first, and what a person should know.
    pub(super) fn sets(&self, plan: &Plan, layout: &Layout, quiet: bool) -> Result<Vec<DataSet>, Failure> {
        let mut sets = plan.sets.clone();
        if let Some(folder) = &self.plan_folder {
            let folder = folder.replacen("{work}", &layout.work().display().to_string(), 1);
            for file in sets.iter_mut().flat_map(|set| &mut set.files) {
                *file = Path::new(&folder).join(&*file).display().to_string();
            }
        }
        let mut rest = Vec::new();
        for path in &self.input {
            let path = layout.work().join(path);
            if path.join("table.dat").is_file() {
                sets.push(measurement_set(&path)?);
            } else {
                rest.push(path);
            }
        }
        if !rest.is_empty() {
            sets.extend(self.groups(rest, quiet)?);
        }
        let asked = if self.chosen.is_none() { &self.only } else { &BTreeSet::new() };
        if let Some(unknown) = asked.iter().find(|only| sets.iter().all(|set| set.name != **only)) {
            let near: Vec<&str> =
                sets.iter().map(|set| set.name.as_str()).filter(|name| name.contains(&**unknown)).collect();
            let known = if near.is_empty() { sets.iter().map(|set| set.name.as_str()).collect() } else { near };
            let shown = known.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            let more = if known.len() > 5 { format!(" and {} more", known.len() - 5) } else { String::new() };
            return Err(Failure::new(Class::Usage, format!("--only {unknown}: there is no such set")).hint(
                if known.is_empty() { "there is none at all".to_owned() } else { format!("there are {shown}{more}") },
            ));
        }
        sets.retain(|set| self.wants(&set.name));
        let mut names: BTreeMap<&str, &DataSet> = BTreeMap::new();
        for set in &sets {
            if let Some(other) = names.insert(&set.name, set).filter(|other| *other != set) {
                let from =
                    |set: &DataSet| set.vars.get("ms").or(set.files.first()).cloned().unwrap_or("the plan".into());
                let what = format!("two sets would be called {}: from {} and {}", set.name, from(other), from(set));
                return Err(Failure::new(Class::Usage, what)
                    .hint("a set is named for its file or its first time; give each a work folder, or rename one"));
            }
        }
        Ok(sets)
    }

    /// The folders that are followed, and what becomes of incomplete groups in them.
    pub(super) fn followed(&self, layout: &Layout) -> Result<Selection, Failure> {
        let input: Vec<PathBuf> = self.input.iter().map(|path| layout.work().join(path)).collect();
        if let Some(path) = input.iter().find(|path| !path.is_dir() || path.join("table.dat").is_file()) {
            return Err(Failure::new(
                Class::Usage,
                format!("--follow: {} is not a folder of subbands", path.display()),
            )
            .hint("name the folder into which the files come"));
        }
        if input.is_empty() {
            return Err(Failure::new(Class::Usage, "--follow: no folder is named")
                .hint("contimg run /data/incoming --work /data/night --follow"));
        }
        Ok(self.selection(input))
    }

    /// Whether a set is asked for.
    pub(super) fn wants(&self, name: &str) -> bool {
        match &self.chosen {
            Some(chosen) => chosen.contains(name),
            None => self.only.is_empty() || self.only.contains(name),
        }
    }

    fn selection(&self, input: Vec<PathBuf>) -> Selection {
        let var = |name: &str| self.vars.get(name).map(String::as_str);
        let number = |name: &str| var(name).and_then(|text| text.parse().ok());
        Selection {
            input,
            tolerance: 30.0,
            subbands: number("subbands").unwrap_or(16),
            missing: match var("missing") {
                Some("flag") => Missing::Flag,
                Some("split") => Missing::Split,
                _ => Missing::Refuse,
            },
            min_subbands: number("min_subbands").unwrap_or(1),
            cache: None,
            no_cache: false,
        }
    }

    fn groups(&self, input: Vec<PathBuf>, quiet: bool) -> Result<Vec<DataSet>, Failure> {
        let survey = survey::take(&self.selection(input), quiet)?;
        for note in survey.notes() {
            errln!("note: {note}");
        }
        Ok(survey.groups.iter().map(data_set).collect())
    }
}

/// A group as a run's data set.
pub(super) fn data_set(group: &survey::Candidate) -> DataSet {
    DataSet {
        name: group.name.clone(),
        files: group.files.iter().map(|file| file.display().to_string()).collect(),
        vars: BTreeMap::new(),
    }
}

/// A path as a template: a night can be moved with what lies in it.
fn template(path: &Path, layout: Option<&Layout>) -> String {
    match layout.and_then(|layout| path.strip_prefix(layout.work()).ok()) {
        Some(below) if below.as_os_str().is_empty() => "{work}".to_owned(),
        Some(below) => format!("{{work}}/{}", below.display()),
        None => path.display().to_string(),
    }
}

/// The value of a name given on the command line: a relative path is meant from the folder in which that was given.
fn placed(plan: &Plan, name: &str, value: &str, layout: Option<&Layout>) -> Result<String, Failure> {
    if !plan.is_relative_path(name, value) {
        return Ok(value.to_owned());
    }
    let mut folder = std::env::current_dir().map_err(|e| {
        Failure::io(Class::Input, format!("--var {name}={value}: cannot find the folder we are in"), &e)
    })?;
    check_path(&folder)?;
    // The same file has the same name from every folder, or its stages would be done again.
    let mut parts = Path::new(value).components().peekable();
    while let Some(Component::CurDir | Component::ParentDir) = parts.peek() {
        if parts.next() == Some(Component::ParentDir) {
            folder.pop();
        }
    }
    folder.extend(parts);
    Ok(template(&folder, layout))
}

/// A path as the request keeps it.
fn kept(path: &Path, layout: Option<&Layout>) -> Result<PathBuf, Failure> {
    let path =
        path.canonicalize().map_err(|e| Failure::io(Class::Input, format!("cannot find {}", path.display()), &e))?;
    check_path(&path)?;
    Ok(layout.and_then(|layout| path.strip_prefix(layout.work()).ok()).map_or(path.clone(), Path::to_owned))
}

/// Refuses a path that cannot stand in a template and in a line for people as it is.
pub(super) fn check_path(path: &Path) -> Result<(), Failure> {
    let bad = match path.to_str() {
        None => "that is not UTF-8",
        Some(text) if text.chars().any(char::is_control) => "with control characters",
        Some(text) if text.contains(['{', '}']) => "with braces, which mean names in templates",
        Some(_) => return Ok(()),
    };
    Err(Failure::new(
        Class::Usage,
        format!("{}: a path {bad}, cannot be used", path.display().to_string().escape_debug()),
    )
    .hint("rename the folder or file"))
}

fn measurement_set(path: &Path) -> Result<DataSet, Failure> {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    if name == NIGHT {
        return Err(Failure::new(Class::Usage, format!("{}: a set cannot be called `{NIGHT}`", path.display()))
            .hint("that is the name of what is done for all sets together; rename the set"));
    }
    if !orchestrator::is_plain_name(&name) {
        return Err(Failure::new(Class::Usage, format!("{}: its name cannot be a set's", path.display()))
            .hint("a set's name is letters, digits and -_.:+, not starting with a dot"));
    }
    let vars = BTreeMap::from([("ms".to_owned(), path.display().to_string())]);
    Ok(DataSet { name, files: Vec::new(), vars })
}
