//! `contimg plan`: what is there and what a conversion would do.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    args::{PlanArgs, Selection},
    budget::{BASE_BYTES, Demand, Fit},
    failure::Failure,
    notation::count,
    output::outln,
    size::Bytes,
    survey::{self, Candidate, utc},
};

/// Groups shown at each end of a long list.
const SHOWN: usize = 12;

pub(crate) fn run(args: &PlanArgs) -> Result<ExitCode, Failure> {
    let survey = survey::take(&args.selection, args.json)?;
    let selection = &args.selection;
    let judged: Vec<(&Candidate, Option<Failure>)> = survey.groups.iter().map(|g| (g, g.refusal(selection))).collect();
    let lacking = |g: &Candidate| !g.group.is_complete();
    let listed: Vec<_> =
        judged.iter().filter(|(g, refusal)| !args.incomplete || refusal.is_some() || lacking(g)).collect();

    let convertible = judged.iter().filter(|(_, refusal)| refusal.is_none());
    let output: u64 = convertible.clone().map(|(g, _)| g.output_bytes).sum();
    let input: u64 = convertible.clone().map(|(g, _)| g.group.bytes()).sum();
    let n_convertible = convertible.clone().count();
    let fits = convertible.filter_map(|(g, _)| predict(g, args).ok());
    let peak = fits.map(|f| f.bytes).max();
    let mut histogram = vec![0u64; usize::from(selection.subbands) + 1];
    for (g, _) in &judged {
        let n = g.group.members.len().min(usize::from(selection.subbands));
        histogram[n] += 1;
    }

    if args.json {
        let groups: Vec<_> = listed
            .iter()
            .map(|(g, refusal)| {
                json!({
                    "name": g.name,
                    "first_time": utc(g.group.first_time),
                    "last_time": utc(g.group.last_time),
                    "first_time_jd": g.group.first_time,
                    "last_time_jd": g.group.last_time,
                    "files": g.files,
                    "subbands": g.group.members.iter().filter_map(|m| m.file.subband).collect::<Vec<_>>(),
                    "missing": g.group.missing,
                    "duplicates": g.group.duplicates.iter().map(|d| &d.file.path).collect::<Vec<_>>(),
                    "name_skew_s": g.group.name_skew_s,
                    "time_skew_s": g.group.time_skew_s,
                    "gap_before_s": g.group.gap_before_s,
                    "rows": g.rows,
                    "input_bytes": g.group.bytes(),
                    "output_bytes": g.output_bytes,
                    "peak_memory_bytes": predict(g, args).ok().map(|f| f.bytes),
                    "converts": refusal.is_none(),
                    "refused": refusal.as_ref().map(|r| r.chain.join(": ")),
                })
            })
            .collect();
        let ungrouped = |list: &[subband_io::Ungrouped]| -> Vec<_> {
            list.iter().map(|u| json!({ "path": u.file.path, "reason": u.reason })).collect()
        };
        outln!(
            "{:#}",
            json!({
                "groups": groups,
                "unfinished": ungrouped(&survey.rest.unfinished),
                "unreadable": ungrouped(&survey.rest.unreadable),
                "others": survey.rest.others.iter().map(|o| &o.path).collect::<Vec<_>>(),
                "groups_by_subbands": histogram,
                "convertible_groups": n_convertible,
                "input_bytes": input,
                "output_bytes": output,
                "peak_memory_bytes": peak,
                "headers_read": survey.headers_read,
                "headers_remembered": survey.headers_remembered,
            })
        );
        return something(&judged, selection);
    }

    if !listed.is_empty() {
        let width = listed.iter().map(|(g, _)| g.name.chars().count()).max().unwrap_or(0).max(5);
        outln!(
            "{:width$}  {:>3}  {:subbands$}  {:>10}  {:>10}  what would happen",
            "group",
            "n",
            "sb00…",
            "input",
            "output",
            subbands = usize::from(selection.subbands).max(5)
        );
        let skip = if args.all || listed.len() <= 2 * SHOWN + 1 { 0..0 } else { SHOWN..listed.len() - SHOWN };
        for (i, (group, refusal)) in listed.iter().enumerate() {
            if i == skip.start && !skip.is_empty() {
                outln!("… {} more; --all shows them", skip.len());
            }
            if !skip.contains(&i) {
                outln!("{}", line(group, refusal.as_ref(), selection.subbands, width));
            }
        }
        outln!();
    }
    let shown: Vec<_> = histogram
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, count)| **count > 0)
        .map(|(n, count)| format!("{count} with {n}"))
        .collect();
    outln!("{}: {}", count(judged.len(), "group"), if shown.is_empty() { "none".to_owned() } else { shown.join(", ") });
    outln!(
        "{n_convertible} would be converted: {} in, {} out, peak memory {}",
        Bytes(input),
        Bytes(output),
        peak.map_or_else(|| "unknown".to_owned(), |p| Bytes(p).to_string()),
    );
    outln!(
        "{} unfinished, {} unreadable, {} other entries; {} headers read, {} remembered",
        survey.rest.unfinished.len(),
        survey.rest.unreadable.len(),
        survey.rest.others.len(),
        survey.headers_read,
        survey.headers_remembered,
    );
    if args.all {
        survey.all_notes().iter().for_each(|note| outln!("  {note}"));
    } else {
        survey.notes().for_each(|note| outln!("  {note}"));
    }
    something(&judged, selection)
}

/// A failure where there is no group at all.
fn something(judged: &[(&Candidate, Option<Failure>)], selection: &Selection) -> Result<ExitCode, Failure> {
    if judged.is_empty() {
        return Err(selection.nothing());
    }
    Ok(ExitCode::SUCCESS)
}

fn line(group: &Candidate, refusal: Option<&Failure>, expected: u8, width: usize) -> String {
    let mut what = match refusal {
        Some(failure) => format!("refused: {}", failure.chain.join(": ")),
        None if group.group.missing.is_empty() => "convert".to_owned(),
        None => format!("convert without {} of {expected}", group.group.missing.len()),
    };
    if group.group.name_skew_s > 5.0 {
        what += &format!("; names differ by {:.0} s", group.group.name_skew_s);
    }
    if group.group.gap_before_s.is_some_and(|gap| gap < -1.0) {
        what += "; overlaps the group before";
    }
    format!(
        "{:width$}  {:>3}  {:subbands$}  {:>10}  {:>10}  {what}",
        group.name,
        group.group.members.len(),
        group.pattern(expected),
        Bytes(group.group.bytes()),
        Bytes(group.output_bytes),
        subbands = usize::from(expected).max(5),
    )
}

/// Memory of converting a group. The rows of a chunk are not known before the file's data are looked at: the writer's 256
/// are assumed.
fn predict(group: &Candidate, args: &PlanArgs) -> Result<Fit, Failure> {
    let members = &group.group.members;
    let channels: u64 = members.iter().map(|m| m.summary.n_channels).sum();
    let widest = members.iter().map(|m| m.summary.n_channels).max().unwrap_or(1);
    let correlations = members.first().map_or(1, |m| m.summary.correlations.len());
    let row = channels * correlations as u64 * (8 + 4 + 1);
    let demand = Demand {
        unit: 256,
        row_bytes: widest as usize * correlations * 8,
        fixed: BASE_BYTES,
        block_bytes: |rows| rows as u64 * row,
    };
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    Fit::new(&demand, args.memory.0, threads)
}
