//! What was flagged, for people and as JSON.

use serde_json::json;

use super::{FlagArgs, stream::Outcome};
use crate::{failure::Failure, output::outln};

pub(super) fn print(args: &FlagArgs, outcome: &Outcome) -> Result<(), Failure> {
    let Outcome { before, after, reasons, external, .. } = outcome;
    if args.json {
        let mut named: serde_json::Map<_, _> =
            reasons.named().iter().map(|(name, count)| (name.replace(' ', "_"), json!(count))).collect();
        if let Some((program, count)) = external {
            named.insert(program.clone(), json!(count));
        }
        let committed = outcome.committed.as_ref();
        outln!(
            "{:#}",
            json!({
                "set": outcome.set,
                "dry_run": args.dry_run,
                "rows": outcome.rows,
                "selected_rows": outcome.selected_rows,
                "flags": before.total,
                "before": { "flag": before.flag, "flag_or_row": before.flag_or_row },
                "after": { "flag": after.flag, "flag_or_row": after.flag_or_row },
                "new": named,
                "dead_antennas": outcome.dead_antennas,
                "all_baselines_fraction": outcome.array_fraction,
                "saved_version": outcome.version,
                "generations": committed.map(|committed| {
                    committed.generations.iter().map(|(name, n)| (name.clone(), json!(n))).collect::<serde_json::Map<_, _>>()
                }),
            })
        );
        return Ok(());
    }
    outln!("{}", outcome.set.display());
    if outcome.selected_rows != outcome.rows {
        outln!("  selected             {} of {} rows", outcome.selected_rows, outcome.rows);
    }
    outln!("  flagged before       {} ({})", before.flag, percent(before.flag, before.total));
    let new = external.iter().map(|(program, count)| (program.as_str(), *count)).chain(reasons.named());
    for (name, count) in new.filter(|(_, count)| *count > 0) {
        outln!("    {name:30} {count:>14}  {}", percent(count, before.total));
    }
    if !outcome.dead_antennas.is_empty() {
        let numbers: Vec<String> = outcome.dead_antennas.iter().map(i32::to_string).collect();
        outln!("  dead antennas        {}", numbers.join(", "));
    }
    let would = if args.dry_run { "flagged then (dry run)" } else { "flagged after" };
    outln!("  {would:20} {} ({})", after.flag, percent(after.flag, after.total));
    if let Some(version) = &outcome.version {
        outln!("  the flags as they were: contimg flag {} --restore {version}", outcome.set.display());
    }
    Ok(())
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".into() } else { format!("{:.2} %", 100.0 * part as f64 / whole as f64) }
}
