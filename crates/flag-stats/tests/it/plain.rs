//! The plain way to count: flag by flag.

use std::collections::BTreeMap;

use flag_stats::{Count, FlagStats, Tally};

use crate::set::{Row, Set};

/// Every breakdown of a set's rows, by what it is of.
pub(crate) fn count(set: &Set, rows: &[Row]) -> BTreeMap<String, Tally> {
    let mut counts = BTreeMap::<String, Tally>::new();
    for row in rows {
        let auto = row.antennas[0] == row.antennas[1];
        let Some(flags) = &row.flags else { continue };
        let correlations = set.windows[row.window as usize][1];
        for (i, &flag) in flags.iter().enumerate() {
            let (channel, correlation) = (i / correlations, i % correlations);
            let name =
                if correlations == 2 { ["XX", "YY"][correlation] } else { ["XX", "XY", "YX", "YY"][correlation] };
            let [first, second] = row.antennas;
            let (window, time) = (row.window, row.time_s);
            let mut keys = vec![
                "total".to_owned(),
                format!("antenna {first}"),
                format!("baseline {first} {second}"),
                format!("window {window}"),
                format!("channel {window} {channel}"),
                format!("correlation {name}"),
                format!("field {}", row.field),
                format!("scan {}", row.scan),
                format!("time {time}"),
            ];
            if !auto {
                keys.push(format!("antenna {second}"));
                keys.push(format!("antenna {first} channel {window} {channel}"));
                keys.push(format!("antenna {second} channel {window} {channel}"));
                keys.push(format!("time {time} channel {window} {channel}"));
            }
            let one = Count { total: 1, flag: flag.into(), flag_or_row: (flag || row.row_flag).into() };
            for key in keys {
                let tally = counts.entry(key).or_default();
                *if auto { &mut tally.auto } else { &mut tally.cross } += one;
            }
        }
    }
    counts
}

/// The same of what was counted; without what is empty.
pub(crate) fn listed(stats: &FlagStats) -> BTreeMap<String, Tally> {
    let mut counts = BTreeMap::new();
    let mut put = |key: String, tally: Tally| {
        if tally.all().total > 0 {
            assert_eq!(counts.insert(key.clone(), tally), None, "{key} twice");
        }
    };
    let cross = |cross: Count| Tally { cross, ..Tally::default() };
    put("total".to_owned(), stats.total);
    stats.antennas.iter().for_each(|a| put(format!("antenna {}", a.antenna), a.flags));
    for b in &stats.baselines {
        let auto = b.antenna1 == b.antenna2;
        let flags = if auto { Tally { auto: b.flags, ..Tally::default() } } else { cross(b.flags) };
        put(format!("baseline {} {}", b.antenna1, b.antenna2), flags);
    }
    for w in &stats.windows {
        put(format!("window {}", w.window), w.flags);
        w.channels.iter().enumerate().for_each(|(i, &flags)| put(format!("channel {} {i}", w.window), flags));
    }
    stats.correlations.iter().for_each(|c| put(format!("correlation {}", c.name), c.flags));
    stats.fields.iter().for_each(|f| put(format!("field {}", f.field), f.flags));
    stats.scans.iter().for_each(|s| put(format!("scan {}", s.scan), s.flags));
    stats.times.iter().for_each(|t| put(format!("time {}", t.first_s), t.flags));
    let column = |i: usize| format!("channel {} {}", stats.columns[i].window, stats.columns[i].first);
    for (antenna, line) in stats.antennas.iter().zip(stats.antenna_channel.lines()) {
        for (i, &count) in line.iter().enumerate() {
            put(format!("antenna {} {}", antenna.antenna, column(i)), cross(count));
        }
    }
    for (time, line) in stats.times.iter().zip(stats.time_channel.lines()) {
        for (i, &count) in line.iter().enumerate() {
            put(format!("time {} {}", time.first_s, column(i)), cross(count));
        }
    }
    counts
}
