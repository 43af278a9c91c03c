//! `contimg clean`: what dead runs left, and its removal.

use std::process::ExitCode;

use publish::Liveness;
use serde_json::json;

use crate::{args::CleanArgs, convert::of_publish, failure::Failure, output::outln, size::Bytes};

pub(crate) fn run(args: &CleanArgs) -> Result<ExitCode, Failure> {
    let mut rows = Vec::new();
    let mut removed = 0;
    let mut failures = Vec::new();
    for dir in &args.dirs {
        for leftover in publish::leftovers(dir).map_err(|e| of_publish(&e))? {
            let dead = leftover.liveness == Liveness::Dead;
            let mut fate = match leftover.liveness {
                Liveness::Dead => "left by a dead run",
                Liveness::Alive => "in use by a running process",
                Liveness::Unknown => "of another host, which may still run",
            };
            if args.remove && dead {
                match publish::remove_leftover(&leftover) {
                    Ok(()) => {
                        fate = "removed";
                        removed += leftover.disk_bytes;
                    }
                    Err(error) => {
                        fate = "could not be removed";
                        failures.push(of_publish(&error));
                    }
                }
            }
            rows.push((leftover, fate));
        }
    }
    if args.json {
        let list: Vec<_> = rows
            .iter()
            .map(|(l, fate)| {
                json!({
                    "path": l.path, "target": l.target, "disk_bytes": l.disk_bytes, "state": fate,
                    "owner": l.owner.as_ref().map(ToString::to_string),
                })
            })
            .collect();
        outln!("{:#}", json!({ "leftovers": list, "removed_bytes": removed }));
    } else if rows.is_empty() {
        outln!("nothing was left behind");
    } else {
        for (leftover, fate) in &rows {
            outln!("{:>10}  {}  ({fate})", Bytes(leftover.disk_bytes), leftover.path.display());
        }
        let total: u64 = rows.iter().map(|(l, _)| l.disk_bytes).sum();
        match args.remove {
            true => outln!("{:>10}  removed", Bytes(removed)),
            false => outln!("{:>10}  in all; --remove removes what dead runs left", Bytes(total)),
        }
    }
    match failures.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(ExitCode::SUCCESS),
    }
}
