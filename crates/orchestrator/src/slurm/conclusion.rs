//! What follows when a job is gone and left no result.

use crate::failure::Class;

use super::commands::Fate;

/// A job that vanished is submitted again so often; after that it is the set's, not the cluster's.
const MOST: u32 = 5;

/// What to do about a job without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// The cluster lost it: it is submitted again, and costs the set nothing.
    Again(String),
    /// The attempt failed.
    Failed(Class, String),
}

/// Draws the conclusion. `name` is the task's, `began` whether its worker ever did.
pub(crate) fn of(name: &str, fate: Option<&Fate>, began: bool, resubmitted: u32) -> Conclusion {
    let Some(fate) = fate else {
        return again(resubmitted, format!("Slurm job {name} is gone and Slurm does not know how it ended"));
    };
    let Fate { state, exit, nodes, .. } = fate;
    let at = if nodes.is_empty() || nodes == "(null)" { String::new() } else { format!(" on {nodes}") };
    let ended = format!("Slurm job {name} ended{at} as {state} ({exit})");
    match state.as_str() {
        "OUT_OF_MEMORY" => Conclusion::Failed(Class::Memory, format!("{ended}: it took more memory than it was given")),
        "TIMEOUT" | "DEADLINE" => Conclusion::Failed(Class::Time, ended),
        "CANCELLED" => Conclusion::Failed(Class::Lost, format!("{ended}: somebody cancelled it")),
        // Killed outright, from outside: by whatever ended the node, more often than by anything of the set's.
        "FAILED" if began && exit == "0:9" => again(resubmitted, ended),
        "FAILED" if began => {
            Conclusion::Failed(Class::Lost, format!("{ended}: its worker process died without a word"))
        }
        "FAILED" => Conclusion::Failed(
            Class::CannotStart,
            format!(
                "{ended}: the worker could not start there; are work folder and program on a file system of all nodes?"
            ),
        ),
        _ => again(resubmitted, ended),
    }
}

fn again(resubmitted: u32, what: String) -> Conclusion {
    if resubmitted < MOST {
        Conclusion::Again(what)
    } else {
        Conclusion::Failed(Class::Lost, format!("{what}, after {resubmitted} more attempts of the same"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_s_losses_are_told_from_the_set_s() {
        let fate =
            |state: &str| Fate { state: state.into(), exit: "0:9".into(), nodes: "n2".into(), ..Fate::default() };
        let class = |conclusion| match conclusion {
            Conclusion::Failed(class, _) => Some(class),
            Conclusion::Again(_) => None,
        };
        for (state, expected) in [
            ("NODE_FAIL", None),
            ("PREEMPTED", None),
            ("COMPLETED", None),
            ("OUT_OF_MEMORY", Some(Class::Memory)),
            ("TIMEOUT", Some(Class::Time)),
            ("CANCELLED", Some(Class::Lost)),
        ] {
            assert_eq!(class(of("7_0", Some(&fate(state)), true, 0)), expected, "{state}");
        }
        assert_eq!(class(of("7_0", Some(&fate("FAILED")), false, 0)), Some(Class::CannotStart));
        assert_eq!(class(of("7_0", Some(&fate("FAILED")), true, 0)), None, "a worker that was killed");
        let exited = Fate { exit: "1:0".into(), ..fate("FAILED") };
        assert_eq!(class(of("7_0", Some(&exited), true, 0)), Some(Class::Lost));
        assert_eq!(class(of("7_0", None, true, 0)), None);
        assert_eq!(class(of("7_0", None, true, MOST)), Some(Class::Lost), "not for ever");
    }
}
