//! A stage of a plan made concrete for one set: its arguments, what it reads and writes, and the checksum of its settings.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::plan::{DataSet, Plan, Stage};
use crate::resource::Resource;
use crate::template::{Value, expand, expand_all};

/// Names that have a value only when an attempt starts; in the checksum they stand for themselves.
const LATE: [&str; 6] = ["threads", "memory", "memory_mb", "memory_gb", "scratch", "out"];

/// What the run gives to all templates.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// The work folder, absolute.
    pub(crate) work: PathBuf,
    /// Our own program.
    pub(crate) program: PathBuf,
    /// Its version, which decides what it makes.
    pub(crate) version: String,
}

/// A stage made concrete, but for what an attempt gives it.
#[derive(Clone, Debug)]
pub(crate) struct Concrete {
    pub(crate) command: Vec<String>,
    pub(crate) check_before: Vec<Vec<String>>,
    pub(crate) then: Vec<Vec<String>>,
    pub(crate) check_after: Vec<Vec<String>>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) product: Option<PathBuf>,
    pub(crate) reads: Vec<Resource>,
    /// What it writes, without the product.
    pub(crate) writes: Vec<String>,
    pub(crate) key: String,
}

impl Concrete {
    /// Everything that it writes, by [`Resource::key`].
    pub(crate) fn outputs(&self, work: &Path) -> Vec<(String, Resource)> {
        let product = self.product.iter().map(|product| Resource::Path(product.clone()));
        self.writes.iter().map(|text| Resource::parse(text)).chain(product).map(|r| (r.key(work), r)).collect()
    }
}

/// Makes `stage` concrete. `sets` is the one set, or for a stage of the whole night all sets that are done.
pub(crate) fn concrete(plan: &Plan, stage: &Stage, sets: &[&DataSet], given: &Given) -> Result<Concrete, Error> {
    let place = format!("stage `{}`", stage.name);
    let (work, program) = (given.work.display().to_string(), given.program.display().to_string());
    // Where the paths of this machine are spelt out.
    let real = |set: Option<&DataSet>, name: &str| match name {
        "work" => Some(Value::One(work.clone())),
        "contimg" => Some(Value::One(program.clone())),
        "files" => set.map(|set| Value::Many(set.files.clone())),
        _ => None,
    };
    // For the checksum: a night can be moved.
    let symbolic = |set: Option<&DataSet>, name: &str| match name {
        "work" => Some(Value::One("{work}".to_owned())),
        "contimg" => Some(Value::One(format!("contimg {}", given.version))),
        "files" => set.map(|_| Value::One("{files}".to_owned())),
        _ => None,
    };
    let spelt = Expander { plan, place: &place, sets, first: &real };
    let settings = Expander { plan, place: &place, sets, first: &symbolic };
    let each = |lists: &[Vec<String>], expander: &Expander<'_>| -> Result<Vec<Vec<String>>, Error> {
        lists.iter().map(|list| expander.all(list)).collect()
    };
    let env = |expander: &Expander<'_>| -> Result<BTreeMap<String, String>, Error> {
        stage.env.iter().map(|(name, value)| Ok((name.clone(), expander.one(value)?))).collect()
    };
    let product = stage.product.as_deref();
    let key = serde_json::json!({
        "stage": stage.name,
        "command": settings.all(&stage.command)?,
        "check_before": each(&stage.check_before, &settings)?,
        "then": each(&stage.then, &settings)?,
        "check_after": each(&stage.check_after, &settings)?,
        "env": env(&settings)?,
        "product": product.map(|product| settings.one(product)).transpose()?,
        "writes": settings.all(&stage.writes)?,
    });
    let placed = |templates: &[String]| -> Result<Vec<String>, Error> {
        let mut all = Vec::new();
        for template in templates {
            let texts = spelt.all(std::slice::from_ref(template))?;
            if let Some(relative) = texts.iter().map(|text| Resource::parse(text)).find(|r| !r.path().is_absolute()) {
                let (place, template, path) = (place.clone(), template.clone(), relative.path().to_owned());
                return Err(Error::RelativePath { place, template, path });
            }
            all.extend(texts);
        }
        Ok(all)
    };
    let writes = placed(&stage.writes)?;
    placed(stage.product.as_slice())?;
    let mut reads: Vec<Resource> = placed(&stage.reads)?.iter().map(|text| Resource::parse(text)).collect();
    reads.dedup();
    Ok(Concrete {
        command: spelt.all(&stage.command)?,
        check_before: each(&stage.check_before, &spelt)?,
        then: each(&stage.then, &spelt)?,
        check_after: each(&stage.check_after, &spelt)?,
        env: env(&spelt)?,
        product: product.map(|product| spelt.one(product)).transpose()?.map(PathBuf::from),
        reads,
        writes,
        key: blake3::hash(key.to_string().as_bytes()).to_hex()[..32].to_owned(),
    })
}

/// Replaces what waits for the attempt, but for what its worker knows: `{out}` and `{scratch}`.
pub(crate) fn finish(argument: &str, cores: u32, memory: u64) -> String {
    let gigabytes = format!("{:.3}", memory as f64 / (1_u64 << 30) as f64);
    let values = [
        ("{threads}", cores.to_string()),
        ("{memory}", memory.to_string()),
        ("{memory_mb}", (memory >> 20).to_string()),
        ("{memory_gb}", gigabytes),
    ];
    values.iter().fold(argument.to_owned(), |text, (name, value)| text.replace(name, value))
}

struct Expander<'a> {
    plan: &'a Plan,
    place: &'a str,
    sets: &'a [&'a DataSet],
    /// Values that come first.
    first: &'a dyn Fn(Option<&DataSet>, &str) -> Option<Value>,
}

impl Expander<'_> {
    fn lookup(&self, set: Option<&DataSet>, names_set: &Cell<bool>, name: &str) -> Option<Value> {
        if LATE.contains(&name) {
            return Some(Value::One(format!("{{{name}}}")));
        }
        let of_set = || {
            let set = set?;
            match name {
                "set" => Some(Value::One(set.name.clone())),
                _ => set.vars.get(name).cloned().map(Value::One),
            }
        };
        if matches!(name, "set" | "files") {
            names_set.set(true);
        }
        if let Some(value) = (self.first)(set, name) {
            return Some(value);
        }
        if let Some(value) = of_set() {
            names_set.set(true);
            return Some(value);
        }
        self.plan.vars.get(name).cloned().map(Value::One)
    }

    fn one(&self, template: &str) -> Result<String, Error> {
        let names_set = Cell::new(false);
        expand(self.place, template, &|name| self.lookup(self.sets.first().copied(), &names_set, name))
    }

    /// Each template; for several sets, those that name something of a set are repeated for every one.
    fn all(&self, templates: &[String]) -> Result<Vec<String>, Error> {
        let mut all = Vec::new();
        for template in templates {
            let names_set = Cell::new(false);
            let template = std::slice::from_ref(template);
            let first =
                expand_all(self.place, template, &|name| self.lookup(self.sets.first().copied(), &names_set, name))?;
            all.extend(first);
            if names_set.get() {
                for set in self.sets.iter().skip(1) {
                    all.extend(expand_all(self.place, template, &|name| self.lookup(Some(set), &names_set, name))?);
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
[vars]
ms = "{work}/ms/{set}.ms"
[[set]]
name = "a"
files = ["/in/1", "/in/2"]
[[set]]
name = "b"
[[stage]]
name = "s"
command = ["{contimg}", "-j", "{threads}", "{files}", "{ms}", "{out}/x"]
product = "{work}/p/{set}"
reads = ["{files}", "{ms}::DATA"]
[[stage]]
name = "n"
scope = "night"
command = ["true", "--all", "{work}/p/{set}"]
"#;

    fn given(work: &str) -> Given {
        Given { work: work.into(), program: "/bin/contimg".into(), version: "1".into() }
    }

    #[test]
    fn a_stage_is_made_concrete() {
        let plan = Plan::parse("test", PLAN).expect("a plan");
        let sets: Vec<&DataSet> = plan.sets.iter().collect();
        let one = concrete(&plan, &plan.stages[0], &sets[..1], &given("/w")).expect("all names are known");
        assert_eq!(one.command, ["/bin/contimg", "-j", "{threads}", "/in/1", "/in/2", "/w/ms/a.ms", "{out}/x"]);
        assert_eq!(one.reads.len(), 3);
        assert_eq!(finish(&one.command[2], 3, 1 << 30), "3");
        let night = concrete(&plan, &plan.stages[1], &sets, &given("/w")).expect("all names are known");
        assert_eq!(night.command, ["true", "--all", "/w/p/a", "/w/p/b"]);
    }

    #[test]
    fn what_is_read_or_made_has_a_place() {
        let plan = Plan::parse("test", PLAN).expect("a plan");
        let sets: Vec<&DataSet> = plan.sets.iter().collect();
        for (place, template) in [("reads", "{ms}::DATA"), ("product", "{work}/p/{set}")] {
            let text = PLAN.replace(template, "here/{set}");
            let plan = Plan::parse("test", &text).expect("a plan");
            let error = concrete(&plan, &plan.stages[0], &sets[..1], &given("/w")).expect_err(place);
            assert!(matches!(&error, Error::RelativePath { path, .. } if path == Path::new("here/a")), "{error}");
        }
    }

    #[test]
    fn settings_do_not_depend_on_the_place() {
        let plan = Plan::parse("test", PLAN).expect("a plan");
        let sets: Vec<&DataSet> = plan.sets.iter().collect();
        let key = |work: &str, text: &str| {
            let plan = Plan::parse("test", text).expect("a plan");
            concrete(&plan, &plan.stages[0], &sets[..1], &given(work)).expect("all names are known").key
        };
        assert_eq!(key("/w", PLAN), key("/elsewhere", PLAN));
        assert_ne!(key("/w", PLAN), key("/w", &PLAN.replace("-j", "-k")));
    }
}
