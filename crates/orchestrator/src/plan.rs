//! What a night consists of: stages, what each reads, writes and needs, as a TOML file says it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::failure::Class;
use crate::size::{Bytes, Seconds};

/// Stages that plans can start from: `preset = "wsclean-image"`.
const PRESETS: &str = include_str!("presets.toml");

/// The stages of a night, in the order in which a data set goes through them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Budgets of the whole run, where the command line gives none.
    #[serde(default)]
    pub run: RunLimits,
    /// What `sbatch` gets beside what the executor says itself, for every job: partition, account, constraints.
    #[serde(default)]
    pub slurm: Vec<String>,
    /// Names that templates use. Values may use other names.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// Names whose values are paths: a relative one is meant from where it is written, which is the plan's folder, or the
    /// folder in which the command was given. Names with which something that stages read, write or make begins
    /// (`reads = ["{sky}"]`) are paths without being listed here; all others are text that stages get as it is.
    #[serde(default)]
    pub paths: BTreeSet<String>,
    /// Data sets that the plan itself names.
    #[serde(default, rename = "set")]
    pub sets: Vec<DataSet>,
    /// The stages.
    #[serde(default, rename = "stage")]
    pub stages: Vec<Stage>,
}

/// Budgets of a whole run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RunLimits {
    /// Memory of the whole process tree.
    pub memory: Option<Bytes>,
    /// Cores.
    pub cores: Option<u32>,
    /// Disk that the work folder may take.
    pub disk: Option<Bytes>,
}

/// One data set: what goes through the stages on its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataSet {
    /// Its name: letters, digits and `-_.:+`, not starting with a dot.
    pub name: String,
    /// Its input files; `{files}` in templates.
    #[serde(default)]
    pub files: Vec<String>,
    /// Names that only its templates know; they come before the plan's.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
}

/// Whether a stage is done for every data set or once for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// For every data set.
    #[default]
    Set,
    /// Once, after all sets have ended. Arguments that name `{set}` are repeated for every set that is done.
    Night,
}

/// How many cores a stage takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Cores {
    /// So many.
    Number(u32),
    /// All that the run has.
    Word(AllCores),
}

/// The word for all cores of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AllCores {
    /// All of them.
    All,
}

/// One stage.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// One sentence for people.
    #[serde(default)]
    pub about: String,
    /// Program and arguments, as templates.
    pub command: Vec<String>,
    /// For every data set, or once for the night.
    #[serde(default)]
    pub scope: Scope,
    /// Files and columns (`{ms}::DATA`) that it reads. It runs again when one of them changed, and fails when one is not
    /// there.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Files and columns that it writes. After it they must be there.
    #[serde(default)]
    pub writes: Vec<String>,
    /// A folder or file that is built at `{out}` and gets this name when it is whole.
    #[serde(default)]
    pub product: Option<String>,
    /// Commands that must succeed before it starts.
    #[serde(default)]
    pub check_before: Vec<Vec<String>>,
    /// Commands that follow it and finish what it built, before that is checked. They find `CONTIMG_RUN`, `CONTIMG_SET`,
    /// `CONTIMG_STAGE` and `CONTIMG_SETTINGS` (the checksum of the stage's settings) in their environment, as the command does, and on a node of a
    /// cluster its name as `CONTIMG_NODE`.
    #[serde(default)]
    pub then: Vec<Vec<String>>,
    /// Commands that must succeed before its product counts.
    #[serde(default)]
    pub check_after: Vec<Vec<String>>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Only for sets that know this name.
    #[serde(default)]
    pub only_with: Option<String>,
    /// When its program is missing: skip it visibly, and say this. Without it, a missing program is a failure.
    #[serde(default)]
    pub skip_without_program: Option<String>,
    /// Memory that it takes at most.
    #[serde(default = "default_memory")]
    pub memory: Bytes,
    /// Cores that it takes.
    #[serde(default = "default_cores")]
    pub cores: Cores,
    /// Disk that it takes at most beside its inputs; more than this ends it.
    #[serde(default)]
    pub disk: Option<Bytes>,
    /// It is ended after so long.
    #[serde(default = "default_timeout")]
    pub timeout: Seconds,
    /// It is ended when it prints more than this.
    #[serde(default = "default_max_output")]
    pub max_output: Bytes,
    /// Further attempts when its program ends with an exit code that means nothing special.
    #[serde(default)]
    pub retries: u32,
    /// What `sbatch` gets for this stage, behind the plan's.
    #[serde(default)]
    pub slurm: Vec<String>,
    /// What its program's exit codes mean.
    #[serde(default)]
    pub exit_codes: BTreeMap<String, Class>,
}

fn default_memory() -> Bytes {
    Bytes(512 << 20)
}

fn default_cores() -> Cores {
    Cores::Number(1)
}

fn default_timeout() -> Seconds {
    Seconds(3600.0)
}

fn default_max_output() -> Bytes {
    Bytes(256 << 20)
}

impl Plan {
    /// Reads a plan from the text of a TOML file; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// When it is not TOML, names a preset that there is not, or contradicts itself.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Error> {
        let syntax = |source| Error::PlanSyntax { origin: origin.to_owned(), source: Box::new(source) };
        let mut table: toml::Table = toml::from_str(text).map_err(syntax)?;
        if let Some(toml::Value::Array(stages)) = table.get_mut("stage") {
            for stage in stages {
                if let toml::Value::Table(stage) = stage {
                    apply_preset(origin, stage)?;
                }
            }
        }
        // From the text where nothing was filled in: its errors then name a line.
        let uses_presets = table != toml::from_str(text).map_err(syntax)?;
        let plan: Self = if uses_presets {
            Self::deserialize(table).map_err(syntax)?
        } else {
            toml::from_str(text).map_err(syntax)?
        };
        plan.check(origin)?;
        Ok(plan)
    }

    /// Reads a plan's file.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, "read the plan", source))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// A value of `name` that was given in `folder`: behind the folder, where it is a relative path. `folder` is a template
    /// itself, such as `{work}/lists`.
    #[must_use]
    pub fn placed(&self, name: &str, value: &str, folder: &str) -> String {
        if self.is_relative_path(name, value) { format!("{folder}/{value}") } else { value.to_owned() }
    }

    /// Whether a value of `name` would depend on the folder in which it was given.
    #[must_use]
    pub fn is_relative_path(&self, name: &str, value: &str) -> bool {
        // What begins with another name begins where that does; a set's name is no folder.
        let begins_with_name = value.starts_with('{') && !value.starts_with("{{") && !value.starts_with("{set}");
        if value.is_empty() || value.starts_with('/') || begins_with_name {
            return false;
        }
        let template = format!("{{{name}}}");
        let is_written_as_path = |stage: &Stage| {
            stage.reads.iter().chain(&stage.writes).chain(&stage.product).any(|text| text.starts_with(&template))
        };
        // A program is looked for as a shell does: with a slash, it is a path.
        let is_program = |stage: &Stage| {
            let commands = std::iter::once(&stage.command).chain(&stage.check_before).chain(&stage.then);
            commands.chain(&stage.check_after).any(|command| command.first() == Some(&template))
        };
        self.paths.contains(name)
            || self.stages.iter().any(is_written_as_path)
            || (value.contains('/') && self.stages.iter().any(is_program))
    }

    /// Has the plan's own relative paths begin at `folder`, the plan's: the values of names that are paths. `folder`
    /// is a template, as for [`placed`](Self::placed).
    #[must_use]
    pub fn in_folder(mut self, folder: &str) -> Self {
        let placed = |vars: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            vars.iter().map(|(name, value)| (name.clone(), self.placed(name, value, folder))).collect()
        };
        let vars = placed(&self.vars);
        let of_sets: Vec<BTreeMap<String, String>> = self.sets.iter().map(|set| placed(&set.vars)).collect();
        self.vars = vars;
        for (set, vars) in self.sets.iter_mut().zip(of_sets) {
            set.vars = vars;
        }
        self
    }

    /// The names of the presets.
    #[must_use]
    pub fn presets() -> Vec<String> {
        presets().keys().cloned().collect()
    }

    /// The stage of that name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    fn check(&self, origin: &str) -> Result<(), Error> {
        let wrong = |place: String, reason: &str| {
            Err(Error::Plan { origin: origin.to_owned(), place, reason: reason.to_owned() })
        };
        let mut names = BTreeSet::new();
        for (place, arguments) in std::iter::once(("the plan".to_owned(), &self.slurm))
            .chain(self.stages.iter().map(|stage| (format!("stage `{}`", stage.name), &stage.slurm)))
        {
            if let Some(argument) = crate::slurm::reserved_argument(arguments) {
                return wrong(place, &format!("`slurm` has {argument}, which the executor says itself"));
            }
        }
        for stage in &self.stages {
            let place = format!("stage `{}`", stage.name);
            if !is_plain_name(&stage.name) {
                return wrong(place, "a stage's name is letters, digits and -_.:+, not starting with a dot");
            }
            if !names.insert(&stage.name) {
                return wrong(place, "there are two of that name");
            }
            if stage.command.is_empty() {
                return wrong(place, "`command` is empty");
            }
            if stage.cores == Cores::Number(0) {
                return wrong(place, "`cores` is 0");
            }
            if stage.exit_codes.keys().any(|code| code.parse::<u8>().is_err()) {
                return wrong(place, "`exit_codes` has a key that is no exit code");
            }
            let names_out = stage.command.iter().any(|argument| argument.contains("{out}"));
            if names_out != stage.product.is_some() {
                return wrong(
                    place,
                    "`product` and `{out}` in the command go together: one names what is built at the other",
                );
            }
        }
        if let Some(at) = self.stages.iter().position(|stage| stage.scope == Scope::Night)
            && let Some(late) = self.stages[at..].iter().find(|stage| stage.scope == Scope::Set)
        {
            return wrong(format!("stage `{}`", late.name), "it comes after a stage of the whole night");
        }
        let mut sets = BTreeSet::new();
        for set in &self.sets {
            if !is_plain_name(&set.name) || set.name == NIGHT {
                return wrong(
                    format!("set `{}`", set.name),
                    "a set's name is letters, digits and -_.:+, not starting with a dot, and not `night`",
                );
            }
            if !sets.insert(&set.name) {
                return wrong(format!("set `{}`", set.name), "there are two of that name");
            }
        }
        Ok(())
    }
}

/// The name under which stages of the whole night are recorded.
pub const NIGHT: &str = "night";

/// Whether a name can be a file's name everywhere, and leads nowhere else.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 120
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte))
}

fn presets() -> BTreeMap<String, toml::Table> {
    toml::from_str(PRESETS).expect("because a test reads the presets")
}

/// Fills what `stage` does not say from the preset that it names.
fn apply_preset(origin: &str, stage: &mut toml::Table) -> Result<(), Error> {
    let Some(preset) = stage.remove("preset") else { return Ok(()) };
    let name = preset.as_str().unwrap_or_default().to_owned();
    let Some(base) = presets().remove(&name) else {
        let all = Plan::presets().join(", ");
        return Err(Error::Plan {
            origin: origin.to_owned(),
            place: format!("preset `{name}`"),
            reason: format!("there is none of that name; there are {all}"),
        });
    };
    for (key, value) in base {
        stage.entry(key).or_insert(value);
    }
    stage.entry("name").or_insert(toml::Value::String(name));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_stage() {
        for name in Plan::presets() {
            let plan = Plan::parse("test", &format!("[[stage]]\npreset = \"{name}\"")).expect(&name);
            assert_eq!(plan.stages[0].name, name);
        }
    }

    #[test]
    fn relative_paths_begin_where_they_are_written_and_text_stays_text() {
        let text = r#"
            paths = ["beams"]
            [vars]
            sky = "lists/{set}.csv"
            beams = "b.fits"
            ms = "{work}/{set}.ms"
            scale = "3asec"
            [[set]]
            name = "a"
            vars = { sky = "a.csv" }
            [[stage]]
            name = "s"
            command = ["{python}", "{scale}", "{beams}"]
            reads = ["{sky}", "{ms}::DATA", "{work}/{scale}"]
        "#;
        let plan = Plan::parse("test", text).expect("a plan").in_folder("/plans");
        let values = ["sky", "beams", "ms", "scale"].map(|name| plan.vars[name].as_str());
        assert_eq!(values, ["/plans/lists/{set}.csv", "/plans/b.fits", "{work}/{set}.ms", "3asec"]);
        assert_eq!(plan.sets[0].vars["sky"], "/plans/a.csv");
        let given = |name: &str, value: &str| plan.placed(name, value, "{work}/x");
        assert_eq!(given("sky", "a.csv"), "{work}/x/a.csv");
        assert_eq!(given("sky", "{set}.csv"), "{work}/x/{set}.csv");
        assert_eq!([given("sky", "/a.csv"), given("sky", "{ms}.csv")], ["/a.csv", "{ms}.csv"]);
        assert_eq!(given("python", "bin/python"), "{work}/x/bin/python", "as a shell finds it");
        assert_eq!([given("python", "python3"), given("scale", "1/2")], ["python3", "1/2"]);
    }

    #[test]
    fn a_stage_overrides_its_preset() {
        let text = "[[stage]]\npreset = \"wsclean-image\"\nname = \"deep\"\nmemory = \"4GiB\"";
        let plan = Plan::parse("test", text).expect("a plan");
        assert_eq!((plan.stages[0].name.as_str(), plan.stages[0].memory), ("deep", Bytes(4 << 30)));
        assert_eq!(plan.stages[0].command[0], "wsclean");
    }

    #[test]
    fn contradictions_are_named() {
        let stage = "[[stage]]\nname = \"a\"\ncommand = [\"true\"]\n";
        for (bad, word) in [
            (format!("{stage}{stage}"), "two"),
            ("[[stage]]\nname = \"../a\"\ncommand = [\"true\"]".into(), "letters"),
            (format!("{stage}product = \"x\""), "{out}"),
            (format!("{stage}colour = \"x\""), "colour"),
            ("[[stage]]\npreset = \"x\"".into(), "wsclean"),
            (format!("{stage}[[set]]\nname = \"night\""), "night"),
            (format!("{stage}slurm = [\"--array=1\"]"), "--array=1"),
            (format!("{stage}exit_codes = {{ bad = \"input\" }}"), "exit code"),
            (format!("{}scope = \"night\"\n[[stage]]\nname = \"b\"\ncommand = [\"true\"]", stage), "after"),
        ] {
            let error = Plan::parse("plan.toml", &bad).expect_err(&bad);
            let mut text = error.to_string();
            if let Some(source) = std::error::Error::source(&error) {
                text += &source.to_string();
            }
            assert!(text.contains(word) && text.contains("plan.toml"), "{bad}\n{text}");
        }
    }
}
